"""From the two levels of the configuration to what holds for one server."""

import pytest

from bridge.config.access import AccessConditionConfig, AccessRuleConfig
from bridge.config.model import BridgeConfig, SecurityConfig, ToolSecurityConfig
from bridge.config.server import UpstreamConfig
from bridge.contract.access import AccessRule, ToolLevel, ToolLimits
from bridge.router.limits import access_rules, tool_limits


def combined(server: UpstreamConfig, bridge: BridgeConfig) -> ToolLimits:
    return tool_limits(server, bridge)


@pytest.mark.requirement("R128")
@pytest.mark.parametrize(
    ("bridge", "server", "expected"),
    [
        ((False, None), (None, None), False),
        ((True, None), (None, None), True),
        ((False, True), (None, None), True),
        ((True, False), (None, None), True),  # the stricter word of one level
        ((True, None), (False, None), False),  # the server's own word overrides
        ((True, None), (None, False), False),
        ((False, None), (True, None), True),
        ((False, None), (None, True), True),
        ((False, None), (False, True), True),
        ((True, None), (False, False), False),
    ],
)
def test_the_level_of_the_server_decides_where_it_says_anything(
    bridge: tuple[bool, bool | None],
    server: tuple[bool | None, bool | None],
    *,
    expected: bool,
) -> None:
    made = combined(
        UpstreamConfig(
            name="a",
            read_only_mode=server[0],
            security=SecurityConfig(read_only_mode=server[1]),
        ),
        BridgeConfig(
            read_only_mode=bridge[0], security=SecurityConfig(read_only_mode=bridge[1])
        ),
    )
    assert made.read_only is expected


@pytest.mark.requirement("R128")
def test_lists_of_both_levels_and_both_places_add_up() -> None:
    made = combined(
        UpstreamConfig(
            name="a",
            tool_security=ToolSecurityConfig(block_tools=("x",), allow_tools=("y",)),
        ),
        BridgeConfig(
            tool_security=ToolSecurityConfig(block_tools=("b",)),
            security=SecurityConfig(
                tool_security=ToolSecurityConfig(
                    block_tools=("c", "b"), block_patterns=("d*",)
                )
            ),
        ),
    )
    assert made.levels == (
        ToolLevel(name="bridge", block_tools=("b", "c"), block_patterns=("d*",)),
        ToolLevel(name="this server", block_tools=("x",), allow_tools=("y",)),
    )


def test_a_level_that_says_nothing_is_none() -> None:
    assert combined(UpstreamConfig(name="a"), BridgeConfig()) == ToolLimits()


@pytest.mark.requirement("R128")
def test_the_servers_word_on_a_tool_counts_before_the_bridges() -> None:
    made = combined(
        UpstreamConfig(
            name="a",
            tool_security=ToolSecurityConfig(classification_overrides={"X": "read"}),
            security=SecurityConfig(
                tool_security=ToolSecurityConfig(
                    classification_overrides={"y": "unknown"}
                )
            ),
        ),
        BridgeConfig(
            tool_security=ToolSecurityConfig(
                classification_overrides={"x": "write", "z": "read"}
            ),
            security=SecurityConfig(
                tool_security=ToolSecurityConfig(
                    classification_overrides={"Z": "unknown"}
                )
            ),
        ),
    )
    assert dict(made.kinds) == {"x": "read", "y": "unknown", "z": "unknown"}


@pytest.mark.requirement("R48")
def test_rules_of_access_travel_whole() -> None:
    rules = access_rules(
        (
            AccessRuleConfig(
                when=AccessConditionConfig(scope=("a", "b"), claim={"g": "ops"}),
                servers=("x",),
                tags=("t",),
                tools=("get_*",),
                deny=True,
            ),
            AccessRuleConfig(servers=("*",)),
        )
    )
    assert rules == (
        AccessRule(
            scopes=frozenset({"a", "b"}),
            claims=(("g", "ops"),),
            servers=("x",),
            tags=frozenset({"t"}),
            tools=("get_*",),
            deny=True,
        ),
        AccessRule(servers=("*",)),
    )
