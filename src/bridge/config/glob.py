"""Patterns of names: ``*`` is any text, ``?`` one character, case does not count. Pure.

No other character has a meaning, and a match takes time linear in the name, so neither
a pattern nor a name from an upstream can hold up the loop. Regular expressions are
refused where the file is read: one would silently match nothing.
"""

import fnmatch
import re
from collections.abc import Iterable
from functools import lru_cache

#: Longer than any name a client accepts, with room for stars.
LONGEST = 256

_WILD = re.compile(r"[*?]")
_FOREIGN = re.compile(r"[\^$\\()|\[\]{}+]")


class Globs:
    """Several patterns, asked together."""

    def __init__(self, patterns: Iterable[str]) -> None:
        # The translation has atomic groups only: it never goes back (Python 3.11).
        self._matchers = [
            (pattern, re.compile(fnmatch.translate(_literal(pattern.casefold()))))
            for pattern in patterns
        ]

    def first_match(self, *names: str) -> str | None:
        """The first pattern that fits any of these names."""
        if not self._matchers:
            return None
        folded = [name.casefold() for name in names]
        for pattern, matcher in self._matchers:
            if any(matcher.match(name) for name in folded):
                return pattern
        return None


@lru_cache(maxsize=4096)
def globs(patterns: tuple[str, ...]) -> Globs:
    """The patterns, made ready once."""
    return Globs(patterns)


def is_pattern(text: str) -> bool:
    """Whether it may fit more than one name."""
    return _WILD.search(text) is not None


def fault_of(pattern: str) -> str:
    """Why a text can be no pattern; empty when it can."""
    if not pattern:
        return "empty, so that it fits nothing"
    if len(pattern) > LONGEST:
        return f"longer than {LONGEST} characters"
    if found := _FOREIGN.search(pattern):
        return f"'{found[0]}' belongs to regular expressions; only * and ? are known"
    return ""


def is_doubtful(pattern: str) -> bool:
    """It can be a pattern, and reads like a regular expression."""
    return ".*" in pattern


def _literal(pattern: str) -> str:
    return pattern.replace("[", "[[]")
