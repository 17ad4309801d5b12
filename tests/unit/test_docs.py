"""The written pages keep up with the code."""

from pathlib import Path

import pytest

from kit.pages import ADVICE, DOCS, ROOT, broken_links, error_kinds, generated

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@pytest.mark.parametrize("path", sorted(generated()), ids=lambda path: path.name)
def test_generated_pages_are_fresh(path: Path) -> None:
    assert path.read_text() == generated()[path], "run make docs"


def test_every_error_code_is_unique_and_has_advice() -> None:
    codes = [kind.code for kind in error_kinds()]
    assert sorted(codes) == sorted(ADVICE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_a_link_to_a_page_that_is_gone_is_named(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("[x](gone.md#part) [y](a.md) [z](https://example.com/a)")
    assert list(broken_links(page)) == ["a.md: gone.md"]
