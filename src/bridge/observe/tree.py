"""The supervision tree as an operator sees it: `bridge tree` and ``/api/tree``.

Built when it is asked for. Every time in it is a number of seconds, ago or ahead, so
that nobody who reads it needs our clock. Free of secrets: it is made of the same
snapshots as the status.
"""

import msgspec

Fact = str | int | float | bool


class Queue(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A mailbox: how many messages wait; how many calls may."""

    depth: int
    bound: int


class Proof(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """When the peer last answered a request of ours, which one, and how fast."""

    by: str  # the method
    ago: float
    took: float


class Node(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True
):
    """One part of the bridge, and those it supervises or owns.

    ``restarts`` are those that still count against ``budget`` within ``period``
    seconds. ``next_in``: seconds until it goes on by itself; ``waits_for``: what it
    waits for, in words, with the command that helps where one does.
    """

    name: str
    kind: str
    state: str
    since: float = 0.0
    reason: str = ""
    restarts: int = 0
    budget: int = 0
    period: float = 0.0
    mailbox: Queue | None = None
    in_flight: int = 0
    queued: int = 0
    proved: Proof | None = None
    last_error: str = ""
    last_error_ago: float | None = None
    next_in: float | None = None
    waits_for: str = ""
    epoch: int = 0
    facts: dict[str, Fact] = {}
    children: "tuple[Node, ...]" = ()
