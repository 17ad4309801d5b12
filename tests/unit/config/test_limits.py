"""Limits on tools and clients in the file: read whole, and never silently none."""

from typing import Any

import pytest

from bridge.config.access import AccessConditionConfig, AccessRuleConfig
from bridge.config.check_policy import MOST
from bridge.config.diff import diff
from bridge.config.model import Config
from kit.configs import LOCAL, load, one_bridge, one_server, refusal, server_problems

PROVIDER = {"OAUTH_ISSUER": "https://idp.example.com", "OAUTH_AUDIENCE": "bridge"}
SERVERS: dict[str, Any] = {
    "time": LOCAL,
    "Git Hub": {**LOCAL, "tags": ["dev"]},
    "off": {"enabled": False, "command": "x"},
}


def said(section: dict[str, Any], **more: Any) -> list[str]:
    """Everything that is found in a bridge section that loads."""
    loaded = load(SERVERS, {**section, "auth": {"mode": "jwt"}}, env=PROVIDER, **more)
    return [str(problem) for problem in loaded.problems]


def refused(*rules: Any) -> list[str]:
    return refusal(SERVERS, {"access": rules, "auth": {"mode": "jwt"}}, env=PROVIDER)


@pytest.mark.requirement("R128")
def test_both_levels_and_both_places_are_read() -> None:
    section: dict[str, Any] = {
        "allow_patterns": ["get_*"],
        "block_patterns": ["del?te*"],
        "allow_tools": ["a"],
        "block_tools": ["b"],
        "classification_overrides": {"c": "READ"},
    }
    limits = {"read_only_mode": True, "tool_security": section}
    whole = {**limits, "security": limits}
    for read in (one_server({**LOCAL, **whole}), one_bridge(whole)):
        assert read.read_only_mode is True
        assert read.security.read_only_mode is True
        assert read.tool_security == read.security.tool_security
        assert read.tool_security.allow_patterns == ("get_*",)
        assert read.tool_security.classification_overrides == {"c": "read"}


@pytest.mark.requirement("R128")
def test_read_only_is_off_unless_configured() -> None:
    assert one_server(LOCAL).read_only_mode is None
    assert one_server({**LOCAL, "read_only_mode": None}).read_only_mode is None
    assert one_bridge({}).read_only_mode is False


@pytest.mark.requirement("R128", "R27")
@pytest.mark.parametrize(
    ("security", "error"),
    [
        ({"block_patterns": ["^del"]}, "block_patterns[0]: '^' belongs to regular"),
        ({"allow_patterns": ["a", ""]}, "allow_patterns[1]: empty"),
        ({"allow_patterns": ["x" * 300]}, "allow_patterns[0]: longer"),
        ({"block_tools": ["del_*"]}, "block_tools[0]: a pattern, where whole names"),
        ({"allow_tools": [""]}, "allow_tools[0]: empty"),
        ({"block_tools": ["x"] * (MOST + 1)}, "block_tools: more than"),
        ({"block_patterns": ["x"] * (MOST + 1)}, "block_patterns: more than"),
        ({"classification_overrides": {"a*": "read"}}, "classification_overrides["),
        ({"classification_overrides": {"a": "raed"}}, "classification_overrides.a"),
        ({"block_tool": ["x"]}, "block_tool: unknown key in a section that limits"),
        ({"block_tools": ["${GONE}"]}, "block_tools[0]: the variable GONE is not set"),
    ],
)
def test_what_would_be_no_limit_is_an_error(security: Any, error: str) -> None:
    for where, prefix in (
        ({"tool_security": security}, "tool_security."),
        ({"security": {"tool_security": security}}, "security.tool_security."),
    ):
        [of_server] = [
            line for line in server_problems({**LOCAL, **where}) if "cmd" not in line
        ]
        assert of_server.startswith(f"mcpServers.one.{prefix}{error}")
        [of_bridge] = refusal(SERVERS, where)
        assert of_bridge.startswith(f"bridge.{prefix}{error}")


def test_a_limit_of_a_server_that_is_wrong_leaves_only_that_server_out() -> None:
    loaded = load({"bad": {**LOCAL, "security": {"read_only": True}}, "good": LOCAL})
    assert [server.name for server in loaded.config.upstreams] == ["good"]
    [problem] = loaded.problems
    assert str(problem) == (
        "mcpServers.bad.security.read_only: unknown key in a section that limits "
        "(did you mean read_only_mode?)"
    )


def test_a_pattern_that_reads_like_a_regular_expression_is_remarked() -> None:
    [remark] = server_problems({**LOCAL, "tool_security": {"block_patterns": ["a.*"]}})
    assert "'.*' is a dot and then any text" in remark


@pytest.mark.parametrize(
    ("direct", "nested", "remarks"),
    [(True, False, 1), (False, True, 1), (True, True, 0), (None, False, 0)],
)
def test_two_answers_of_one_server_are_remarked(
    direct: bool | None,  # noqa: FBT001 - a table
    nested: bool,  # noqa: FBT001
    remarks: int,
) -> None:
    section = {"read_only_mode": direct, "security": {"read_only_mode": nested}}
    assert len(server_problems({**LOCAL, **section})) == remarks


def test_of_the_bridge_only_a_written_word_can_contradict() -> None:
    assert said({"security": {"read_only_mode": True}}) == []
    [remark] = said({"read_only_mode": True, "security": {"read_only_mode": False}})
    assert remark.startswith("bridge.security.read_only_mode: differs from")


@pytest.mark.requirement("R48")
def test_rules_of_access_are_read_whole() -> None:
    rules = [
        {"servers": ["time"]},
        {
            "when": {"scope": "a b", "claim": {"groups": "ops"}},
            "servers": ["git-*"],
            "tags": ["dev"],
            "tools": ["get_*"],
            "deny": True,
        },
    ]
    loaded = load(SERVERS, {"access": rules, "auth": {"mode": "jwt"}}, env=PROVIDER)
    assert loaded.problems == ()
    assert loaded.config.bridge.access == (
        AccessRuleConfig(servers=("time",)),
        AccessRuleConfig(
            when=AccessConditionConfig(scope=("a", "b"), claim={"groups": "ops"}),
            servers=("git-*",),
            tags=("dev",),
            tools=("get_*",),
            deny=True,
        ),
    )


@pytest.mark.requirement("R48")
@pytest.mark.parametrize(
    "name", ["time", "TIME", "Git Hub", "git-hub", "off", "*", "t?me"]
)
def test_a_server_is_named_as_in_the_file_or_as_in_addresses(name: str) -> None:
    assert said({"access": [{"servers": [name]}]}) == []


@pytest.mark.requirement("R48", "R27")
@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (
            {"servers": ["tmie"]},
            'bridge.access[0].servers[0]: no server "tmie" (did you mean time?)',
        ),
        ({"servers": ["a", "*", ""]}, 'bridge.access[0].servers[0]: no server "a"'),
        ({"servers": ["^time*"]}, "bridge.access[0].servers[0]: '^' belongs"),
        ({"servers": [""]}, "bridge.access[0].servers[0]: empty"),
        ({"servers": []}, "bridge.access[0].servers: empty"),
        ({"servers": ["*"], "tools": []}, "bridge.access[0].tools: empty"),
        ({"servers": ["*"], "tags": []}, "bridge.access[0].tags: empty"),
        ({"tags": [""]}, "bridge.access[0].tags[0]: empty"),
        ({"tools": ["(a|b)"]}, "bridge.access[0].tools[0]: '(' belongs"),
        ({}, "bridge.access[0]: selects nothing"),
        ({"deny": True}, "bridge.access[0]: selects nothing"),
        (
            {"server": ["time"], "tools": ["*"]},
            "bridge.access[0].server: unknown key in a section that limits",
        ),
        (
            {"servers": ["time"], "when": {"scopes": "a"}},
            "bridge.access[0].when.scopes: unknown key in a section that limits",
        ),
        (
            {"servers": ["time"], "when": {}},
            "bridge.access[0].when: names neither a scope nor a claim",
        ),
        (
            {"servers": ["time"], "when": {"scope": "${EMPTY:}"}},
            "bridge.access[0].when: names neither a scope nor a claim",
        ),
        (
            {"servers": ["time"], "when": {"scope": "${GONE}"}},
            "bridge.access[0].when.scope: the variable GONE is not set",
        ),
        (
            {"servers": ["time"], "when": {"scope": ["a b"]}},
            "bridge.access[0].when.scope[0]: not one scope",
        ),
        (
            {"servers": ["time"], "when": {"claim": {"g": ""}}},
            "bridge.access[0].when.claim.g: empty",
        ),
        ({"servers": "time"}, "bridge.access[0].servers: expected a list"),
        ("time", "bridge.access[0]: expected an object"),
        ({"servers": ["time"] * (MOST + 1)}, "bridge.access[0].servers: more than"),
    ],
)
def test_a_rule_that_would_do_something_else_is_an_error(rule: Any, error: str) -> None:
    assert any(line.startswith(error) for line in refused(rule)), refused(rule)


def test_more_rules_than_anybody_writes_are_refused() -> None:
    [error] = refused(*[{"servers": ["*"]}] * (MOST + 1))
    assert error.startswith("bridge.access: more than")


@pytest.mark.parametrize(
    ("rules", "remark"),
    [
        ([{"servers": ["x*", "*"]}], "bridge.access[0].servers[0]: no server fits"),
        (
            [{"tags": ["devv"]}],
            "bridge.access[0].tags[0]: no server has this tag (did you mean dev?)",
        ),
        ([{"servers": ["*"], "deny": True}], "bridge.access: only rules that deny"),
    ],
)
def test_a_rule_without_effect_is_remarked(rules: Any, remark: str) -> None:
    [found] = said({"access": rules})
    assert found.startswith(remark)


@pytest.mark.requirement("R48")
def test_without_tokens_rules_that_need_one_are_remarked() -> None:
    rule = {"servers": ["*"], "when": {"scope": "a"}}
    loaded = load(SERVERS, {"access": [{"servers": ["time"]}, rule]})
    [remark] = [str(problem) for problem in loaded.problems]
    assert remark.startswith("bridge.access[1].when: never true: authentication is off")


@pytest.mark.requirement("R48", "R128", "R142")
def test_limits_are_taken_over_by_a_running_bridge() -> None:
    old = one_bridge({})
    new = one_bridge(
        {
            "read_only_mode": True,
            "tool_security": {"block_tools": ["x"]},
            "security": {"read_only_mode": True},
            "access": [{"servers": ["one"]}],
        }
    )
    found = diff(Config(bridge=old), Config(bridge=new))
    assert found.live == ("read_only_mode", "tool_security", "security", "access")
    assert found.restart == ()
