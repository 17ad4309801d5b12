"""Which keys of a server are read, under which names, with which defaults."""

from typing import Any

import msgspec
import pytest

from bridge.config.model import (
    AuthenticationConfig,
    HealthCheckConfig,
    OAuthConfig,
    UpstreamConfig,
)
from kit.configs import LOCAL, REMOTE, errors, load, one_server, server_problems


@pytest.mark.requirement("R3", "R13")
def test_a_server_with_nothing_but_a_command_has_the_documented_defaults() -> None:
    server = one_server(LOCAL)
    assert server == UpstreamConfig(name="one", transport="stdio", command="server")
    assert server.enabled
    assert (server.timeout, server.retry_attempts, server.retry_delay) == (60, 3, 1.0)
    assert (server.priority, server.tags, server.headers) == (100, (), {})
    assert (server.log_level, server.verify_ssl) == ("ERROR", True)


@pytest.mark.requirement("R13")
def test_every_other_key_of_a_server_is_read() -> None:
    server = one_server(
        {
            "command": "server",
            "args": ["-v"],
            "env": {"A": "b"},
            "timeout": 5,
            "retryAttempts": 7,
            "retryDelay": 250,
            "resourceNamespace": "r",
            "promptNamespace": "",
            "priority": -1,
            "tags": ["x", "y"],
            "log_level": "debug",
            "working_directory": "/srv",
        }
    )
    assert (server.args, server.env, server.timeout) == (("-v",), {"A": "b"}, 5)
    assert (server.retry_attempts, server.retry_delay) == (7, 0.25)
    assert (server.resource_namespace, server.prompt_namespace) == ("r", "")
    assert (server.priority, server.tags) == (-1, ("x", "y"))
    assert (server.log_level, server.working_directory) == ("DEBUG", "/srv")


@pytest.mark.requirement("R4", "R5", "R6")
@pytest.mark.parametrize(
    ("spelled", "means"),
    [
        ("sse", "sse"),
        ("SSE", "sse"),
        ("streamablehttp", "streamablehttp"),
        ("streamableHttp", "streamablehttp"),
        ("http", "streamablehttp"),
        ("streamable-http", "streamablehttp"),
        ("streamable_http", "streamablehttp"),
    ],
)
@pytest.mark.parametrize("key", ["transport", "type", "transportType"])
def test_a_transport_may_be_spelled_as_older_files_do(
    key: str, spelled: str, means: str
) -> None:
    assert one_server({**REMOTE, key: spelled}).transport == means


@pytest.mark.requirement("R6")
@pytest.mark.parametrize("more", [{"transport": "websocket"}, {"type": "ws"}, {}])
def test_a_websocket_server_is_known_by_name_or_address(more: dict[str, Any]) -> None:
    server = one_server({"url": "wss://h.example.com/mcp", **more})
    assert server.transport == "websocket"


@pytest.mark.requirement("R4")
def test_a_command_alone_means_stdio_and_a_url_alone_is_asked_later() -> None:
    assert one_server(LOCAL).transport == "stdio"
    assert one_server(REMOTE).transport is None


def test_an_unknown_transport_names_the_nearest() -> None:
    (told,) = server_problems({**REMOTE, "transport": "streamhttp"})
    assert told == (
        'mcpServers.one.transport: "streamhttp" is not known here '
        "(did you mean streamablehttp?)"
    )


@pytest.mark.requirement("R13")
def test_cwd_is_read_for_working_directory() -> None:
    assert one_server({**LOCAL, "cwd": "/srv"}).working_directory == "/srv"


@pytest.mark.requirement("R11", "R15")
def test_both_letter_styles_are_read_for_every_key() -> None:
    server = one_server(
        {
            **REMOTE,
            "tool_namespace": "t",
            "verifySsl": False,
            "max_in_flight": 3,
            "health_check": {"max_restart_attempts": 9, "keepAliveInterval": 100},
            "oauth": {
                "enabled": True,
                "clientId": "c",
                "client_secret": "s",
                "tokenRefreshInterval": 1000,
                "keep_alive_interval": 500,
            },
        }
    )
    assert (server.tool_namespace, server.verify_ssl) == ("t", False)
    assert server.max_in_flight == 3
    assert server.health_check.max_restart_attempts == 9
    assert server.health_check.keep_alive_interval == 0.1
    assert (server.oauth.client_id, server.oauth.client_secret) == ("c", "s")
    assert server.oauth.token_refresh_interval == 1
    assert server.oauth.keep_alive_interval == 0.5


@pytest.mark.requirement("R9")
def test_oauth_config_is_read_for_oauth() -> None:
    server = one_server({**REMOTE, "oauth_config": {"enabled": True}})
    assert server.oauth.enabled


@pytest.mark.requirement("R9")
@pytest.mark.parametrize(
    ("config", "ignored"),
    [
        ({"oauth_config": {"enabled": True}, "oauth": {}}, "oauth_config"),
        ({"type": "sse", "transport": "http"}, "type"),
        ({"type": "sse", "transportType": "http"}, "type"),
        ({"tool_namespace": "a", "toolNamespace": "b"}, "tool_namespace"),
    ],
)
def test_of_two_spellings_the_documented_one_wins_with_a_warning(
    config: dict[str, Any], ignored: str
) -> None:
    loaded = load({"one": {**REMOTE, **config}})
    (problem,) = loaded.problems
    assert (problem.path, problem.fatal) == (f"mcpServers.one.{ignored}", False)
    assert problem.reason.startswith("ignored, because ")
    server = loaded.config.upstreams[0]
    assert not server.oauth.enabled
    assert server.transport in {None, "streamablehttp"}
    assert server.tool_namespace in {None, "b"}


@pytest.mark.requirement("R10", "R11", "R12")
def test_oauth_has_the_documented_defaults_and_needs_no_issuer() -> None:
    oauth = one_server({**REMOTE, "oauth": {"enabled": True}}).oauth
    assert oauth == OAuthConfig(enabled=True)
    assert (oauth.issuer, oauth.scopes, oauth.verify_ssl) == ("", (), True)
    assert oauth.client_name == "MCP Trio Bridge"
    assert not OAuthConfig().enabled
    assert (oauth.keep_alive_interval, oauth.token_refresh_interval) == (20, 1800)
    assert (oauth.connection_check_interval, oauth.type) == (10, "dynamic")


@pytest.mark.requirement("R10")
def test_scopes_may_be_one_text() -> None:
    server = one_server({**REMOTE, "oauth": {"scopes": " read  write "}})
    assert server.oauth.scopes == ("read", "write")


@pytest.mark.requirement("R14")
@pytest.mark.parametrize(
    ("section", "means"),
    [
        (
            {"type": "bearer", "token": "t"},
            AuthenticationConfig(type="bearer", token="t"),
        ),
        (
            {"type": "api_key", "key": "k"},
            AuthenticationConfig(type="api_key", key="k"),
        ),
        (
            {"type": "api_key", "key": "k", "header": "X-K"},
            AuthenticationConfig(type="api_key", key="k", header="X-K"),
        ),
        (
            {"type": "basic", "username": "u", "password": "p"},
            AuthenticationConfig(type="basic", username="u", password="p"),
        ),
    ],
)
def test_static_credentials_are_read(
    section: dict[str, Any], means: AuthenticationConfig
) -> None:
    assert one_server({**REMOTE, "authentication": section}).authentication == means


@pytest.mark.requirement("R14")
def test_an_api_key_goes_into_x_api_key_unless_said() -> None:
    assert AuthenticationConfig().header == "X-API-Key"


@pytest.mark.requirement("R15")
def test_a_health_check_has_the_documented_defaults() -> None:
    health = HealthCheckConfig()
    assert (health.enabled, health.auto_restart) == (True, True)
    assert (health.interval, health.timeout) == (30, 5)
    assert (health.keep_alive_interval, health.keep_alive_timeout) == (60, 10)
    assert (health.max_consecutive_failures, health.max_restart_attempts) == (3, 5)
    assert (health.restart_delay, health.operation) == (5, "list_tools")
    assert (health.http_method, health.expected_status) == ("GET", 200)


@pytest.mark.requirement("R15")
def test_every_key_of_a_health_check_is_read() -> None:
    section = {
        "enabled": False,
        "interval": 1,
        "timeout": 2,
        "keepAliveInterval": 3,
        "keepAliveTimeout": 4,
        "maxConsecutiveFailures": 5,
        "autoRestart": False,
        "restartDelay": 6,
        "maxRestartAttempts": 7,
        "operation": "call_tool",
        "toolName": "t",
        "toolArguments": {"deep": [1, {"x": None}]},
        "resourceUri": "u",
        "promptName": "p",
        "promptArguments": {"a": "b"},
        "httpPath": "/h",
        "httpMethod": "head",
        "expectedStatus": 204,
        "expectedContent": "ok",
    }
    health = one_server({**LOCAL, "healthCheck": section}).health_check
    assert msgspec.to_builtins(health) == {**section, "httpMethod": "HEAD"}


@pytest.mark.requirement("R15")
@pytest.mark.parametrize(
    ("operation", "key"),
    [
        ("call_tool", "toolName"),
        ("read_resource", "resourceUri"),
        ("get_prompt", "promptName"),
    ],
)
def test_a_probe_that_needs_a_name_says_which(operation: str, key: str) -> None:
    told = server_problems({**LOCAL, "healthCheck": {"operation": operation}})
    assert told == [f"mcpServers.one.healthCheck.{key}: missing; {operation} needs it"]


def test_null_means_not_given() -> None:
    assert one_server({**LOCAL, "timeout": None, "tags": None}) == one_server(LOCAL)


def test_a_server_that_is_no_object_is_left_out_alone() -> None:
    loaded = load({"bad": 3, "good": LOCAL})
    assert [server.name for server in loaded.config.upstreams] == ["good"]
    assert errors(loaded.problems) == [
        "mcpServers.bad: expected an object ({...}), found a number"
    ]
    [bad] = loaded.config.left_out
    assert bad.name == "bad"
    assert bad.reason == "mcpServers.bad: expected an object ({...}), found a number"


def test_the_repr_of_a_server_shows_no_secret() -> None:
    server = one_server(
        {
            "url": "https://h.example.com/?key=hush",
            "headers": {"X-Key": "hush"},
            "authentication": {"type": "basic", "username": "hush", "password": "hush"},
            "oauth": {"client_secret": "hush", "additional_params": {"a": "hush"}},
        }
    )
    assert "hush" not in repr(server)
    assert "headers=<hidden>" in repr(server)
