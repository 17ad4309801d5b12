"""Forwarded headers are believed from configured peers only (R155)."""

import pytest

from bridge.downstream.forwarded import Seen, TrustedProxies
from bridge.errors import ConfigError

PROXY = "10.0.0.7"
HOST = ("host", "inner:8080")


def seen(peer: str, *headers: tuple[str, str], trusted: str = "10.0.0.0/8") -> Seen:
    proxies = TrustedProxies([trusted, "::1"])
    return proxies.see(peer=peer, scheme="http", headers=(HOST, *headers))


FORWARDED = (
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "bridge.example"),
)


def test_a_trusted_proxy_is_believed() -> None:
    assert seen(PROXY, *FORWARDED) == Seen(
        peer="203.0.113.9", scheme="https", hosts=("bridge.example",)
    )
    for peer in ("::1", "::ffff:10.0.0.7"):
        assert seen(peer, *FORWARDED).peer == "203.0.113.9"


@pytest.mark.parametrize("peer", ["203.0.113.1", "11.0.0.7", "", "unix", "fd00::1"])
def test_anybody_else_is_not(peer: str) -> None:
    assert seen(peer, *FORWARDED) == Seen(
        peer=peer, scheme="http", hosts=("inner:8080",)
    )


def test_only_what_our_own_proxy_added_counts() -> None:
    spoofed = "1.1.1.1, 203.0.113.9, 10.0.0.8"
    assert seen(PROXY, ("x-forwarded-for", spoofed)).peer == "203.0.113.9"
    two = (("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9"))
    assert seen(PROXY, *two).peer == "203.0.113.9"
    assert seen(PROXY, ("x-forwarded-proto", "http, https")).scheme == "https"
    assert seen(PROXY, ("x-forwarded-host", "evil, good")).hosts == ("good",)


def test_what_makes_no_sense_is_left_unused() -> None:
    plain = Seen(peer=PROXY, scheme="http", hosts=("inner:8080",))
    assert seen(PROXY) == plain
    assert seen(PROXY, ("x-forwarded-for", "evil, <script>")) == plain
    assert seen(PROXY, ("x-forwarded-for", "10.0.0.8")) == plain
    assert seen(PROXY, ("x-forwarded-proto", "javascript")) == plain
    doubled = ("x-forwarded-host", "a.example"), ("x-forwarded-host", "b.example")
    assert seen(PROXY, *doubled) == plain


def test_without_configured_proxies_nobody_is_trusted() -> None:
    proxies = TrustedProxies([])
    assert not proxies.trusts("127.0.0.1")


def test_all_hosts_are_kept_for_the_check() -> None:
    assert seen("1.2.3.4", HOST).hosts == ("inner:8080", "inner:8080")


def test_a_wrong_network_is_named() -> None:
    with pytest.raises(ConfigError) as wrong:
        TrustedProxies(["10.0.0.0/99"])
    assert wrong.value.problems[0].path == "bridge.trustedProxies"
