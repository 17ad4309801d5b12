"""How a person is shown what has changed in a definition."""

import json
from typing import Any

import pytest

from bridge.cli.definition_view import MOST_GONE, MOST_LINES, difference, headline
from bridge.observe.status import HeldStatus

pytestmark = pytest.mark.requirement("C35", "R152")


def text(**members: Any) -> str:
    return json.dumps(members, sort_keys=True, separators=(",", ":"))


def changed(old: str, new: str) -> HeldStatus:
    return HeldStatus(
        kind="tools",
        key="read",
        why="changed",
        hash="b" * 64,
        text=new,
        approved_hash="a" * 64,
        approved_text=old,
    )


def new(offered: str) -> HeldStatus:
    return HeldStatus(kind="prompts", key="ask", why="new", hash="c" * 64, text=offered)


def test_the_headline_names_the_definition_and_its_hashes() -> None:
    assert headline("files", changed("{}", "{}")) == (
        "tool read of files has changed (aaaaaaaaaaaa -> bbbbbbbbbbbb)"
    )
    assert headline("files", new("{}")) == "prompt ask of files is new (cccccccccccc)"


def test_what_differs_stands_below_what_was_with_its_neighbours() -> None:
    old = text(a=1, description="Reads.", inputSchema={"type": "object"}, name="read")
    now = text(a=1, description="Sends.", inputSchema={"type": "object"}, name="read")
    assert difference(changed(old, now)) == [
        "  a: 1",
        "- description: Reads.",
        "+ description: Sends.",
        "  inputSchema.type: object",
        "  ...",
    ]


def test_lines_between_two_changes_are_left_out() -> None:
    old = text(**{f"m{n}": 0 for n in range(9)})
    now = text(**{f"m{n}": 1 if n in (2, 6) else 0 for n in range(9)})
    assert difference(changed(old, now)) == [
        *("  ...", "  m1: 0", "- m2: 0", "+ m2: 1", "  m3: 0"),
        *("  ...", "  m5: 0", "- m6: 0", "+ m6: 1", "  m7: 0", "  ..."),
    ]


def test_texts_of_several_lines_are_compared_line_by_line() -> None:
    old = text(description="one\ntwo\nthree")
    now = text(description="one\n2\nthree")
    assert difference(changed(old, now)) == [
        "  description: one",
        "- description: two",
        "+ description: 2",
        "  description: three",
    ]


def test_all_of_a_new_definition_is_shown() -> None:
    offered = text(arguments=[{"name": "a"}, 7], empty={}, none=None, list=[])
    assert difference(new(offered)) == [
        "+ arguments[0].name: a",
        "+ arguments[1]: 7",
        "+ empty: {}",
        "+ list: []",
        "+ none: null",
    ]


def test_nothing_in_a_definition_drives_the_terminal() -> None:
    now = text(description="red \x1b[31m\u202e\r", **{"na\x07me": "x"})
    shown = "\n".join(difference(new(now)))
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "\\x1b[31m\\u202e\\r" in shown
    assert "na\\x07me" in shown
    held = HeldStatus(kind="tools", key="\x1b[2J", why="new", hash="c" * 64)
    assert headline("s\x1b", held).isprintable()


def test_a_definition_that_is_too_long_says_so() -> None:
    assert "too long to be shown" in difference(changed("{}", ""))[-1]
    shown = difference(changed("", text(a=1)))
    assert shown == ["  a: 1", f"  {shown[-1].strip()}"]
    assert "too long" in shown[-1]
    assert "too long" in difference(new(""))[-1]


def test_many_lines_are_cut() -> None:
    many = text(**{f"m{n:04}": n for n in range(MOST_LINES + 50)})
    shown = difference(new(many))
    assert len(shown) == MOST_LINES + 1
    assert shown[-1] == "  (50 more lines)"


def test_a_long_line_goes_on_in_the_next_so_that_nothing_hides_at_its_end() -> None:
    old = text(description="x" * 9000 + " Reads.")
    now = text(description="x" * 9000 + " Sends your keys.")
    shown = difference(changed(old, now))
    assert all(len(line) < 1100 for line in shown)
    gone = "".join(line for line in shown if line.startswith("-"))
    come = "".join(line for line in shown if line.startswith("+"))
    assert gone.endswith(" Reads.")
    assert come.endswith(" Sends your keys.")


def test_what_was_approved_does_not_push_out_what_is_offered() -> None:
    long = text(description="\n".join(f"line {n}" for n in range(5000)))
    shown = difference(changed(long, text(description="Sends your keys.")))
    assert f"  ({5000 - MOST_GONE} more approved lines)" in shown
    assert shown[-1] == "+ description: Sends your keys."


def test_what_a_server_made_hard_to_compare_is_shown_all_the_same() -> None:
    old = text(description="a\nb\n" * 5000)
    now = text(description="Send\n" + "\n" * 10_000 + "b\na\n" * 4000, name="x")
    shown = difference(changed(old, now))
    assert "+ description: Send" in shown
    assert len(shown) == MOST_LINES + 1


def test_what_readers_read_differently_is_shown_as_it_is() -> None:
    doubled = 'bytes {"d":1,"d":2}'
    assert difference(new(doubled)) == [f"+ {doubled}"]
