"""Remembered verdicts: no longer than the token, the keys, and a minute."""

import pytest

from bridge.identity.claims import Verified
from bridge.identity.verified import MAX_AGE, VerifiedTokens
from bridge.identity.verifier import verify
from kit.issuer import NOW, claims, make_key, mint, policy, snapshot

KEY = make_key("rsa-1")
KEYS = snapshot(KEY)
TOKEN = mint(KEY)


def verdict(token: str = TOKEN) -> Verified:
    return verify(token, KEYS, policy=policy(), now=NOW)


def test_a_kept_verdict_is_found_again() -> None:
    tokens = VerifiedTokens()
    assert tokens.find(TOKEN, KEYS, now=NOW) is None
    kept = verdict()
    tokens.keep(TOKEN, kept, keys=KEYS, now=NOW)
    assert tokens.find(TOKEN, KEYS, now=NOW) is kept
    assert tokens.find(TOKEN + "x", KEYS, now=NOW) is None


@pytest.mark.requirement("A40")
def test_a_new_key_set_forgets_every_verdict() -> None:
    tokens = VerifiedTokens()
    tokens.keep(TOKEN, verdict(), keys=KEYS, now=NOW)
    renewed = snapshot(KEY)
    assert tokens.find(TOKEN, renewed, now=NOW) is None
    tokens.keep("other", verdict(), keys=renewed, now=NOW)
    assert len(tokens) == 1


@pytest.mark.requirement("A23")
def test_a_verdict_dies_with_its_token_and_after_a_minute() -> None:
    short = mint(KEY, claims(exp=NOW + 10))
    tokens = VerifiedTokens()
    tokens.keep(short, verdict(short), keys=KEYS, now=NOW)
    tokens.keep(TOKEN, verdict(), keys=KEYS, now=NOW)
    assert tokens.find(short, KEYS, now=NOW + 9.9)
    assert tokens.find(short, KEYS, now=NOW + 10) is None
    assert tokens.find(TOKEN, KEYS, now=NOW + MAX_AGE - 0.1)
    assert tokens.find(TOKEN, KEYS, now=NOW + MAX_AGE) is None
    assert len(tokens) == 0


@pytest.mark.requirement("A23")
def test_a_clock_set_back_forgets_the_verdict() -> None:
    tokens = VerifiedTokens()
    tokens.keep(TOKEN, verdict(), keys=KEYS, now=NOW)
    assert tokens.find(TOKEN, KEYS, now=NOW - 86400) is None


def test_the_least_recently_used_verdict_goes_first() -> None:
    tokens = VerifiedTokens(capacity=2)
    for name in ("a", "b"):
        tokens.keep(name, verdict(), keys=KEYS, now=NOW)
    tokens.find("a", KEYS, now=NOW)
    tokens.keep("c", verdict(), keys=KEYS, now=NOW)
    assert len(tokens) == 2
    assert tokens.find("a", KEYS, now=NOW)
    assert tokens.find("b", KEYS, now=NOW) is None
