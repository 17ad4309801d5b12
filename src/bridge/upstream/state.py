"""The connection of one upstream, as a machine. Pure: no clock, no chance, no log.

The driver (`bridge.upstream.actor`) feeds events and performs actions. What is not in
the table changes nothing: a late event of a link that was given up is no news.

======================================  ======================  ================
from                                    event                   to
======================================  ======================  ================
IDLE                                    Start                   CONNECTING
CONNECTING, QUEUED                      Queued                  QUEUED
QUEUED                                  Admitted                CONNECTING
CONNECTING, QUEUED                      PutAside                BACKING_OFF
CONNECTING                              LinkOpened              HANDSHAKING
HANDSHAKING                             Agreed                  DISCOVERING
HANDSHAKING                             NoCommonRevision        FAILED
DISCOVERING                             Catalogued              READY
READY                                   Catalogued              READY
READY                                   Stable                  READY
CONNECTING, HANDSHAKING, DISCOVERING,   Unauthorized            AUTHORIZING
READY
AUTHORIZING, AWAITING_LOGIN,            BearerReady             CONNECTING
BACKING_OFF, FAILED
AUTHORIZING                             RenewFailed             BACKING_OFF *
CONNECTING, HANDSHAKING, DISCOVERING,   LoginNeeded             AWAITING_LOGIN
READY, AUTHORIZING, AWAITING_LOGIN,
QUEUED
CONNECTING, HANDSHAKING, DISCOVERING,   LinkFailed              BACKING_OFF *
READY
READY                                   SessionEnded            CONNECTING **
CONNECTING, HANDSHAKING, DISCOVERING    SessionEnded            BACKING_OFF *
BACKING_OFF, FAILED, AWAITING_LOGIN     Waited, Poke            CONNECTING
READY                                   Poke(reconnect)         CONNECTING
DRAINING                                LinkFailed,             STOPPED
                                        SessionEnded,
                                        Unauthorized, CallsDone
any but DRAINING, STOPPED               Drain                   DRAINING
======================================  ======================  ================

\\* FAILED past the attempts, or when ``autoRestart`` is off. \\*\\* at once only as the
first failure in a row: a server that forgets every session is backed off from.
"""

from collections.abc import Callable
from enum import Enum
from typing import cast

import msgspec
from msgspec.structs import replace

from bridge.contract.upstream import UpstreamState
from bridge.upstream.retry import Pause, RetryPolicy, pause_after, slow_pause


class Phase(Enum):
    """Where the connection stands."""

    IDLE = "idle"
    CONNECTING = "connecting"
    QUEUED = "queued"  # others at the same place come first
    HANDSHAKING = "handshaking"
    DISCOVERING = "discovering"
    READY = "ready"
    AUTHORIZING = "authorizing"
    AWAITING_LOGIN = "awaiting_login"
    BACKING_OFF = "backing_off"
    FAILED = "failed"
    DRAINING = "draining"
    STOPPED = "stopped"


_SHOWN: dict[Phase, UpstreamState] = {
    Phase.IDLE: UpstreamState.DISCONNECTED,
    Phase.CONNECTING: UpstreamState.CONNECTING,
    Phase.QUEUED: UpstreamState.CONNECTING,
    Phase.HANDSHAKING: UpstreamState.CONNECTING,
    Phase.DISCOVERING: UpstreamState.CONNECTING,
    Phase.READY: UpstreamState.CONNECTED,
    Phase.AUTHORIZING: UpstreamState.CONNECTING,
    Phase.AWAITING_LOGIN: UpstreamState.AUTH_REQUIRED,
    Phase.BACKING_OFF: UpstreamState.BACKOFF,
    Phase.FAILED: UpstreamState.FAILED,
    Phase.DRAINING: UpstreamState.DISCONNECTED,
    Phase.STOPPED: UpstreamState.DISCONNECTED,
}


class State(msgspec.Struct, frozen=True, kw_only=True):
    """``failures`` in a row since the last stable time; ``served``: ready once."""

    policy: RetryPolicy = RetryPolicy()
    phase: Phase = Phase.IDLE
    since: float = 0.0
    failures: int = 0
    served: bool = False
    reason: str = ""

    @property
    def shown(self) -> UpstreamState:
        """What users are told of it (R136)."""
        return _SHOWN[self.phase]


class Start(msgspec.Struct, frozen=True):
    """The actor runs."""


class Queued(msgspec.Struct, frozen=True):
    """Others at the same place come first; ``until``: at the latest."""

    reason: str
    until: float


class Admitted(msgspec.Struct, frozen=True):
    """Its turn has come."""


class PutAside(msgspec.Struct, frozen=True):
    """The place asked everybody for ``seconds`` of patience: nothing was tried."""

    reason: str
    seconds: float


class LinkOpened(msgspec.Struct, frozen=True):
    """The transport has opened a link."""


class Agreed(msgspec.Struct, frozen=True):
    """The handshake is done."""


class Catalogued(msgspec.Struct, frozen=True):
    """The upstream's lists were read."""


class Stable(msgspec.Struct, frozen=True):
    """It has been ready for a while: earlier failures are forgiven."""


class NoCommonRevision(msgspec.Struct, frozen=True):
    reason: str


class Unauthorized(msgspec.Struct, frozen=True):
    """401: the credentials, if there are any, are not good.

    ``generation``: of the token that was sent, 0: none.
    """

    challenge: str = ""
    generation: int = 0


class BearerReady(msgspec.Struct, frozen=True):
    """There is a (new) bearer to try."""


class RenewFailed(msgspec.Struct, frozen=True):
    """No new bearer for now."""

    reason: str


class LoginNeeded(msgspec.Struct, frozen=True):
    """Only the operator can help. ``told``: somebody says when it has happened, so
    nothing is tried until then."""

    reason: str
    told: bool = False


class LinkFailed(msgspec.Struct, frozen=True):
    """The link could not be had, was lost, or does not answer."""

    reason: str
    retry_after: float | None = None


class SessionEnded(msgspec.Struct, frozen=True):
    """The server forgot the session (404)."""

    reason: str


class Waited(msgspec.Struct, frozen=True):
    """The pause is over."""


class Poke(msgspec.Struct, frozen=True):
    """Somebody wants a connection now."""

    reason: str
    reconnect: bool = False


class Drain(msgspec.Struct, frozen=True):
    """Leave when the calls are done."""

    reason: str = "stopping"


class CallsDone(msgspec.Struct, frozen=True):
    """No call is left, or the time for them is over."""


Event = (
    Start
    | Queued
    | Admitted
    | PutAside
    | LinkOpened
    | Agreed
    | Catalogued
    | Stable
    | NoCommonRevision
    | Unauthorized
    | BearerReady
    | RenewFailed
    | LoginNeeded
    | LinkFailed
    | SessionEnded
    | Waited
    | Poke
    | Drain
    | CallsDone
)


class OpenLink(msgspec.Struct, frozen=True):
    """Open a link, within the deadline of a phase."""


class SendHandshake(msgspec.Struct, frozen=True):
    """Agree a revision, within the deadline of a phase."""


class ListAll(msgspec.Struct, frozen=True):
    """Read all lists, within the deadline of a phase."""


class CloseLink(msgspec.Struct, frozen=True):
    """Give up the link, or the attempt to open one."""


class FailInFlight(msgspec.Struct, frozen=True):
    """Resolve every call that was handed to the link."""


class RenewCredentials(msgspec.Struct, frozen=True):
    """Ask whoever holds the credentials; answered by an event."""

    challenge: str
    generation: int = 0


class Wait(msgspec.Struct, frozen=True):
    """Feed `Waited` after a time drawn from the bounds; None: not by itself."""

    pause: Pause | None


class Expect(msgspec.Struct, frozen=True):
    """Show when it goes on at the latest."""

    until: float


class PublishUp(msgspec.Struct, frozen=True):
    """Serve the catalog; watch for stability."""


class PublishChange(msgspec.Struct, frozen=True):
    """Serve the catalog if it is another one."""


class PublishDown(msgspec.Struct, frozen=True):
    """Say that it is not served, why, and until when."""


class FinishCalls(msgspec.Struct, frozen=True):
    """Feed `CallsDone` when the calls are done or their time is over."""


class Leave(msgspec.Struct, frozen=True):
    """The actor's work is over."""


Action = (
    OpenLink
    | SendHandshake
    | ListAll
    | CloseLink
    | FailInFlight
    | RenewCredentials
    | Wait
    | Expect
    | PublishUp
    | PublishChange
    | PublishDown
    | FinishCalls
    | Leave
)
Step = tuple[State, tuple[Action, ...]]
_Rule = Callable[[State, Event], Step]


def _reason(event: Event, fallback: str) -> str:
    return cast("str", getattr(event, "reason", fallback))


def _to(state: State, phase: Phase, reason: str = "") -> State:
    return replace(state, phase=phase, reason=reason)


def _start(state: State, _event: Event) -> Step:
    return _to(state, Phase.CONNECTING), (OpenLink(), PublishDown())


def _queued(state: State, event: Event) -> Step:
    queued = cast("Queued", event)  # as the table says
    after = _to(state, Phase.QUEUED, queued.reason)
    down = (PublishDown(),) if state.phase is not Phase.QUEUED else ()
    return after, (Expect(queued.until), *down)


def _admitted(state: State, _event: Event) -> Step:
    return _to(state, Phase.CONNECTING), ()


def _put_aside(state: State, event: Event) -> Step:
    """No failure of its own: it has not tried."""
    aside = cast("PutAside", event)  # as the table says
    after = _to(state, Phase.BACKING_OFF, aside.reason)
    pause = Pause(at_least=aside.seconds, at_most=aside.seconds)
    return after, (CloseLink(), Wait(pause), FailInFlight(), PublishDown())


def _opened(state: State, _event: Event) -> Step:
    return _to(state, Phase.HANDSHAKING), (SendHandshake(),)


def _agreed(state: State, _event: Event) -> Step:
    return _to(state, Phase.DISCOVERING), (ListAll(),)


def _catalogued(state: State, _event: Event) -> Step:
    return replace(_to(state, Phase.READY), served=True), (PublishUp(),)


def _changed(state: State, _event: Event) -> Step:
    return state, (PublishChange(),)


def _stable(state: State, _event: Event) -> Step:
    return replace(state, failures=0), ()


def _reconnect(state: State, event: Event) -> Step:
    return _to(state, Phase.CONNECTING, _reason(event, "")), (OpenLink(),)


def _given_up(state: State, event: Event) -> Step:
    """A working link is let go on purpose, for a new one."""
    reason = _reason(event, "")
    after = _to(state, Phase.CONNECTING, reason)
    return after, (CloseLink(), FailInFlight(), OpenLink(), PublishDown())


def _poked_while_ready(state: State, event: Event) -> Step:
    if isinstance(event, Poke) and event.reconnect:
        return _given_up(state, event)
    return state, ()


def _session_ended(state: State, event: Event) -> Step:
    if state.failures:
        return _failed(state, event)
    return _given_up(replace(state, failures=1), event)


def _failed(state: State, event: Event) -> Step:
    failures = state.failures + 1
    wish = event.retry_after if isinstance(event, LinkFailed) else None
    pause = pause_after(state.policy, failures, served=state.served, retry_after=wish)
    slow = pause is None or pause.slow
    after = replace(
        state,
        phase=Phase.FAILED if slow else Phase.BACKING_OFF,
        failures=failures,
        reason=_reason(event, ""),
    )
    return after, (CloseLink(), Wait(pause), FailInFlight(), PublishDown())


def _incompatible(state: State, event: Event) -> Step:
    after = _to(state, Phase.FAILED, _reason(event, ""))
    pause = slow_pause(state.policy)
    return after, (CloseLink(), Wait(pause), FailInFlight(), PublishDown())


def _unauthorized(state: State, event: Event) -> Step:
    refused = cast("Unauthorized", event)  # as the table says
    after = _to(state, Phase.AUTHORIZING, "the server asks for credentials")
    ready = (PublishDown(),) if state.phase is Phase.READY else ()
    return after, (
        CloseLink(),
        FailInFlight(),
        *ready,
        RenewCredentials(refused.challenge, refused.generation),
    )


def _login_needed(state: State, event: Event) -> Step:
    after = _to(state, Phase.AWAITING_LOGIN, _reason(event, ""))
    told = isinstance(event, LoginNeeded) and event.told
    pause = None if told else slow_pause(state.policy)
    return after, (CloseLink(), Wait(pause), FailInFlight(), PublishDown())


def _still_needed(state: State, event: Event) -> Step:
    """Nothing is new but the reason."""
    return replace(state, reason=_reason(event, "")), (PublishDown(),)


def _drain(state: State, event: Event) -> Step:
    after = _to(state, Phase.DRAINING, _reason(event, ""))
    return after, (PublishDown(), FinishCalls())


def _stop(state: State, event: Event) -> Step:
    after = _to(state, Phase.STOPPED, _reason(event, state.reason))
    return after, (FailInFlight(), CloseLink(), Leave())


_OPENING = (Phase.CONNECTING, Phase.HANDSHAKING, Phase.DISCOVERING)
_LINKED = (*_OPENING, Phase.READY)
_RESTING = (Phase.BACKING_OFF, Phase.FAILED, Phase.AWAITING_LOGIN)
_LEAVING = (Phase.DRAINING, Phase.STOPPED)

#: The whole machine; a pair that is missing changes nothing.
TABLE: dict[tuple[Phase, type[Event]], _Rule] = {
    (Phase.IDLE, Start): _start,
    (Phase.CONNECTING, Queued): _queued,
    (Phase.QUEUED, Queued): _queued,
    (Phase.QUEUED, Admitted): _admitted,
    (Phase.CONNECTING, PutAside): _put_aside,
    (Phase.QUEUED, PutAside): _put_aside,
    (Phase.QUEUED, LoginNeeded): _login_needed,
    (Phase.CONNECTING, LinkOpened): _opened,
    (Phase.HANDSHAKING, Agreed): _agreed,
    (Phase.HANDSHAKING, NoCommonRevision): _incompatible,
    (Phase.DISCOVERING, Catalogued): _catalogued,
    (Phase.READY, Catalogued): _changed,
    (Phase.READY, Stable): _stable,
    (Phase.AUTHORIZING, RenewFailed): _failed,
    (Phase.AUTHORIZING, BearerReady): _reconnect,
    (Phase.AUTHORIZING, LoginNeeded): _login_needed,
    (Phase.AWAITING_LOGIN, LoginNeeded): _still_needed,
    (Phase.AWAITING_LOGIN, BearerReady): _reconnect,
    (Phase.BACKING_OFF, BearerReady): _reconnect,
    (Phase.FAILED, BearerReady): _reconnect,
    (Phase.READY, SessionEnded): _session_ended,
    (Phase.READY, Poke): _poked_while_ready,
    (Phase.DRAINING, CallsDone): _stop,
    (Phase.DRAINING, LinkFailed): _stop,
    (Phase.DRAINING, SessionEnded): _stop,
    (Phase.DRAINING, Unauthorized): _stop,
    **{(phase, Unauthorized): _unauthorized for phase in _LINKED},
    **{(phase, LoginNeeded): _login_needed for phase in _LINKED},
    **{(phase, LinkFailed): _failed for phase in _LINKED},
    **{(phase, SessionEnded): _failed for phase in _OPENING},
    **{(phase, Waited): _reconnect for phase in _RESTING},
    **{(phase, Poke): _reconnect for phase in _RESTING},
    **{(phase, Drain): _drain for phase in Phase if phase not in _LEAVING},
}


def step(state: State, event: Event, now: float) -> Step:
    """Apply one event: the state after it, and what is to be done."""
    rule = TABLE.get((state.phase, type(event)))
    if rule is None:
        return state, ()
    after, actions = rule(state, event)
    if after.phase is not state.phase:
        after = replace(after, since=now)
    return after, actions
