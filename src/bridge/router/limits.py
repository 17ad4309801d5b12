"""The limits of the configuration, both levels combined. Pure.

Lists of both levels add up. A level is its own keys and its ``security`` section; where
these two disagree the stricter word counts.
"""

from collections.abc import Iterable, Iterator

from bridge.config.access import AccessRuleConfig
from bridge.config.model import BridgeConfig, UpstreamConfig
from bridge.config.server import ToolSecurityConfig
from bridge.contract.access import AccessRule, ToolKind, ToolLevel, ToolLimits

#: Later is stricter.
_STRICTNESS: tuple[ToolKind, ...] = ("read", "unknown", "write")

_Level = BridgeConfig | UpstreamConfig


def tool_limits(upstream: UpstreamConfig, bridge: BridgeConfig) -> ToolLimits:
    """What holds for the tools of one upstream (R128)."""
    own = _own_word(upstream)
    kinds: dict[str, ToolKind] = {**_kinds(bridge), **_kinds(upstream)}
    levels = (*_levels(bridge, "bridge"), *_levels(upstream, "this server"))
    return ToolLimits(
        read_only=_bridge_word(bridge) if own is None else own,
        levels=levels,
        kinds=tuple(sorted(kinds.items())),
    )


def _bridge_word(bridge: BridgeConfig) -> bool:
    return bridge.read_only_mode or bridge.security.read_only_mode is True


def _own_word(upstream: UpstreamConfig) -> bool | None:
    """None: it says nothing, so that the level above decides."""
    words = {upstream.read_only_mode, upstream.security.read_only_mode} - {None}
    return True in words if words else None


def _sections(level: _Level) -> tuple[ToolSecurityConfig, ...]:
    return level.tool_security, level.security.tool_security


def _kinds(level: _Level) -> dict[str, ToolKind]:
    found: dict[str, ToolKind] = {}
    for section in _sections(level):
        for name, kind in section.classification_overrides.items():
            folded = name.casefold()
            known = found.get(folded, kind)
            stricter = max(_STRICTNESS.index(kind), _STRICTNESS.index(known))
            found[folded] = _STRICTNESS[stricter]
    return found


def _levels(level: _Level, name: str) -> Iterator[ToolLevel]:
    """The level, if it limits anything."""
    sections = _sections(level)
    made = ToolLevel(
        name=name,
        allow_patterns=_joined(s.allow_patterns for s in sections),
        block_patterns=_joined(s.block_patterns for s in sections),
        allow_tools=_joined(s.allow_tools for s in sections),
        block_tools=_joined(s.block_tools for s in sections),
    )
    if made != ToolLevel(name=name):
        yield made


def _joined(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for each in lists for text in each))


def access_rules(rules: Iterable[AccessRuleConfig]) -> tuple[AccessRule, ...]:
    """The rules of access (R48)."""
    return tuple(_access_rule(rule) for rule in rules)


def _access_rule(rule: AccessRuleConfig) -> AccessRule:
    when = rule.when
    return AccessRule(
        scopes=frozenset(when.scope if when else ()),
        claims=tuple(sorted(when.claim.items())) if when else (),
        servers=rule.servers or (),
        tags=frozenset(rule.tags or ()),
        tools=rule.tools or (),
        deny=rule.deny,
    )
