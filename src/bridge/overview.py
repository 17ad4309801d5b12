"""What is true of the bridge, put together from what its parts say of themselves. Pure.

An upstream tells how its connection is, its login how its tokens are, the supervisor
whether the actor runs at all. Each is right about itself; here they become one word and
one reason per upstream, and one for the bridge.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from bridge.actor.child import ChildState, ChildStatus
from bridge.contract.upstream import UpstreamState
from bridge.observe.outlook import next_step
from bridge.observe.status import KeysStatus, OAuthStatus, UpstreamStatus

_CRASHED = "crashed more often than it may; see the log, then reconnect it"
#: Nothing is wrong with an upstream in one of these.
_FINE = frozenset({UpstreamState.CONNECTED.value, UpstreamState.DISABLED.value})
_OUT_OF_ORDER = frozenset({ChildState.QUARANTINED, ChildState.BACKING_OFF})
_ASKS = frozenset({"login_required", "login_pending"})
#: Key sets nobody can be let in by.
_NO_KEYS = frozenset({"reading", "missing"})


def truth(
    status: UpstreamStatus,
    *,
    child: ChildStatus | None,
    login: OAuthStatus | None,
    now: float,
    wall: float,
) -> UpstreamStatus:
    """The upstream as it is, and what it waits for.

    ``now`` is Trio's time, ``wall`` the epoch's at the same moment.
    """
    if child is not None and child.state in _OUT_OF_ORDER:
        status = _crashed(status, child)
    elif status.state == UpstreamState.CONNECTED.value and login is not None:
        status = _without_token(status, login, now=now, wall=wall)
    retry_at = status.retry_at
    waits_for = next_step(
        status.name,
        state=status.state,
        phase=status.phase,
        reason=status.reason,
        retry_in=None if retry_at is None else retry_at - now,
        has_login=login is not None,
        circuit=status.circuit,
    )
    return replace(status, waits_for=waits_for)


def _crashed(status: UpstreamStatus, child: ChildStatus) -> UpstreamStatus:
    """The last snapshot is that of an actor that does not run any more."""
    quarantined = child.state is ChildState.QUARANTINED
    state = UpstreamState.FAILED if quarantined else UpstreamState.BACKOFF
    return replace(
        status,
        state=state.value,
        phase="quarantined" if quarantined else "crashed",
        reason=_CRASHED if quarantined else f"its actor crashed: {child.last_error}",
        since=child.since,
        retry_at=child.next_attempt_at,
        last_error=child.last_error,
        last_error_at=child.last_error_at,
        in_flight=0,
        queued=0,
    )


def _without_token(
    status: UpstreamStatus, login: OAuthStatus, *, now: float, wall: float
) -> UpstreamStatus:
    """A link that is open is of no use to calls while there is no good token."""
    if login.serving or login.state == "absent":
        return status
    why = f": {login.last_error}" if login.last_error else ""
    if login.state in _ASKS:
        reason = f"its token is no longer good{why}"
        return replace(status, state=UpstreamState.AUTH_REQUIRED.value, reason=reason)
    return replace(
        status,
        state=UpstreamState.BACKOFF.value,
        reason=f"its token has expired and is not renewed yet{why}",
        retry_at=None if login.refresh_at is None else now + login.refresh_at - wall,
    )


def counted(upstreams: Iterable[UpstreamStatus]) -> dict[str, int]:
    """How many upstreams are in each state."""
    return dict(sorted(Counter(each.state for each in upstreams).items()))


def can_admit(keys: KeysStatus | None) -> bool:
    """Somebody with a good token is let in. None: nobody needs one."""
    return keys is None or keys.state not in _NO_KEYS


def word_for(
    *, draining: bool, started: bool, admitting: bool, troubles: Iterable[str]
) -> str:
    """The bridge in one word."""
    if draining:
        return "draining"
    if not admitting:
        return "unavailable" if started else "starting"
    if not started:
        return "starting"
    return "degraded" if tuple(troubles) else "ready"


def troubles_of(
    upstreams: Iterable[UpstreamStatus], keys: KeysStatus | None
) -> tuple[str, ...]:
    """Whatever is not as it should be, one sentence each."""
    said = [_keys_trouble(keys)] if keys is not None and keys.state != "valid" else []
    return (*said, *(_trouble(each) for each in upstreams if not _serves(each)))


def _serves(status: UpstreamStatus) -> bool:
    """It is as it should be. One that is connected and left alone is not."""
    return status.state in _FINE and not (
        status.state == UpstreamState.CONNECTED.value and status.waits_for
    )


def _keys_trouble(keys: KeysStatus) -> str:
    why = f": {keys.last_error}" if keys.last_error else ""
    return f"the keys of {keys.issuer} are {keys.state}{why}"


def _trouble(status: UpstreamStatus) -> str:
    why = status.reason or (status.waits_for and f"waits for {status.waits_for}")
    return f"{status.name} is {status.state}" + (f": {why}" if why else "")


def invalid(problems: Mapping[str, str], *, now: float) -> tuple[UpstreamStatus, ...]:
    """The servers that were left out, with the reason of each."""
    return tuple(
        UpstreamStatus(
            name=name,
            state=UpstreamState.INVALID.value,
            reason=reason,
            since=now,
            waits_for=next_step(name, state=UpstreamState.INVALID.value),
        )
        for name, reason in problems.items()
    )
