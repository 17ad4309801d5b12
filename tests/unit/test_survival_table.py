"""The table of what survives what is complete, and every test it names exists."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.pages import ROOT
from kit.survival import COLUMNS, MATRIX, ROWS, named_tests

#: Issue 4 names them; a reload is ours.
WANTED = {
    *("bridge killed", "upstream killed", "provider down", "disk full"),
    *("clock jump", "network split", "reload"),
}


def functions(file: Path) -> Iterator[tuple[str, str]]:
    """The name of every test in ``file``, with its source."""
    source = file.read_text("utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, ast.get_source_segment(source, node) or ""


def source_of(test: str) -> str:
    """The source of a test, by ``file::name``; fails when there is none."""
    file, _, name = test.partition("::")
    return dict(functions(ROOT / file))[name]


def test_every_fault_is_held_against_everything_there_is_to_lose() -> None:
    assert set(ROWS) == WANTED
    assert all(tuple(cells) == COLUMNS for cells in MATRIX.values())
    assert all(
        cell.word and cell.sentence for r in MATRIX.values() for cell in r.values()
    )


@pytest.mark.parametrize("test", sorted(named_tests()))
def test_every_test_the_page_names_exists(test: str) -> None:
    assert source_of(test)


@pytest.mark.parametrize("row", sorted(ROWS))
def test_the_proof_of_a_row_compares_what_it_saw_with_that_row(row: str) -> None:
    assert f'world.confirm("{row}")' in source_of(ROWS[row].proof)
