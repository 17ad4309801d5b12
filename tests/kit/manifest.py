"""Reads the requirements manifest, and finds the tests that name its ids."""

import ast
import os
import re
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path

TESTS = Path(__file__).parent.parent
MANIFEST = TESTS / "requirements.toml"

_STATUS = re.compile(r'^(\w+) = \{ status = "\w+",', re.MULTILINE)

Entries = Mapping[str, Mapping[str, str]]


def read_manifest(path: Path = MANIFEST) -> dict[str, Mapping[str, str]]:
    """Requirements, promises and threats in one table; an id stands once only."""
    tables = tomllib.loads(path.read_text())
    entries: dict[str, Mapping[str, str]] = {}
    for table in tables.values():
        if twice := entries.keys() & table.keys():
            raise ValueError(f"{path.name} names twice: {', '.join(sorted(twice))}")
        entries.update(table)
    return entries


def source_files(root: Path = TESTS) -> Iterator[Path]:
    """Every test source, without what was installed beside it."""
    for folder, inner, files in os.walk(root):
        inner[:] = [d for d in inner if not d.startswith(".") and d != "node_modules"]
        yield from (Path(folder) / f for f in files if f.endswith(".py"))


def ids_in(source: str) -> set[str]:
    """The ids in ``requirement(...)`` marks of a source text."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {
        str(argument.value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "requirement"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }


def proofs(files: Iterable[Path]) -> dict[str, list[str]]:
    """The test files that name an id, by id."""
    found: dict[str, list[str]] = {}
    for path in sorted(files):
        for name in ids_in(path.read_text()):
            found.setdefault(name, []).append(path.name)
    return found


def disagreements(entries: Entries, found: Mapping[str, list[str]]) -> list[str]:
    """What the manifest and the tests say differently, one sentence each."""
    unknown = [
        f"{name} is in {', '.join(found[name])} but not in the manifest"
        for name in found.keys() - entries.keys()
    ]
    unproven = [
        f"{name} is called proven and no test names it: see tests/promote.py"
        for name, entry in entries.items()
        if entry["status"] == "proven" and name not in found
    ]
    unpromoted = [
        f"{name} is called planned and has a test: run python tests/promote.py"
        for name, entry in entries.items()
        if entry["status"] == "planned" and name in found
    ]
    return sorted(unknown) + unproven + unpromoted


def settled(manifest: str, found: Container[str]) -> str:
    """The manifest's text with each status as the tests of ``found`` have it."""

    def status(line: re.Match[str]) -> str:
        word = "proven" if line[1] in found else "planned"
        return f'{line[1]} = {{ status = "{word}",'

    return _STATUS.sub(status, manifest)
