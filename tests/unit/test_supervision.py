"""The supervision tree, from the snapshots of its parts."""

import pytest

from bridge.actor.child import ChildState, ChildStatus
from bridge.observe.status import (
    BridgeStatus,
    KeysStatus,
    OAuthStatus,
    RoundTrip,
    UpstreamStatus,
)
from bridge.observe.tree import Node, Proof, Queue
from bridge.supervision import Sources, tree

WEB = UpstreamStatus(
    name="web",
    state="backoff",
    phase="backing_off",
    reason="refused",
    since=90.0,
    retry_at=110.0,
    epoch=3,
    restarts=2,
    in_flight=1,
    queued=2,
    last_error="refused",
    last_error_at=95.0,
    proved=RoundTrip("ping", 40.0, 0.003),
    waits_for="reconnect in 10 s",
    transport="sse",
)


def child(
    name: str, state: ChildState = ChildState.RUNNING, **more: float
) -> ChildStatus:
    return ChildStatus(
        id=name,
        state=state,
        since=50.0,
        restarts=int(more.get("restarts", 0)),
        budget=5,
        period=60.0,
        last_error="ValueError" if "at" in more else "",
        last_error_at=more.get("at"),
        next_attempt_at=more.get("next"),
    )


def shown(
    *children: ChildStatus,
    upstreams: tuple[UpstreamStatus, ...] = (WEB,),
    keys: KeysStatus | None = None,
    login: OAuthStatus | None = None,
) -> dict[str, Node]:
    """Every node by its name."""
    root = tree(
        Sources(
            status=BridgeStatus(
                version="1",
                ready=True,
                state="degraded",
                states={"backoff": 1},
                keys=keys,
                uptime=100.0,
                sessions=0,
                table_version=1,
                tools=0,
                prompts=0,
                resources=0,
                upstreams=upstreams,
            ),
            now=100.0,
            wall=1000.0,
            children=children,
            child_of={"web": "upstream:web"},
            logins={} if login is None else {"web": login},
            mailboxes={
                "web": Queue(depth=1, bound=9),
                "router": Queue(depth=0, bound=8),
            },
            facts={"router": {"table": 4}},
        )
    )
    return {node.name: node for node in every(root)}


def every(node: Node) -> list[Node]:
    return [node, *(below for child in node.children for below in every(child))]


def test_parts_stand_in_the_order_they_start() -> None:
    ids = ("keys", "router", "callback", "upstream:web", "control", "server")
    root = shown(*map(child, ids))["bridge"]
    assert [node.name for node in root.children] == [
        *("keys", "router", "callback", "upstreams", "control", "server")
    ]
    assert (root.state, root.since) == ("degraded", 100.0)


def test_an_upstream_tells_its_work_its_actor_and_its_link() -> None:
    nodes = shown(child("upstream:web", restarts=1, at=99.0))
    web, link = nodes["web"], nodes["link"]
    assert (web.state, web.since, web.in_flight, web.queued) == ("backoff", 10.0, 1, 2)
    assert (web.restarts, web.budget, web.period) == (1, 5, 60.0)
    assert (web.next_in, web.waits_for) == (10.0, "reconnect in 10 s")
    assert (web.last_error, web.last_error_ago) == ("refused", 5.0)
    assert web.mailbox == Queue(depth=1, bound=9)
    assert (link.state, link.epoch) == ("backing_off", 3)
    assert link.proved == Proof(by="ping", ago=60.0, took=0.003)
    assert link.facts == {"reconnections": 2, "transport": "sse"}
    assert nodes["upstreams"].state == "0 of 1 connected"


def test_what_has_no_actor_has_no_link() -> None:
    off = UpstreamStatus(name="web", state="disabled")
    assert "link" not in shown(upstreams=(off,))


def test_an_edition_that_leaves_is_shown_beside_its_successor() -> None:
    nodes = shown(child("upstream:web"), child("upstream:web#0", ChildState.STOPPING))
    assert nodes["upstream:web#0"].state == "stopping"
    assert [n.name for n in nodes["upstreams"].children] == ["web", "upstream:web#0"]


def test_a_part_that_crashed_tells_its_error_and_its_restart() -> None:
    crashed = child("router", ChildState.BACKING_OFF, restarts=2, at=98.0, next=103.0)
    router = shown(crashed)["router"]
    assert (router.state, router.restarts) == ("backoff", 2)
    assert (router.last_error, router.last_error_ago) == ("ValueError", 2.0)
    assert (router.next_in, router.waits_for) == (3.0, "its restart in 3 s")
    assert router.facts == {"table": 4}
    assert router.mailbox == Queue(depth=0, bound=8)


def test_the_keys_tell_how_old_they_are_and_when_they_are_read_again() -> None:
    keys = KeysStatus(
        issuer="https://i",
        state="stale",
        keys=2,
        confirmed_at=40.0,
        retry_at=130.0,
        last_error="refused",
        last_error_at=99.0,
    )
    node = shown(child("keys"), keys=keys)["keys"]
    assert (node.state, node.last_error, node.last_error_ago) == ("stale", "refused", 1)
    assert node.facts == {"issuer": "https://i", "keys": 2, "confirmedAgo": 60.0}
    assert node.waits_for == "its next reading in 30 s"
    never = KeysStatus(issuer="https://i", state="reading")
    crashed = child("keys", ChildState.BACKING_OFF, next=101.0)
    node = shown(crashed, keys=never)["keys"]
    assert (node.state, node.next_in, node.facts["keys"]) == ("backoff", 1.0, 0)


@pytest.mark.parametrize(
    ("login", "waits_for"),
    [
        (OAuthStatus(name="web", state="absent"), ""),
        (
            OAuthStatus(name="web", state="valid", refresh_at=1060.0),
            "its renewal in 1 min",
        ),
        (OAuthStatus(name="web", state="refreshing"), "the answer of its provider"),
        (
            OAuthStatus(name="web", state="login_required"),
            "a login: bridge oauth login web",
        ),
        (
            OAuthStatus(name="web", state="login_pending"),
            "a person at the login page: bridge oauth login web",
        ),
    ],
)
def test_a_login_says_what_it_waits_for(login: OAuthStatus, waits_for: str) -> None:
    node = shown(child("upstream:web"), login=login)["login"]
    assert (node.state, node.waits_for) == (login.state, waits_for)


def test_a_login_tells_its_end_and_its_issuer_and_never_its_address() -> None:
    login = OAuthStatus(
        name="web",
        state="valid",
        expires_at=1100.0,
        issuer="https://p",
        login_url="https://p/secret",
    )
    node = shown(child("upstream:web"), login=login)["login"]
    assert node.facts == {"expiresIn": 100.0, "issuer": "https://p"}
    assert "secret" not in repr(node)
