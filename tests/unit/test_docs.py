"""The written pages keep up with the code."""

import re
from pathlib import Path

import pytest

from bridge.contract.upstream import UpstreamState
from bridge.observe.catalogue import all_events
from bridge.observe.metrics import Metrics
from bridge.upstream.state import Phase
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


@pytest.mark.requirement("E7")
def test_every_metric_stands_in_the_operators_page_as_the_code_explains_it() -> None:
    text = Metrics().text().decode()
    pairs = re.findall(r"^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$", text, re.MULTILINE)
    rows = {f"| `{name}` | {kind} | {meaning} |" for name, meaning, kind in pairs}
    lines = (DOCS / "operations.md").read_text().splitlines()
    shown = {line for line in lines if re.match(r"\| `(bridge|process)_", line)}
    assert shown == rows


@pytest.mark.requirement("R136")
def test_every_word_of_a_state_is_explained_to_operators() -> None:
    page = (DOCS / "operations.md").read_text()
    words = {each.value for kind in (UpstreamState, Phase) for each in kind}
    assert [word for word in sorted(words) if f"`{word}`" not in page] == []


def test_the_events_an_operator_is_told_of_exist() -> None:
    page = (DOCS / "operations.md").read_text()
    section = page.partition("## Lines of the log")[2].partition("\n## ")[0]
    table = "".join(line for line in section.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", table))
    assert len(named) > 8
    assert named <= {event.name for event in all_events()}


def test_a_link_to_a_page_that_is_gone_is_named(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("[x](gone.md#part) [y](a.md) [z](https://example.com/a)")
    assert list(broken_links(page)) == ["a.md: gone.md"]
