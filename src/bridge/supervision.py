"""The supervision tree of one bridge, from the snapshots of its parts. Pure."""

from collections.abc import Iterator, Mapping

import msgspec

from bridge.actor.child import ChildState, ChildStatus
from bridge.observe.ages import ago, ahead, proof
from bridge.observe.outlook import login_command, pause
from bridge.observe.status import (
    BridgeStatus,
    KeysStatus,
    OAuthStatus,
    UpstreamStatus,
)
from bridge.observe.tree import Fact, Node, Queue

#: How the ids of the children that run upstreams begin (`bridge.control.child_id`).
UPSTREAM = "upstream:"
#: Started before the upstreams; everybody else after them.
_FIRST = ("keys", "router", "callback")
#: Shown of an upstream that has an actor.
_WITHOUT_ACTOR = frozenset({"disabled", "invalid"})

Facts = Mapping[str, Fact]


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """What the tree is made of. ``child_of``: the child that serves an upstream now,
    by its name. ``mailboxes`` and ``facts`` are by the name of the part.

    ``now`` is Trio's time, ``wall`` the epoch's at the same moment.
    """

    status: BridgeStatus
    now: float
    wall: float
    children: tuple[ChildStatus, ...] = ()
    child_of: Mapping[str, str] = {}
    logins: Mapping[str, OAuthStatus] = {}
    mailboxes: Mapping[str, Queue] = {}
    facts: Mapping[str, Facts] = {}


def tree(sources: Sources) -> Node:
    """The bridge and everything below it, in start order."""
    status = sources.status
    parts = [c for c in sources.children if not c.id.startswith(UPSTREAM)]
    first = [_part(c, sources) for c in parts if c.id in _FIRST]
    rest = [_part(c, sources) for c in parts if c.id not in _FIRST]
    return Node(
        name="bridge",
        kind="bridge",
        state=status.state,
        since=round(status.uptime, 3),
        reason="; ".join(status.troubles),
        facts={"version": status.version, "ready": status.ready},
        children=(*first, _upstreams(sources), *rest),
    )


def _upstreams(sources: Sources) -> Node:
    upstreams = sources.status.upstreams
    up = sources.status.states.get("connected", 0)
    serving = {sources.child_of.get(each.name) for each in upstreams}
    leaving = [
        _part(child, sources)
        for child in sources.children
        if child.id.startswith(UPSTREAM) and child.id not in serving
    ]
    return Node(
        name="upstreams",
        kind="group",
        state=f"{up} of {len(upstreams)} connected",
        children=(*(_upstream(each, sources) for each in upstreams), *leaving),
    )


def _part(child: ChildStatus, sources: Sources) -> Node:
    keys = sources.status.keys
    if child.id == "keys" and keys is not None:
        return _keys(child, keys, now=sources.now)
    next_at = child.next_attempt_at
    next_in = None if next_at is None else ahead(next_at, sources.now)
    return Node(
        name=child.id,
        kind="child",
        state=_word(child.state),
        since=ago(child.since, sources.now),
        restarts=child.restarts,
        budget=child.budget,
        period=child.period,
        mailbox=sources.mailboxes.get(child.id),
        last_error=child.last_error,
        last_error_ago=_maybe_ago(child.last_error_at, sources.now),
        next_in=next_in,
        waits_for="" if next_in is None else f"its restart in {pause(next_in)}",
        facts=dict(sources.facts.get(child.id, {})),
    )


def _keys(child: ChildStatus, keys: KeysStatus, *, now: float) -> Node:
    running = child.state is ChildState.RUNNING
    next_at = keys.retry_at if running else child.next_attempt_at
    next_in = None if next_at is None else ahead(next_at, now)
    facts: dict[str, Fact] = {"issuer": keys.issuer, "keys": keys.keys}
    if keys.confirmed_at is not None:
        facts["confirmedAgo"] = ago(keys.confirmed_at, now)
    return Node(
        name=child.id,
        kind="child",
        state=keys.state if running else _word(child.state),
        since=ago(child.since, now),
        restarts=child.restarts,
        budget=child.budget,
        period=child.period,
        last_error=keys.last_error or child.last_error,
        last_error_ago=_maybe_ago(keys.last_error_at or child.last_error_at, now),
        next_in=next_in,
        waits_for="" if next_in is None else f"its next reading in {pause(next_in)}",
        facts=facts,
    )


def _upstream(status: UpstreamStatus, sources: Sources) -> Node:
    now = sources.now
    id_ = sources.child_of.get(status.name, "")
    child = next((c for c in sources.children if c.id == id_), None)
    retry_at = status.retry_at
    return Node(
        name=status.name,
        kind="upstream",
        state=status.state,
        since=ago(status.since, now),
        reason=status.reason,
        restarts=0 if child is None else child.restarts,
        budget=0 if child is None else child.budget,
        period=0.0 if child is None else child.period,
        mailbox=sources.mailboxes.get(status.name),
        in_flight=status.in_flight,
        queued=status.queued,
        last_error=status.last_error,
        last_error_ago=_maybe_ago(status.last_error_at, now),
        next_in=None if retry_at is None else ahead(retry_at, now),
        waits_for=status.waits_for,
        facts={
            "tools": status.tools,
            "prompts": status.prompts,
            "resources": status.resources,
        },
        children=tuple(_below(status, sources)),
    )


def _below(status: UpstreamStatus, sources: Sources) -> Iterator[Node]:
    if status.state in _WITHOUT_ACTOR:
        return
    facts: dict[str, Fact] = {"reconnections": status.restarts}
    for name in ("transport", "revision", "server"):
        if said := getattr(status, name):
            facts[name] = said
    yield Node(
        name="link",
        kind="link",
        state=status.phase or status.state,
        epoch=status.epoch,
        proved=None if status.proved is None else proof(status.proved, sources.now),
        facts=facts,
    )
    login = sources.logins.get(status.name)
    if login is not None:
        yield _login(login, wall=sources.wall)


def _login(login: OAuthStatus, *, wall: float) -> Node:
    facts: dict[str, Fact] = {}
    if login.expires_at is not None:
        facts["expiresIn"] = round(login.expires_at - wall, 3)
    if login.issuer:
        facts["issuer"] = login.issuer
    refresh = login.refresh_at
    next_in = None if refresh is None else ahead(refresh, wall)
    return Node(
        name="login",
        kind="login",
        state=login.state,
        last_error=login.last_error,
        next_in=next_in,
        waits_for=_login_waits_for(login, next_in),
        epoch=login.generation,
        facts=facts,
    )


def _login_waits_for(login: OAuthStatus, next_in: float | None) -> str:
    match login.state:
        case "login_required":
            return f"a login: {login_command(login.name)}"
        case "login_pending":
            return f"a person at the login page: {login_command(login.name)}"
        case "refreshing":
            return "the answer of its provider"
        case _ if next_in is not None:
            return f"its renewal in {pause(next_in)}"
        case _:
            return ""


def _word(state: ChildState) -> str:
    """The word users know: that of an upstream that waits (R136)."""
    return "backoff" if state is ChildState.BACKING_OFF else state.value


def _maybe_ago(at: float | None, now: float) -> float | None:
    return None if at is None else ago(at, now)
