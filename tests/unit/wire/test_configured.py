from typing import Self

import pytest

from bridge.config.model import AuthenticationConfig, LimitsConfig, UpstreamConfig
from bridge.errors import ConfigError
from bridge.http import HttpClients
from bridge.observe import catalogue as events
from bridge.system import TrioNetwork, real_ports
from bridge.wire.credentials import static_headers, with_static
from bridge.wire.environment import child_environment
from bridge.wire.link import NoBearer, Transport
from bridge.wire.open import transport_for
from bridge.wire.probe import ProbeTransport
from bridge.wire.sse import SseTransport
from bridge.wire.stdio import StdioTransport
from bridge.wire.streamable_http import StreamableHttpTransport
from bridge.wire.websocket import WebSocketTransport
from kit.recorded import RecordedLog


def upstream(authentication: AuthenticationConfig) -> UpstreamConfig:
    return UpstreamConfig(name="u", authentication=authentication)


@pytest.mark.requirement("R14")
@pytest.mark.parametrize(
    ("authentication", "headers"),
    [
        (AuthenticationConfig(), {}),
        (
            AuthenticationConfig(type="bearer", token="t"),
            {"authorization": "Bearer t"},
        ),
        (AuthenticationConfig(type="api_key", key="k"), {"x-api-key": "k"}),
        (
            AuthenticationConfig(type="api_key", key="k", header="X-Other"),
            {"x-other": "k"},
        ),
        (
            AuthenticationConfig(type="basic", username="u", password="p\u00e4"),
            {"authorization": "Basic dTpww6Q="},
        ),
    ],
)
def test_static_credentials_become_headers(
    authentication: AuthenticationConfig, headers: dict[str, str]
) -> None:
    assert static_headers(upstream(authentication)) == headers


def test_configured_headers_are_kept_unless_the_transport_owns_them() -> None:
    headers = {"X-Team": "a", "Accept": "*/*", "Mcp-Session-Id": "s"}
    config = UpstreamConfig(name="u", headers=headers)
    assert static_headers(config) == {"x-team": "a"}


@pytest.mark.requirement("R106")
def test_the_bearer_of_the_moment_wins_over_a_static_one() -> None:
    config = upstream(AuthenticationConfig(type="bearer", token="static"))
    bearer: dict[str, str] = {}
    source = with_static(config, lambda: bearer)
    assert source() == {"authorization": "Bearer static"}
    bearer["Authorization"] = "Bearer fresh"
    assert source() == {"authorization": "Bearer fresh"}


@pytest.mark.requirement("R62", "C8")
def test_a_child_sees_little_of_our_environment() -> None:
    inherited = {
        "PATH": "/bin",
        "HOME": "/h",
        "LC_ALL": "C",
        "OAUTH_ISSUER": "i",
        "GITHUB_TOKEN": "secret",
        "MCP_BRIDGE_CONFIG": "c",
    }
    env = child_environment(
        inherited, {"API": "1", "LOG_LEVEL": "DEBUG"}, name="time", log_level="ERROR"
    )
    assert env == {
        "PATH": "/bin",
        "HOME": "/h",
        "LC_ALL": "C",
        "API": "1",
        "LOG_LEVEL": "DEBUG",
        "MCP_LOG_LEVEL": "ERROR",
        "FASTMCP_LOG_LEVEL": "ERROR",
        "MCP_BRIDGE_CHILD": "1",
        "MCP_SERVER_NAME": "time",
    }


def built(config: UpstreamConfig, log: RecordedLog | None = None) -> Transport:
    return transport_for(
        config,
        ports=real_ports({"PATH": "/bin"}),
        http=HttpClients(TrioNetwork()),
        bearer=NoBearer(),
        log=log or RecordedLog(),
        limits=LimitsConfig(),
    )


@pytest.mark.requirement("R60")
@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (UpstreamConfig(name="u", command="x"), StdioTransport),
        (UpstreamConfig(name="u", command="x", transport="stdio"), StdioTransport),
        (UpstreamConfig(name="u", url="http://h/", transport="sse"), SseTransport),
        (
            UpstreamConfig(name="u", url="http://h/", transport="streamablehttp"),
            StreamableHttpTransport,
        ),
        (UpstreamConfig(name="u", url="http://h/"), ProbeTransport),
        (
            UpstreamConfig(name="u", url="wss://h/", transport="websocket"),
            WebSocketTransport,
        ),
    ],
)
def test_the_configuration_chooses_the_transport(
    config: UpstreamConfig, kind: type
) -> None:
    assert type(built(config)) is kind


def test_an_upstream_without_an_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither a command nor a url"):
        built(UpstreamConfig(name="u"))


@pytest.mark.parametrize(
    "config",
    [
        UpstreamConfig(name="u", command="x"),
        UpstreamConfig(name="u", url="http://h/"),
        UpstreamConfig(name="u", url="wss://h/", transport="websocket"),
    ],
)
def test_what_a_link_logs_names_its_upstream(config: UpstreamConfig) -> None:
    class Bound(RecordedLog):
        def bind(self, **context: object) -> Self:
            self.entries.append(("bound", context))
            return self

    log = Bound()
    built(config, log)
    assert log.entries == [("bound", {"upstream": "u"})]


@pytest.mark.requirement("R149", "D16")
def test_verification_switched_off_is_said_aloud() -> None:
    log = RecordedLog()
    built(UpstreamConfig(name="u", url="https://h/", verify_ssl=False), log)
    assert log.named(events.TLS_VERIFICATION_DISABLED) == [
        {"upstream": "u", "scope": "connection"}
    ]
