"""Reads what a source file imports, without running it."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent.parent / "src"


def modules(root: Path = SOURCE) -> dict[str, Path]:
    """Every module of the program by its dotted name."""
    return {_dotted(path.relative_to(root)): path for path in root.rglob("*.py")}


def imported(source: str, known: frozenset[str] = frozenset()) -> set[str]:
    """The dotted names ``source`` imports; ``known`` tells modules from members.

    Imports for type checking only count as well: a room that must not be known must
    not be known to the reader either.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        names.update(_names(node, known))
    return names


def _names(node: ast.AST, known: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            raise ValueError("relative imports hide where a name comes from")
        members = {f"{origin}.{alias.name}" for alias in node.names}
        inner = members & known
        yield from inner or {origin}


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
