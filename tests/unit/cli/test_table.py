"""Tables for people, JSON for programs; foreign text drives no terminal."""

import json
from io import StringIO

import pytest

from bridge.cli.table import printable, show_json, show_table

HOSTILE = "a\x1b[31mred\x07\r\n\u202eevil\x9b"


class Terminal(StringIO):
    encoding = "utf-8"  # pyright: ignore[reportAssignmentType] - what a terminal says

    def isatty(self) -> bool:
        return True


def shown(*rows: tuple[str, ...], stream: StringIO | None = None) -> str:
    stream = stream or StringIO()
    show_table(["Name", "Count"], rows, numbers=frozenset({"Count"}), stream=stream)
    return stream.getvalue()


def test_a_table_outside_a_terminal_is_plain_ascii() -> None:
    assert shown(("files", "2"), ("web", "10")).splitlines() == [
        "+---------------+",
        "| Name  | Count |",
        "|-------+-------|",
        "| files |     2 |",
        "| web   |    10 |",
        "+---------------+",
    ]


def test_a_table_on_a_terminal_has_round_corners() -> None:
    text = shown(("files", "2"), stream=Terminal())
    assert text.startswith("╭")
    assert text.rstrip().endswith("╯")


def test_a_row_outside_a_terminal_stays_on_one_line_however_long() -> None:
    text = shown(("x" * 500, "1"))
    assert "x" * 500 in text
    assert len(text.splitlines()) == 5


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[link=http://e]x", ":smile:"])
def test_markup_of_others_is_text(text: str) -> None:
    assert text in shown((text, "1"))


@pytest.mark.requirement("R152")
@pytest.mark.parametrize("stream", [StringIO, Terminal])
def test_escapes_of_others_never_reach_the_terminal(stream: type[StringIO]) -> None:
    text = shown((HOSTILE, "1"), stream=stream())
    assert "\\x1b[31mred\\x07\\r\\n\\u202eevil\\x9b" in text
    assert not {"\x1b[31mred", "\x07", "\r", "\u202e", "\x9b"} & set(text)
    assert "\x1b[31m" not in text


def test_text_of_any_language_stays_as_it_is() -> None:
    assert printable("Grüße 時計 naïve") == "Grüße 時計 naïve"


@pytest.mark.requirement("R152")
def test_json_is_ascii_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"text": HOSTILE, "more": "時計"})
    text = capsys.readouterr().out
    assert text.isascii()
    assert all(c.isprintable() or c == "\n" for c in text)
    assert json.loads(text) == {"text": HOSTILE, "more": "時計"}
