"""The ``bridge`` section: keys, defaults, who may come in, what wins over it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bridge.config.model import AuthConfig, BridgeConfig
from bridge.config.overlay import Overrides
from bridge.errors import ConfigError
from kit.configs import LOCAL, errors, load, load_text, one_bridge, refusal

ONE = {"one": LOCAL}
PROVIDER = {"OAUTH_ISSUER": "https://idp.example.com", "OAUTH_AUDIENCE": "bridge"}
JWT: dict[str, Any] = {
    "mode": "jwt",
    "issuer": "https://i.example.com",
    "audience": "a",
}


def refused(
    bridge: Mapping[str, Any], env: Mapping[str, str] | None = None, **options: Any
) -> list[str]:
    return refusal(ONE, bridge, env=env, overrides=Overrides(**options))


@pytest.mark.requirement("R16", "R17", "R18", "R150")
def test_the_section_may_be_absent_and_has_the_documented_defaults() -> None:
    text = '{"mcpServers": {"one": {"command": "server"}}}'
    bridge = load_text(text, overrides=Overrides(no_auth=True)).config.bridge
    assert bridge == BridgeConfig(auth=AuthConfig(mode="none"))
    assert (bridge.host, bridge.port, bridge.oauth_port) == ("127.0.0.1", 8080, 8090)
    assert (bridge.conflict_resolution, bridge.default_namespace) == ("namespace", True)
    assert bridge.aggregation.tools
    assert bridge.aggregation.resources
    assert bridge.aggregation.prompts
    assert (bridge.failover.enabled, bridge.failover.max_failures) == (True, 3)
    assert bridge.failover.recovery_interval == 60
    assert bridge.config_reload.debounce == 1
    assert not bridge.config_reload.validate_only
    assert (bridge.mcp_log_level, bridge.separator) == ("ERROR", "__")
    assert not bridge.allow_command_substitution
    assert not bridge.allow_dangerous_commands
    assert not bridge.read_only_mode


@pytest.mark.requirement("R16", "R18")
def test_every_key_of_the_seed_is_read() -> None:
    bridge = one_bridge(
        {
            "host": "::1",
            "port": 3002,
            "oauth_port": 3003,
            "defaultNamespace": False,
            "aggregation": {"tools": False, "resources": False, "prompts": True},
            "failover": {"enabled": False, "maxFailures": 9, "recoveryInterval": 1},
            "configReload": {"enabled": False, "debounceMs": 5, "validateOnly": True},
            "mcp_log_level": "INFO",
            "allowed_commands": ["op"],
            "allow_dangerous_commands": True,
        }
    )
    assert (bridge.host, bridge.port, bridge.oauth_port) == ("::1", 3002, 3003)
    assert not bridge.default_namespace
    assert not bridge.aggregation.tools
    assert not bridge.aggregation.resources
    assert bridge.aggregation.prompts
    assert (bridge.failover.enabled, bridge.failover.max_failures) == (False, 9)
    assert bridge.failover.recovery_interval == 0.001
    assert (bridge.config_reload.enabled, bridge.config_reload.debounce) == (
        False,
        0.005,
    )
    assert bridge.config_reload.validate_only
    assert (bridge.mcp_log_level, bridge.allowed_commands) == ("INFO", ("op",))
    assert bridge.allow_dangerous_commands


@pytest.mark.requirement("R17")
@pytest.mark.parametrize("policy", ["namespace", "priority", "first", "error"])
def test_four_ways_to_resolve_conflicts_are_known(policy: str) -> None:
    assert one_bridge({"conflictResolution": policy}).conflict_resolution == policy


@pytest.mark.requirement("R17")
def test_another_way_is_an_error_that_lists_them() -> None:
    (error,) = refused({"conflictResolution": "random"})
    assert error == (
        'bridge.conflictResolution: "random" is not known here '
        "(known: error, first, namespace, priority)"
    )


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            {"port": 70000},
            "port: out of range: it must be at least 0 and at most 65535",
        ),
        ({"oauth_port": 0}, "oauth_port: out of range: it must be at least 1"),
        ({"host": "not a host"}, "host: neither a host name nor an IP address"),
        ({"publicUrl": "bridge.example.com"}, "publicUrl: the address must start with"),
        (
            {"publicUrl": "https://b.example.com/?x=1"},
            "publicUrl: the address has a query",
        ),
        ({"separator": ""}, "separator: only letters"),
        ({"separator": "/"}, "separator: only letters"),
        ({"separator": "_" * 9}, "separator: longer than 8"),
        ({"trustedProxies": ["::1", "x"]}, "trustedProxies[1]: neither an IP address"),
        ({"allowedOrigins": ["*"]}, "allowedOrigins[0]: not an origin"),
        ({"allowedOrigins": ["https://a.example.com/"]}, "allowedOrigins[0]: not an"),
        ({"allowedHosts": ["a b"]}, "allowedHosts[0]: not a host"),
        ({"limits": {"sessions": 0}}, "limits.sessions: out of range"),
        ({"drainTimeout": "soon"}, "drainTimeout: expected a number, found text"),
    ],
)
def test_a_fault_in_the_section_refuses_the_whole_file(
    section: dict[str, Any], told: str
) -> None:
    (error,) = refused(section)
    assert error.startswith(f"bridge.{told}")


def test_the_port_of_the_log_in_callback_may_be_taken_until_one_is_needed() -> None:
    loaded = load({"one": LOCAL}, {"port": 8090})
    assert loaded.config.bridge.port == 8090
    (problem,) = loaded.problems
    assert not problem.fatal
    assert str(problem) == (
        "bridge.oauth_port: the same as bridge.port (default: 8090); the log-in "
        "callback needs a port of its own (set bridge.oauth_port when a server needs "
        "OAuth)"
    )


def test_peers_that_exist_are_accepted() -> None:
    bridge = one_bridge(
        {
            "publicUrl": "https://b.example.com/mcp-bridge",
            "trustedProxies": ["127.0.0.1", "10.0.0.1/8", "fd00::/8"],
            "allowedOrigins": ["https://a.example.com", "http://localhost:5173"],
            "allowedHosts": ["b.example.com", "localhost:8080", "[::1]:8080"],
        }
    )
    assert len(bridge.allowed_hosts) == 3


@pytest.mark.requirement("R44", "D20")
def test_without_a_provider_one_line_says_what_to_set() -> None:
    (error,) = refused({"auth": {}})
    assert error == (
        "bridge.auth: authentication is on, but no identity provider is set (set "
        "OAUTH_ISSUER and OAUTH_AUDIENCE, or bridge.auth in the file; --no-auth "
        "switches it off, on a loopback address only)"
    )


@pytest.mark.requirement("R44")
@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"OAUTH_ISSUER": "https://i.example.com"}, "bridge.auth.audience: missing"),
        (
            {"OAUTH_ISSUER": "https://i.example.com", "OAUTH_AUDIENCE": " , "},
            "OAUTH_AUDIENCE: missing",
        ),
        ({"OAUTH_AUDIENCE": "a", "OAUTH_ISSUER": ""}, "bridge.auth.issuer: missing"),
        (
            {"OAUTH_AUDIENCE": "a", "OAUTH_ISSUER": "http://i.example.com"},
            "OAUTH_ISSUER: must be https",
        ),
        (
            {**PROVIDER, "OAUTH_JWKS_URL": "i.example.com/keys"},
            "OAUTH_JWKS_URL: the address must start with",
        ),
    ],
)
def test_half_a_provider_is_refused_under_the_name_it_was_given(
    env: dict[str, str], told: str
) -> None:
    (error,) = refused({"auth": {}}, env)
    assert error.startswith(told)


@pytest.mark.requirement("R45")
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "mcp.example.com"])
def test_no_authentication_is_refused_where_others_can_reach_it(host: str) -> None:
    (error,) = refused({"host": host})
    assert error.startswith("bridge.host: authentication is off, and this is not a")
    (error,) = refused({"auth": JWT}, no_auth=True, host=host)
    assert error.startswith("--host: authentication is off, and this is not a")


@pytest.mark.requirement("R45")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_no_authentication_is_accepted_on_this_machine_alone(host: str) -> None:
    assert one_bridge({"host": host}).auth.mode == "none"


@pytest.mark.requirement("R26", "R28")
def test_the_environment_wins_over_the_file() -> None:
    env = {
        **PROVIDER,
        "OAUTH_AUDIENCE": "a, b,",
        "OAUTH_JWKS_URL": "https://k.example.com",
    }
    auth = one_bridge(
        {"auth": {**JWT, "jwks_url": "https://x.example.com"}}, env=env
    ).auth
    assert auth.issuer == "https://idp.example.com"
    assert auth.audience == ("a", "b")
    assert auth.jwks_url == "https://k.example.com"


@pytest.mark.requirement("R28")
def test_the_environment_alone_is_enough() -> None:
    auth = one_bridge({"auth": {}}, env=PROVIDER).auth
    assert auth == AuthConfig(issuer="https://idp.example.com", audience=("bridge",))


def test_a_provider_in_the_environment_overrules_open_doors_in_the_file() -> None:
    loaded = load(ONE, {"auth": {"mode": "none"}}, env=PROVIDER)
    assert loaded.config.bridge.auth.mode == "jwt"
    (problem,) = loaded.problems
    assert (problem.path, problem.fatal) == ("bridge.auth.mode", False)


@pytest.mark.requirement("R26")
def test_the_command_line_wins_over_environment_and_file() -> None:
    options = Overrides(
        host="127.0.0.1", port=8080, oauth_port=9, no_auth=True, debug=True
    )
    bridge = one_bridge(
        {"host": "0.0.0.0", "port": 1, "auth": JWT, "logLevel": "ERROR"},
        env=PROVIDER,
        overrides=options,
    )
    # The first two are the defaults: given explicitly, they win all the same.
    assert (bridge.host, bridge.port, bridge.oauth_port) == ("127.0.0.1", 8080, 9)
    assert (bridge.auth.mode, bridge.log_level) == ("none", "DEBUG")


def test_a_port_of_the_command_line_is_checked_under_its_own_name() -> None:
    assert refused({}, port=70000) == [
        "--port: out of range: it must be from 0 to 65535"
    ]
    assert refused({}, oauth_port=0) == [
        "--oauth-port: out of range: it must be from 1 to 65535"
    ]


@pytest.mark.parametrize(
    ("algorithms", "told"),
    [
        (["RS256", "HS256"], 'algorithms[1]: "HS256" is not accepted; only asymmetric'),
        (["none"], 'algorithms[0]: "none" is not accepted; only asymmetric'),
        ([], "algorithms: empty, so that no token could ever pass"),
    ],
)
def test_only_asymmetric_algorithms_are_accepted(
    algorithms: list[str], told: str
) -> None:
    (error,) = refused({"auth": {**JWT, "algorithms": algorithms}})
    assert error.startswith(f"bridge.auth.{told}")


@pytest.mark.requirement("R117")
@pytest.mark.parametrize(("text", "on"), [("true", True), ("1", True), ("Off", False)])
def test_command_substitution_follows_the_environment(text: str, *, on: bool) -> None:
    env = {"MCP_ALLOW_COMMAND_SUBSTITUTION": text, "MCP_ALLOWED_COMMANDS": "op, pass"}
    bridge = one_bridge({"allow_command_substitution": not on}, env=env)
    assert bridge.allow_command_substitution is on
    assert bridge.allowed_commands == ("op", "pass")


def test_a_switch_of_the_environment_that_cannot_be_read_is_an_error() -> None:
    (error,) = refused({}, {"MCP_ALLOW_COMMAND_SUBSTITUTION": "maybe"})
    assert error == (
        "MCP_ALLOW_COMMAND_SUBSTITUTION: expected true or false, found other text "
        "(write MCP_ALLOW_COMMAND_SUBSTITUTION=true)"
    )


def test_substitution_without_a_list_of_commands_is_warned_about() -> None:
    (problem,) = load(ONE, {"allow_command_substitution": True}).problems
    assert (problem.path, problem.fatal) == ("bridge.allowed_commands", False)


@pytest.mark.requirement("R1")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", 'mcpServers: missing (write "mcpServers": {...})'),
        ('{"mcpServers": null}', 'mcpServers: missing (write "mcpServers": {...})'),
        ('{"mcpServers": []}', "mcpServers: expected an object ({...})"),
        ("[]", "(top level): expected an object with mcpServers and bridge"),
        ("{", "(file): expected a key in double quotes or '}'"),
    ],
)
def test_a_file_without_servers_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text, overrides=Overrides(no_auth=True))
    (error,) = errors(caught.value.problems)
    assert error.startswith(told)


def test_a_bridge_section_that_is_no_object_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        load_text('{"mcpServers": {}, "bridge": 1}', overrides=Overrides(no_auth=True))
    assert errors(caught.value.problems) == [
        "bridge: expected an object ({...}), found a number"
    ]


@pytest.mark.requirement("R1")
def test_mcp_servers_is_read_in_either_letter_style() -> None:
    both = {"mcp_servers": {"a": LOCAL}, "mcpServers": {"b": LOCAL}}
    loaded = load_text(json.dumps(both), overrides=Overrides(no_auth=True))
    assert [server.name for server in loaded.config.upstreams] == ["b"]
    assert [problem.path for problem in loaded.problems] == ["mcp_servers"]
    alone = load_text(
        '{"mcp_servers": {"a": {"command": 3}, "b": {"command": "x"}}}',
        overrides=Overrides(no_auth=True),
    )
    assert [server.name for server in alone.config.upstreams] == ["b"]
    (problem,) = alone.problems
    assert (problem.path, problem.at) == ("mcp_servers.a.command", (1, 24))


def test_an_empty_list_of_servers_is_warned_about() -> None:
    loaded = load({})
    assert [str(p) for p in loaded.problems] == [
        "mcpServers: empty, so that nothing is offered"
    ]
