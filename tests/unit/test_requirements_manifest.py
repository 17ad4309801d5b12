"""The manifest and the tests say the same, in both directions."""

from pathlib import Path

import pytest

from kit.manifest import (
    disagreements,
    ids_in,
    proofs,
    read_manifest,
    settled,
    source_files,
)

ISSUES = {"2", "3", "4", "later"}


def test_the_manifest_and_the_tests_agree() -> None:
    assert disagreements(read_manifest(), proofs(source_files())) == []


def test_every_entry_says_what_it_is_and_where_it_stands() -> None:
    for name, entry in read_manifest().items():
        assert entry["says"], name
        assert entry["status"] in {"proven", "planned"}, name
        assert entry["issue"] in ISSUES, name


def test_no_requirement_is_missing() -> None:
    entries = read_manifest()
    assert {f"R{n}" for n in range(1, 161)} | {f"P{n}" for n in range(1, 9)} <= set(
        entries
    )
    assert {entries[f"R{n}"]["source"] for n in range(1, 161)} == {"doc", "code", "std"}


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.toml"
    path.write_text('[a]\nX1 = {says = "a"}\n[b]\nX1 = {says = "b"}\n')
    with pytest.raises(ValueError, match="twice: X1"):
        read_manifest(path)


def test_ids_are_found_on_functions_and_in_parameters() -> None:
    source = (
        "import pytest\n"
        '@pytest.mark.requirement("X1", "X2")\n'
        "def test_a(): ...\n"
        'CASE = pytest.param(1, marks=pytest.mark.requirement("X3"))\n'
        'other("X4")\n'
    )
    assert ids_in(source) == {"X1", "X2", "X3"}


def test_tests_of_packages_installed_beside_ours_are_not_read(tmp_path: Path) -> None:
    for folder in ("unit", ".cache", "node_modules"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test_a.py").touch()
    assert list(source_files(tmp_path)) == [tmp_path / "unit" / "test_a.py"]


def test_each_disagreement_has_its_sentence() -> None:
    entries = {
        "X1": {"status": "proven"},
        "X2": {"status": "planned"},
        "X3": {"status": "proven"},
    }
    assert disagreements(entries, {"X2": ["b.py"], "X3": ["c.py"], "X9": ["d.py"]}) == [
        "X9 is in d.py but not in the manifest",
        "X1 is called proven and no test names it: see tests/promote.py",
        "X2 is called planned and has a test: run python tests/promote.py",
    ]


def test_settling_changes_each_status_to_what_the_tests_say() -> None:
    text = (
        'X1 = { status = "planned", issue = "2", says = "a" }\n'
        'X10 = { status = "planned", issue = "later", says = "b" }\n'
        'X2 = { status = "proven", issue = "3", says = "c" }\n'
    )
    assert settled(text, {"X1"}) == (
        'X1 = { status = "proven", issue = "2", says = "a" }\n'
        'X10 = { status = "planned", issue = "later", says = "b" }\n'
        'X2 = { status = "planned", issue = "3", says = "c" }\n'
    )
