"""How results are shown: tables for people, JSON for programs.

On a terminal a table has rounded borders and fits the width; elsewhere it is plain
ASCII, one line per row whatever its length, so that ``grep`` and ``less`` work.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Literal, TextIO

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Format = Literal["table", "json"]

#: Wider than any row: rich cuts what does not fit.
_UNLIMITED = 10_000

_COLOURS = {
    "connected": "green",
    "connecting": "yellow",
    "backoff": "yellow",
    "auth_required": "yellow",
    "failed": "red",
    "invalid": "red",
    "disabled": "dim",
    "ready": "green",
    "running": "green",
    "valid": "green",
    "degraded": "yellow",
    "starting": "yellow",
    "stale": "yellow",
    "unavailable": "red",
    "missing": "red",
    "quarantined": "red",
    "login_required": "yellow",
    "login_pending": "yellow",
    "✓ Valid": "green",
    "⚠ Expired": "yellow",
    "✗ No tokens": "red",
}


def printable(text: str) -> str:
    """Text of others without anything that drives a terminal or hides (R152)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shows_signs(stream: TextIO) -> bool:
    """A person reads it, and it can show more than ASCII."""
    encoding = (stream.encoding or "ascii").lower()
    return stream.isatty() and encoding.startswith("utf")


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: frozenset[str] = frozenset(),
    stream: TextIO | None = None,
) -> None:
    """Print a table. Columns named in ``numbers`` stand to the right."""
    file = stream or sys.stdout
    person = file.isatty()
    table = Table(box=box.ROUNDED if person else box.ASCII)
    for name in columns:
        table.add_column(
            name, justify="right" if name in numbers else "left", no_wrap=not person
        )
    for row in rows:
        table.add_row(*(_cell(text) for text in row))
    console = Console(
        file=file,
        width=None if person else _UNLIMITED,
        safe_box=True,
        highlight=False,
    )
    console.print(table)


def show_lines(
    lines: Iterable[tuple[str, str, str]], *, stream: TextIO | None = None
) -> None:
    """Print lines of a lead, a state and details; the state in its colour."""
    file = stream or sys.stdout
    console = Console(file=file, width=None if file.isatty() else _UNLIMITED)
    for lead, state, details in lines:
        text = Text(f"{printable(lead)}: ")
        text.append(_cell(state))
        if details:
            text.append(f"; {printable(details)}")
        console.print(text, highlight=False)


def _cell(text: str) -> Text:
    """A value as it is: never markup, never a control character."""
    return Text(printable(text), style=_COLOURS.get(text, ""))


def show_json(value: object) -> None:
    """Print a value as JSON in ASCII, so that nothing in it drives a terminal."""
    click.echo(json.dumps(value, indent=2))
