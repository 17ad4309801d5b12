"""Whatever is sent as a token is refused, and by nothing but a refusal."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ProtocolError
from bridge.identity.discovery import read_metadata
from bridge.identity.keyset import read_key_set
from bridge.identity.refusal import TokenRefused
from bridge.identity.verifier import verify
from kit.bad_token import EC, RSA
from kit.issuer import ISSUER, NOW, claims, key_set, mint, policy, segment, snapshot

#: Trees and signatures are slow to make, and shared machines stall.
few = settings(max_examples=40, deadline=None)

KEYS = snapshot(RSA, EC)
GOOD = mint(RSA)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=4,
)
IDENTITY = ("iss", "aud", "sub", "client_id", "azp", "scope", "scp")
TIMES = ("exp", "nbf", "iat")
KINDS = ("cnf", "typ", "token_use", "events", "at_hash")
CLAIMS = st.sampled_from([*IDENTITY, *TIMES, *KINDS])
MEMBERS = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "x5c", "zip"])


def judge(token: str) -> bool:
    try:
        verify(token, KEYS, policy=policy(), now=NOW)
    except TokenRefused:
        return False
    return True


@few
@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    assert not judge(text)


@few
@given(st.lists(st.binary(), min_size=3, max_size=3))
def test_any_three_segments_are_refused(parts: list[bytes]) -> None:
    assert not judge(".".join(segment(part) for part in parts))


@few
@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_no_character_of_a_good_token_can_be_changed(place: int, other: str) -> None:
    changed = GOOD[:place] + other + GOOD[place + 1 :]
    assert judge(changed) is (changed == GOOD)


@few
@given(st.dictionaries(MEMBERS, JSON))
def test_any_header_is_judged_without_an_accident(header: dict[str, Any]) -> None:
    judge(mint(EC, header=header))


@few
@given(st.dictionaries(CLAIMS, JSON))
def test_any_signed_claims_are_judged_without_an_accident(
    changes: dict[str, Any],
) -> None:
    accepted = judge(mint(EC, claims(**changes)))
    assert not (accepted and "iss" in changes and changes["iss"] != ISSUER)
    assert not (accepted and "cnf" in changes)


@few
@given(st.dictionaries(st.sampled_from(["kty", "n", "e", "use", "alg", "kid"]), JSON))
def test_any_key_is_read_or_skipped(changes: dict[str, Any]) -> None:
    document = key_set({**RSA.public(), **changes}, EC)
    assert read_key_set(document).keys[-1].kid == "ec-1"


@few
@given(JSON)
def test_any_document_is_read_or_refused(value: object) -> None:
    for document in (value, {"keys": value}, {"issuer": value, "jwks_uri": value}):
        with pytest.raises(ProtocolError):
            read_key_set(json.dumps(document).encode())
        with pytest.raises(ProtocolError):
            read_metadata(json.dumps(document).encode(), ISSUER)
