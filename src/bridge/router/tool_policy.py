"""Which tools an operator lets through, and why not the others (R128). Pure.

A tool reads, writes, or it is unknown what it does. What the operator says (an
override) counts first, then the annotations of the server, then the words of its name.
An annotation is the server's own word: for a server that is not trusted, override it
or list what is allowed.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw

from bridge.config.glob import globs
from bridge.contract.access import ToolKind, ToolLevel, ToolLimits
from bridge.router.tool_words import told_by_name


class Classified(msgspec.Struct, frozen=True):
    """The kind of a tool, and what says so, for operators."""

    kind: ToolKind
    because: str


class _Annotations(msgspec.Struct, rename="camel"):
    read_only_hint: bool | None = None
    destructive_hint: bool | None = None


_annotations = msgspec.json.Decoder(_Annotations)


def classify(
    name: str, annotations: Raw | None, override: ToolKind | None = None
) -> Classified:
    """What a tool does, by the strongest evidence there is."""
    if override is not None:
        return Classified(override, "classification_overrides says so")
    return _by_annotations(annotations) or _by_name(name)


def _by_annotations(annotations: Raw | None) -> Classified | None:
    try:
        said = _annotations.decode(annotations or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if said.destructive_hint:  # also beside a readOnlyHint: one of the two is wrong
        return Classified("write", "its annotation destructiveHint is true")
    if said.read_only_hint is None:
        return None
    if said.read_only_hint:
        return Classified("read", "its annotation readOnlyHint is true")
    return Classified("write", "its annotation readOnlyHint is false")


def _by_name(name: str) -> Classified:
    told = told_by_name(name)
    if told is None:
        return Classified(
            "unknown", "neither annotations nor its name say what it does"
        )
    kind, word = told
    return Classified(kind, f"its name says '{word}'")


class ToolPolicy:
    """The limits of one upstream, made ready to be asked."""

    def __init__(self, limits: ToolLimits) -> None:
        self._read_only = limits.read_only
        self._levels = [_Level(level) for level in limits.levels]
        self._kinds: dict[str, ToolKind] = {
            name.casefold(): kind for name, kind in limits.kinds
        }
        self.lets_all_through = not limits.read_only and not limits.levels

    def refusal(self, key: str, shown: str, members: Mapping[str, Raw]) -> str:
        """Why a tool is withheld, in words; empty when it is let through.

        ``key`` is its name at its server, ``shown`` the one clients would see.
        """
        if self.lets_all_through:
            return ""
        names = (key.casefold(), shown.casefold())
        return (
            self._blocked(names)
            or self._not_reading(key, names, members)
            or self._not_allowed(names)
        )

    def _blocked(self, names: tuple[str, str]) -> str:
        for level in self._levels:
            if not level.blocked.isdisjoint(names):
                return f"named in block_tools of {level.name}"
        return ""

    def _not_reading(
        self, key: str, names: tuple[str, str], members: Mapping[str, Raw]
    ) -> str:
        if not self._read_only:
            return ""
        override = self._kinds.get(names[1]) or self._kinds.get(names[0])
        found = classify(key, members.get("annotations"), override)
        if found.kind == "read":
            return ""
        what = "it writes" if found.kind == "write" else "it may write"
        return f"read-only mode, and {what}: {found.because}"

    def _not_allowed(self, names: tuple[str, str]) -> str:
        if any(not level.allowed.isdisjoint(names) for level in self._levels):
            return ""
        refusals = (level.by_patterns(names) for level in self._levels)
        return next((refusal for refusal in refusals if refusal), "")


class _Level:
    def __init__(self, level: ToolLevel) -> None:
        self.name = level.name
        self.blocked = _folded(level.block_tools)
        self.allowed = _folded(level.allow_tools)
        self._allow = globs(level.allow_patterns)
        self._block = globs(level.block_patterns)
        self._allows_by_pattern = bool(level.allow_patterns)
        # Alone it is the whole list: without patterns there is nothing to except from.
        self._allows_by_name = bool(level.allow_tools) and not (
            level.allow_patterns or level.block_patterns
        )

    def by_patterns(self, names: tuple[str, str]) -> str:
        """Why this level does not allow what it does not name."""
        pattern = self._block.first_match(*names)
        if pattern is not None:
            return f"fits '{pattern}' in block_patterns of {self.name}"
        if self._allows_by_pattern and self._allow.first_match(*names) is None:
            return f"fits nothing in allow_patterns of {self.name}"
        if self._allows_by_name:
            return f"not named in allow_tools of {self.name}"
        return ""


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)
