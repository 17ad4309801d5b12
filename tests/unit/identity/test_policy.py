"""What configuration may say of tokens, and where keys may come from."""

from typing import Any

import pytest

from bridge.config.model import AuthConfig
from bridge.errors import ConfigError
from bridge.identity.address import is_fetchable, is_on_loopback
from bridge.identity.policy import TokenPolicy
from kit.issuer import AUDIENCE, ISSUER, auth_config, policy


def problems(auth: AuthConfig) -> list[str]:
    with pytest.raises(ConfigError) as wrong:
        TokenPolicy.from_config(auth)
    return [problem.path for problem in wrong.value.problems]


def test_a_complete_configuration_is_taken_over() -> None:
    rules = policy(
        algorithms=("PS256",),
        leeway=60,
        required_scopes=("a",),
        allow_id_tokens=True,
        strict_type=True,
    )
    assert rules == TokenPolicy(
        issuer=ISSUER,
        audiences=frozenset({AUDIENCE}),
        algorithms=frozenset({"PS256"}),
        leeway=60,
        required_scopes=("a",),
        allow_id_tokens=True,
        strict_type=True,
    )
    assert policy().algorithms == {"RS256", "ES256"}


@pytest.mark.requirement("R44")
def test_everything_that_is_missing_is_said_at_once() -> None:
    assert problems(AuthConfig()) == ["bridge.auth.issuer", "bridge.auth.audience"]


@pytest.mark.requirement("R44", "R41", "A3")
@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "http://issuer.example"}, "issuer"),
        ({"audience": ()}, "audience"),
        ({"audience": ("a", "")}, "audience"),
        ({"jwks_url": "http://issuer.example/keys"}, "jwksUrl"),
        ({"algorithms": ()}, "algorithms"),
        ({"algorithms": ("RS256", "HS256")}, "algorithms"),
        ({"algorithms": ("none",)}, "algorithms"),
        ({"algorithms": ("rs256",)}, "algorithms"),
        ({"leeway": 61}, "leeway"),
        ({"leeway": -1}, "leeway"),
        ({"leeway": float("nan")}, "leeway"),
    ],
)
def test_an_unsafe_setting_refuses_the_start(
    changes: dict[str, Any], path: str
) -> None:
    assert problems(auth_config(**changes)) == [f"bridge.auth.{path}"]


@pytest.mark.requirement("A43")
@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://issuer.example/keys?a=b", True),
        ("https://issuer.example:8443", True),
        ("http://localhost:8080/keys", True),
        ("http://127.0.0.1/keys", True),
        ("http://[::1]:80/keys", True),
        ("http://issuer.example/keys", False),
        ("http://localhost.evil.example/keys", False),
        ("http://10.0.0.1/keys", False),
        ("https://user@issuer.example/keys", False),
        ("https://issuer.example/keys#x", False),
        ("https://issuer.example:port/keys", False),
        ("https://issuer.example:99999/keys", False),
        ("https://issuer.example/ke ys", False),
        ("https://issuer.example/\nkeys", False),
        ("https://issuer.éxample/keys", False),
        ("https://[::1/keys", False),
        ("https:///keys", False),
        ("https:keys", False),
        ("file:///etc/passwd", False),
        ("ftp://localhost/keys", False),
        ("javascript:alert(1)", False),
        ("issuer.example", False),
        ("", False),
        ("https://issuer.example/" + "k" * 2048, False),
    ],
)
def test_keys_are_fetched_from_https_or_loopback_only(
    url: str, *, allowed: bool
) -> None:
    assert is_fetchable(url) is allowed


def test_plain_http_can_be_forbidden_on_loopback_too() -> None:
    assert not is_fetchable("http://localhost/keys", loopback=False)
    assert is_fetchable("https://localhost/keys", loopback=False)


def test_an_address_on_loopback_is_told_from_the_rest() -> None:
    assert is_on_loopback("http://localhost:1/x")
    assert not is_on_loopback("https://issuer.example")
    assert not is_on_loopback("nonsense")
