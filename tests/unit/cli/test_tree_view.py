"""The supervision tree as lines."""

import pytest

from bridge.cli.tree_view import ASCII, LINES, details, lines, proof
from bridge.observe.tree import Node, Proof, Queue

TREE = Node(
    name="bridge",
    kind="bridge",
    state="degraded",
    since=65,
    reason="web is backoff",
    children=(
        Node(
            name="upstreams",
            kind="group",
            state="0 of 1 connected",
            children=(
                Node(
                    name="web",
                    kind="upstream",
                    state="backoff",
                    children=(Node(name="link", kind="link", state="backing_off"),),
                ),
            ),
        ),
        Node(name="server", kind="child", state="running"),
    ),
)


def test_lines_are_tied_to_their_parents() -> None:
    assert [line.lead for line in lines(TREE, LINES)] == [
        "bridge",
        "├── upstreams",
        "│   └── web",
        "│       └── link",
        "└── server",
    ]
    assert all(line.lead.isascii() for line in lines(TREE, ASCII))
    assert next(lines(TREE, ASCII)).details == "for 1 min"


def test_all_that_is_known_of_an_upstream_stands_on_its_line() -> None:
    node = Node(
        name="web",
        kind="upstream",
        state="backoff",
        since=12,
        reason="refused",
        restarts=2,
        budget=5,
        period=60,
        mailbox=Queue(depth=1, bound=256),
        in_flight=1,
        queued=3,
        last_error="ValueError",
        last_error_ago=61,
        waits_for="reconnect in 3 s after: refused",
        epoch=7,
        facts={"tools": 2, "server": "", "up": True},
        children=(Node(name="link", kind="link", state="x"),),
    )
    assert list(details(node)) == [
        "for 12 s",
        "waits for reconnect in 3 s after: refused",
        "1 call in flight",
        "3 queued",
        "mailbox 1 of 256",
        "2 of 5 restarts in 1 min",
        "epoch 7",
        "tools 2",
        "up yes",
        "last error 1 min ago: ValueError",
    ]


def test_an_error_that_is_the_reason_is_said_once() -> None:
    node = Node(
        name="l",
        kind="login",
        state="stale",
        reason="refused",
        last_error="refused",
        last_error_ago=3,
    )
    assert list(details(node)) == ["refused", "last error 3 s ago"]


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ({"expiresIn": 61.0}, "expires in 1 min"),
        ({"expiresIn": -61.0}, "expired 1 min ago"),
        ({"confirmedAgo": 5}, "confirmed 5 s ago"),
        ({"inFlight": 3}, "in flight 3"),
        ({"listening": False}, "listening no"),
    ],
)
def test_facts_are_said_in_words(fact: dict[str, float], said: str) -> None:
    node = Node(name="x", kind="link", state="ready", facts={**fact})
    assert list(details(node)) == [said]


@pytest.mark.parametrize(
    ("took", "said"), [(0.00312, "3.12 ms"), (0.0, "0 ms"), (1.5, "1.5 s")]
)
def test_a_round_trip_says_what_was_answered_when_and_how_fast(
    took: float, said: str
) -> None:
    proved = Proof(by="ping", ago=12.4, took=took)
    assert proof(proved) == f"answered ping 12 s ago in {said}"
