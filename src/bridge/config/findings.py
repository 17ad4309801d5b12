"""Collects everything wrong with a configuration, and prints it (R27)."""

import json
import re
from collections.abc import Iterable, Mapping

from bridge.config.jsonc import Path, Position
from bridge.errors import Problem

SERVERS = "mcpServers"

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_$-]+")
_ALL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Findings:
    """What was found so far. Paths are canonical: as the reference spells keys.

    A finding below ``mcpServers.<name>`` concerns that server only. Findings of an
    excused (disabled) server are never more than warnings. Of the errors of one path
    only the first counts: the next would be its echo.
    """

    def __init__(self, positions: Mapping[Path, Position]) -> None:
        self._positions = positions
        self._problems: list[Problem] = []
        self._written: dict[Path, Path] = {}
        self._labels: dict[Path, str] = {}
        self._excused: set[str] = set()
        self._expanded: set[Path] = set()
        self._faulty: set[Path] = set()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """In the order of the file; what stands in no file comes first."""
        return tuple(sorted(self._problems, key=lambda found: found.at or (0, 0)))

    def written_as(self, path: Path, spelled: Path) -> None:
        """The file spells ``path`` differently; messages follow the file."""
        if path != spelled:
            self._written[path] = spelled

    def spelled(self, path: Path) -> Path:
        """The path as the file spells it."""
        for length in range(len(path), 0, -1):
            if written := self._written.get(path[:length]):
                return (*written, *path[length:])
        return path

    def came_from(self, path: Path, label: str) -> None:
        """The value was given elsewhere (a variable, an option), called ``label``."""
        self._labels[path] = label

    def excuse(self, server: str) -> None:
        self._excused.add(server)

    def expanded(self, path: Path) -> None:
        """The value holds expanded text, which no message may show (R20)."""
        self._expanded.add(path)

    def shown(self, path: Path, value: str) -> str:
        """The value as a message may show it."""
        return "the expanded value" if path in self._expanded else json.dumps(value)

    def is_faulty(self, path: Path) -> bool:
        """Whether an error of exactly this path is known."""
        return path in self._faulty

    def error(self, path: Path, reason: str, hint: str = "") -> None:
        server = _server_of(path)
        self._add(path, reason, hint, server=server, fatal=server not in self._excused)

    def fatal(self, path: Path, reason: str, hint: str = "") -> None:
        """An error of the whole configuration, wherever it stands."""
        self._add(path, reason, hint, server=None, fatal=True)

    def warning(self, path: Path, reason: str, hint: str = "") -> None:
        self._add(path, reason, hint, server=_server_of(path), fatal=False)

    def _add(
        self, path: Path, reason: str, hint: str, *, server: str | None, fatal: bool
    ) -> None:
        if fatal and self.is_faulty(path):
            return
        self._faulty |= {path} if fatal else set()
        label = self._labels.get(path)
        spelled = self.spelled(path)
        self._problems.append(
            Problem(
                label or render(spelled),
                reason,
                hint=hint,
                server=server,
                fatal=fatal,
                at=None if label else self._position(spelled),
            )
        )

    def _position(self, path: Path) -> Position | None:
        """Where the path stands in the file, or the nearest thing around it."""
        for length in range(len(path), 0, -1):
            if found := self._positions.get(path[:length]):
                return found
        return None


def left_out(problems: Iterable[Problem]) -> frozenset[str]:
    """The servers that cannot start."""
    return frozenset(p.server for p in problems if p.fatal and p.server is not None)


def first_reasons(problems: Iterable[Problem]) -> dict[str, str]:
    """Of each server that cannot start, the first thing that is wrong."""
    reasons: dict[str, str] = {}
    for problem in problems:
        if problem.fatal and problem.server is not None:
            reasons.setdefault(problem.server, str(problem))
    return reasons


def fatal(problems: Iterable[Problem]) -> bool:
    """Whether nothing can start."""
    return any(p.fatal and p.server is None for p in problems)


def _server_of(path: Path) -> str | None:
    if len(path) > 1 and path[0] == SERVERS:
        return str(path[1])
    return None


def render(path: Path) -> str:
    """A JSON path for people: ``mcpServers.time.args[0]``."""
    text = "".join(_step(step) for step in path)
    return text.removeprefix(".") or "(top level)"


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _PLAIN_KEY.fullmatch(step):
        return f".{step}"
    return f"[{json.dumps(step)}]"


def format_problems(source: str, problems: Iterable[Problem]) -> str:
    """One line for each: file, place, weight, path, reason, hint."""
    return "\n".join(_line(source, problem) for problem in problems)


def _line(source: str, problem: Problem) -> str:
    place = f":{problem.at[0]}:{problem.at[1]}" if problem.at else ""
    return _ALL.sub("?", f"{source}{place}: {_weight(problem)}: {problem}")


def _weight(problem: Problem) -> str:
    if not problem.fatal:
        return "warning"
    return "error" if problem.server is None else "error, server left out"
