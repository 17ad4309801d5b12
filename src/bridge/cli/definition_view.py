"""Pure: what has changed in a definition, as lines a person can compare.

Each line is ``member.inner.member: value``. Texts of several lines are shown line by
line, and everything is escaped: a definition is foreign text.
"""

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, cast

from bridge.cli.table import printable
from bridge.observe.status import HeldStatus

#: Of one definition; more is nothing a person reads.
MOST_LINES = 400
_CUT = 2000  # of one line: an escape may be six characters long
_HASH_SHOWN = 12
_TOO_LONG = "(too long to be shown; compare it at the server itself)"


def headline(server: str, held: HeldStatus) -> str:
    """Which definition it is, and its hashes."""
    what = f"{held.kind[:-1]} {printable(held.key)} of {printable(server)}"
    new = held.hash[:_HASH_SHOWN]
    if held.why == "new":
        return f"{what} is new ({new})"
    return f"{what} has changed ({held.approved_hash[:_HASH_SHOWN]} -> {new})"


def difference(held: HeldStatus) -> list[str]:
    """The lines that differ, ``-`` approved and ``+`` offered, with those around."""
    if not held.text or (held.why == "changed" and not held.approved_text):
        return [f"  {line}" for line in _lines(held.text)] + [f"  {_TOO_LONG}"]
    return _bounded([*_compared(_lines(held.approved_text), _lines(held.text))])


def _bounded(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [*lines[:MOST_LINES], f"  ({more} more lines)"]


def _compared(old: list[str], new: list[str]) -> Iterator[str]:
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            yield from _context(new[c:d], first=c == 0, last=d == len(new))
            continue
        yield from (f"- {line}" for line in old[a:b])
        yield from (f"+ {line}" for line in new[c:d])


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
        return [_safe(text)]  # not JSON that all readers read alike: as it is
    return [_safe(line) for line in _flat(tree, "")]


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


def _safe(line: str) -> str:
    shown = printable(line)
    return shown if len(shown) <= _CUT else f"{shown[:_CUT]}..."
