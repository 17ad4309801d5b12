"""The supervision tree as lines for people. Pure."""

from collections.abc import Iterator

import msgspec

from bridge.cli.report import counted
from bridge.observe.outlook import duration
from bridge.observe.tree import Fact, Node, Proof

_MILLISECOND = 1e-3
_TIMED = frozenset({"bridge", "child", "upstream"})


class Guides(msgspec.Struct, frozen=True):
    """How a line is tied to the one above it."""

    branch: str
    last: str
    through: str
    blank: str


LINES = Guides("├── ", "└── ", "│   ", "    ")
ASCII = Guides("|-- ", "`-- ", "|   ", "    ")


class Line(msgspec.Struct, frozen=True):
    """One node: its guides and name, its state, and all else that is to be known."""

    lead: str
    state: str
    details: str = ""


def lines(root: Node, guides: Guides) -> Iterator[Line]:
    """The tree, from its root down."""
    yield _line(root, "")
    yield from _below(root, guides, "")


def _below(node: Node, guides: Guides, lead: str) -> Iterator[Line]:
    for index, child in enumerate(node.children, start=1):
        is_last = index == len(node.children)
        yield _line(child, lead + (guides.last if is_last else guides.branch))
        deeper = lead + (guides.blank if is_last else guides.through)
        yield from _below(child, guides, deeper)


def _line(node: Node, lead: str) -> Line:
    return Line(f"{lead}{node.name}", node.state, "; ".join(details(node)))


def details(node: Node) -> Iterator[str]:
    """What there is to know of a node beside its name and its state."""
    if node.kind in _TIMED and node.state != "invalid":
        yield f"for {duration(node.since)}"
    if node.waits_for:
        yield f"waits for {node.waits_for}"
    elif node.reason and node.children == ():  # else those below say it themselves
        yield node.reason
    if node.proved is not None:
        yield proof(node.proved)
    yield from _work(node)
    yield from _restarts(node)
    if node.epoch:
        yield f"epoch {node.epoch}"
    yield from (_fact(name, value) for name, value in node.facts.items() if value != "")
    if node.last_error and node.last_error not in (node.reason, node.waits_for):
        yield f"last error{_when(node)}: {node.last_error}"
    elif node.last_error_ago is not None:
        yield f"last error{_when(node)}"


def _work(node: Node) -> Iterator[str]:
    if node.kind == "upstream" and node.children:
        yield f"{counted(node.in_flight, 'call')} in flight"
    if node.queued:
        yield f"{node.queued} queued"
    if node.mailbox is not None:
        yield f"mailbox {node.mailbox.depth} of {node.mailbox.bound}"


def _restarts(node: Node) -> Iterator[str]:
    if node.restarts:
        yield f"{node.restarts} of {counted(node.budget, 'restart')} in " + duration(
            node.period
        )


def proof(proved: Proof) -> str:
    """``answered tools/list 12 s ago in 3 ms``."""
    took = proved.took
    quick = f"{took / _MILLISECOND:.3g} ms" if took < 1 else f"{took:.3g} s"
    return f"answered {proved.by} {duration(proved.ago)} ago in {quick}"


def _when(node: Node) -> str:
    ago = node.last_error_ago
    return "" if ago is None else f" {duration(ago)} ago"


_SECONDS = {"confirmedAgo": "confirmed {} ago", "expiresIn": "expires in {}"}


def _fact(name: str, value: Fact) -> str:
    if name in _SECONDS and isinstance(value, int | float):
        if value < 0:
            return f"expired {duration(-value)} ago"
        return _SECONDS[name].format(duration(value))
    shown = {True: "yes", False: "no"}.get(value) if isinstance(value, bool) else value
    return f"{_spelled(name)} {shown}"


def _spelled(name: str) -> str:
    """``inFlight`` as two words."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)
