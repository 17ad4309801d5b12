"""Pure: what has changed in a definition, as lines a person can compare.

Each line is ``member.inner.member: value``. Texts of several lines are shown line by
line, and everything is escaped: a definition is foreign text.
"""

import json
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any, cast

from bridge.cli.table import printable
from bridge.contract.pins import shortened, singular
from bridge.observe.status import HeldStatus

#: Of one definition; more is nothing a person reads.
MOST_LINES = 400
#: Of those, what is no more: it must not stand in the way of what is offered.
MOST_GONE = 100
_CUT = 1000  # where a long line goes on in the next: all of it is to be read
#: Comparing takes as long as one number of lines times the other; a foreign text must
#: not keep a person from seeing it.
_COMPARED = 200_000
_GOES_ON = "... "
_TOO_LONG = "(too long to be shown; compare it at the server itself)"

#: As `SequenceMatcher.get_opcodes` gives them.
_Change = tuple[str, int, int, int, int]


def headline(server: str, held: HeldStatus) -> str:
    """Which definition it is, and its hashes."""
    what = f"{singular(held.kind)} {printable(held.key)} of {printable(server)}"
    new = shortened(held.hash)
    if held.why == "new":
        return f"{what} is new ({new})"
    return f"{what} has changed ({shortened(held.approved_hash)} -> {new})"


def difference(held: HeldStatus) -> list[str]:
    """The lines that differ, ``-`` approved and ``+`` offered, with those around."""
    if not held.text or (held.why == "changed" and not held.approved_text):
        return [f"  {line}" for line in _lines(held.text)] + [f"  {_TOO_LONG}"]
    return _bounded([*_compared(_lines(held.approved_text), _lines(held.text))])


def _bounded(lines: list[str]) -> list[str]:
    gone = [at for at, line in enumerate(lines) if line.startswith("-")]
    if len(gone) > MOST_GONE:
        left_out = set(gone[MOST_GONE:])
        lines = [line for at, line in enumerate(lines) if at not in left_out]
        lines.insert(gone[MOST_GONE], f"  ({len(left_out)} more approved lines)")
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [*lines[:MOST_LINES], f"  ({more} more lines)"]


def _compared(old: list[str], new: list[str]) -> Iterator[str]:
    for tag, a, b, c, d in _changes(old, new):
        if tag == "equal":
            yield from _context(new[c:d], first=c == 0, last=d == len(new))
            continue
        yield from (f"- {line}" for line in old[a:b])
        yield from (f"+ {line}" for line in new[c:d])


def _changes(old: list[str], new: list[str]) -> Iterator[_Change]:
    """What is equal and what is not, in order."""
    head = _equal(old, new)
    tail = _equal(reversed(old[head:]), reversed(new[head:]))
    inner, other = old[head : len(old) - tail], new[head : len(new) - tail]
    if head:
        yield "equal", 0, head, 0, head
    if len(inner) * len(other) > _COMPARED:
        yield "replace", head, head + len(inner), head, head + len(other)
    else:
        matcher = SequenceMatcher(a=inner, b=other, autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            yield tag, a + head, b + head, c + head, d + head
    if tail:
        yield "equal", len(old) - tail, len(old), len(new) - tail, len(new)


def _equal(old: Iterable[str], new: Iterable[str]) -> int:
    """How many lines they begin with are the same."""
    pairs = zip(old, new, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _context(lines: list[str], *, first: bool, last: bool) -> Iterator[str]:
    """One equal line beside each change, and a sign for those left out."""
    before = [] if first else lines[:1]
    after = [] if last else lines[1 if before else 0 :][-1:]
    yield from (f"  {line}" for line in before)
    if len(lines) > len(before) + len(after):
        yield "  ..."
    yield from (f"  {line}" for line in after)


def _lines(text: str) -> list[str]:
    if not text:
        return []
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return [*_safe(text)]  # not JSON that all readers read alike: as it is
    return [part for line in _flat(tree, "") for part in _safe(line)]


def _flat(tree: Any, path: str) -> Iterator[str]:
    match tree:
        case dict() if tree:
            for name, value in cast("dict[str, Any]", tree).items():
                yield from _flat(value, f"{path}.{name}" if path else name)
        case list() if tree:
            for number, value in enumerate(cast("list[Any]", tree)):
                yield from _flat(value, f"{path}[{number}]")
        case str():
            for line in tree.split("\n"):
                yield f"{path}: {line}"
        case _:
            yield f"{path}: {json.dumps(tree)}"


def _safe(line: str) -> Iterator[str]:
    shown = printable(line)
    yield shown[:_CUT]
    for start in range(_CUT, len(shown), _CUT):
        yield f"{_GOES_ON}{shown[start : start + _CUT]}"
