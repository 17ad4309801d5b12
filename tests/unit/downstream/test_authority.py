"""Host and Origin: parsed whole, compared exactly (B1, B2, R55)."""

from typing import Any

import pytest

from bridge.config.model import BridgeConfig
from bridge.downstream.authority import (
    Authority,
    AuthorityPolicy,
    HostInvalid,
    HostRefused,
    parse_authority,
    parse_origin,
)
from bridge.errors import ConfigError, OriginRefused


def rules(*bound: tuple[str, int], **settings: Any) -> AuthorityPolicy:
    here = bound or (("127.0.0.1", 8080),)
    return AuthorityPolicy.from_config(BridgeConfig(**settings), bound=here)


def verdict(policy: AuthorityPolicy, *hosts: str, origin: str | None = None) -> str:
    origins = () if origin is None else (origin,)
    try:
        policy.check(hosts=hosts, origins=origins)
    except OriginRefused as refused:
        return refused.code
    return "allowed"


INVALID = HostInvalid.code
REFUSED = HostRefused.code
FORBIDDEN = OriginRefused.code


@pytest.mark.requirement("B1", "R55")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "localhost:8080",
        "LocalHost:8080",
        "[::1]:8080",
        "[0:0::1]:8080",
    ],
)
def test_the_loopback_names_with_the_port_are_allowed(host: str) -> None:
    assert verdict(rules(), host) == "allowed"


@pytest.mark.requirement("B1", "R55")
@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:1:2", INVALID),
        ("127.0.0.1:8080:8080", INVALID),
        ("127.0.0.1:8080@evil.example", INVALID),
        ("evil@127.0.0.1:8080", INVALID),
        ("127.0.0.1:8080 ", INVALID),
        (" 127.0.0.1:8080", INVALID),
        ("127.0.0.1:8080/", INVALID),
        ("127.0.0.1:8080,evil.example", INVALID),
        ("127.0.0.1:8080#x", INVALID),
        ("127.0.0.1:80a", INVALID),
        ("127.0.0.1:", INVALID),
        ("127.0.0.1:-1", INVALID),
        ("127.0.0.1:0", INVALID),
        ("127.0.0.1:65536", INVALID),
        ("127.0.0.1:\uff19", INVALID),
        ("[::1:8080", INVALID),
        ("[::1%lo]:8080", INVALID),
        ("[1:2]:8080", INVALID),
        ("::1", INVALID),
        ("*", INVALID),
        ("", INVALID),
        ("local\u0000host:8080", INVALID),
        ("http://localhost:8080", INVALID),
        ("127.0.0.1", REFUSED),
        ("127.0.0.1:8081", REFUSED),
        ("localhost", REFUSED),
        ("localhost.:8080", REFUSED),
        ("localhost.evil.example:8080", REFUSED),
        ("evil.example", REFUSED),
        ("evil.example:8080", REFUSED),
        ("127.0.0.1.evil.example:8080", REFUSED),
        ("127.1:8080", REFUSED),
        ("2130706433:8080", REFUSED),
        ("0.0.0.0:8080", REFUSED),
        ("127.0.0.2:8080", REFUSED),
        ("[::]:8080", REFUSED),
        ("[::ffff:127.0.0.1]:8080", REFUSED),
    ],
)
def test_any_other_host_is_refused(host: str, code: str) -> None:
    assert verdict(rules(), host) == code


@pytest.mark.requirement("B1")
def test_a_missing_or_doubled_host_is_refused() -> None:
    assert verdict(rules()) == INVALID
    assert verdict(rules(), "localhost:8080", "localhost:8080") == INVALID


@pytest.mark.requirement("B2", "R55")
@pytest.mark.parametrize(
    "origin",
    ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"],
)
def test_our_own_pages_are_allowed(origin: str) -> None:
    assert verdict(rules(), "localhost:8080", origin=origin) == "allowed"


@pytest.mark.requirement("B2", "R55")
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "http://localhost",
        "http://localhost:80",
        "https://localhost:8080",
        "http://localhost:8080.evil",
        "http://localhost:8080.evil.example",
        "http://localhost:8080/",
        "http://localhost:8080?",
        "http://localhost:8080#",
        "http://user@localhost:8080",
        "http://evil.example",
        "http://evil.example:8080",
        "http://localhost:8080 http://evil.example",
        "HTTP://localhost:8080",
        "localhost:8080",
        "//localhost:8080",
        "file://",
        "chrome-extension://abcdef",
    ],
)
def test_any_other_origin_is_forbidden(origin: str) -> None:
    assert verdict(rules(), "localhost:8080", origin=origin) == FORBIDDEN


@pytest.mark.requirement("B2")
def test_two_origins_are_forbidden_even_if_both_are_ours() -> None:
    ours = "http://localhost:8080"
    with pytest.raises(OriginRefused):
        rules().check(hosts=["localhost:8080"], origins=[ours, ours])


@pytest.mark.requirement("R55")
def test_the_public_url_is_a_name_of_the_bridge() -> None:
    policy = rules(public_url="https://bridge.example/base")
    for host in ("bridge.example", "bridge.example:443", "BRIDGE.example"):
        assert verdict(policy, host, origin="https://bridge.example") == "allowed"
    assert verdict(policy, "bridge.example:80") == REFUSED
    assert (
        verdict(policy, "bridge.example", origin="http://bridge.example") == FORBIDDEN
    )
    with_port = rules(public_url="https://bridge.example:8443")
    assert verdict(with_port, "bridge.example:8443") == "allowed"
    assert verdict(with_port, "bridge.example") == REFUSED


@pytest.mark.requirement("R55")
def test_configured_hosts_and_origins_are_allowed() -> None:
    policy = rules(
        allowed_hosts=("a.example", "b.example:9000", "[fd00::1]"),
        allowed_origins=("https://app.example", "http://localhost:6274", "vscode://x"),
    )
    for host in ("a.example", "a.example:80", "b.example:9000", "[FD00:0::1]:443"):
        assert verdict(policy, host) == "allowed"
    for host in ("a.example:8080", "b.example", "c.example"):
        assert verdict(policy, host) == REFUSED
    for origin in ("https://app.example", "https://app.example:443", "vscode://x"):
        assert verdict(policy, "a.example", origin=origin) == "allowed"
    assert verdict(policy, "a.example", origin="http://localhost:6275") == FORBIDDEN


@pytest.mark.requirement("R55")
def test_the_bound_address_decides_what_is_ours() -> None:
    lan = rules(("192.168.1.5", 8080))
    assert verdict(lan, "192.168.1.5:8080") == "allowed"
    assert verdict(lan, "localhost:8080") == REFUSED
    six = rules(("::1", 80), ("127.0.0.1", 80))
    assert verdict(six, "localhost", origin="http://localhost") == "allowed"
    assert verdict(six, "localhost:80", origin="http://localhost:80") == "allowed"
    for wildcard in ("0.0.0.0", "::", ""):
        everywhere = rules((wildcard, 8080))
        assert verdict(everywhere, "127.0.0.1:8080") == "allowed"
        assert verdict(everywhere, "0.0.0.0:8080") == REFUSED
        assert verdict(everywhere, "192.168.1.5:8080") == REFUSED
    assert verdict(rules(("bridge.lan", 8080)), "bridge.lan:8080") == "allowed"


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("publicUrl", {"public_url": "bridge.example"}),
        ("publicUrl", {"public_url": "ftp://bridge.example"}),
        ("publicUrl", {"public_url": "https://u:p@bridge.example"}),
        ("allowedHosts", {"allowed_hosts": ("https://a.example",)}),
        ("allowedOrigins", {"allowed_origins": ("a.example",)}),
        ("allowedOrigins", {"allowed_origins": ("null",)}),
    ],
)
def test_a_wrong_setting_is_named(key: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as wrong:
        rules(**settings)
    assert [problem.path for problem in wrong.value.problems] == [f"bridge.{key}"]


def test_an_authority_prints_as_it_is_written() -> None:
    for text in ("localhost", "localhost:80", "[::1]", "[::1]:80"):
        assert str(parse_authority(text)) == text
    assert parse_authority("[fe80::1]") == Authority("fe80::1")
    assert parse_origin("http://a:b") is None
