"""Limits that travel to the router with the configuration: on tools, and on clients."""

from collections.abc import Mapping
from typing import Literal

import msgspec

ToolKind = Literal["read", "write", "unknown"]


class ToolLevel(msgspec.Struct, frozen=True, kw_only=True):
    """The lists of one level of the configuration; ``name`` tells operators which."""

    name: str
    allow_patterns: tuple[str, ...] = ()
    block_patterns: tuple[str, ...] = ()
    allow_tools: tuple[str, ...] = ()
    block_tools: tuple[str, ...] = ()


class ToolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the tools of one upstream (R128): both levels, combined.

    ``kinds`` are the overrides of the classification.
    """

    read_only: bool = False
    levels: tuple[ToolLevel, ...] = ()
    kinds: tuple[tuple[str, ToolKind], ...] = ()


class AccessRule(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What tokens with all these ``scopes`` and ``claims`` are shown, or denied (R48).

    Neither: it counts for everybody. ``servers`` are patterns; with neither these nor
    ``tags`` it selects every upstream. ``tools`` (patterns) narrows it to those tools
    alone; empty selects all an upstream offers.
    """

    scopes: frozenset[str] = frozenset()
    claims: tuple[tuple[str, str], ...] = ()
    servers: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    tools: tuple[str, ...] = ()
    deny: bool = False


class Entitlement(msgspec.Struct, frozen=True):
    """What one token says its principal may: by this the rules are judged.

    ``claims`` are those of a verified token, and never shown.
    """

    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, object] = {}

    def __repr__(self) -> str:
        return "Entitlement(...)"


#: Of who needs no token: rules that ask for one never count.
NO_TOKEN = Entitlement()
