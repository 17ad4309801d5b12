"""What the table of bad tokens does not cover: keys, policies, scopes, principals."""

import msgspec
import pytest
from joserfc.errors import DecodeError
from joserfc.jws import JWSRegistry

from bridge.contract.principal import Principal
from bridge.errors import ScopeInsufficient
from bridge.identity.compact import read_compact
from bridge.identity.keyset import KeySnapshot
from bridge.identity.refusal import Reason, TokenRefused, UnknownKey
from bridge.identity.verifier import verify
from kit.issuer import (
    ISSUER,
    NOW,
    OMIT,
    Family,
    claims,
    make_key,
    mint,
    policy,
    segment,
    snapshot,
)

RSA = make_key("rsa-1")


def refused(token: str, keys: KeySnapshot, **settings: object) -> Reason:
    with pytest.raises(TokenRefused) as caught:
        verify(token, keys, policy=policy(**settings), now=NOW)
    return caught.value.reason


@pytest.mark.requirement("R41", "A4")
@pytest.mark.parametrize(
    ("family", "algorithm"),
    [
        ("RSA", "RS256"),
        ("RSA", "RS384"),
        ("RSA", "RS512"),
        ("RSA", "PS256"),
        ("RSA", "PS384"),
        ("RSA", "PS512"),
        ("P-256", "ES256"),
        ("P-384", "ES384"),
        ("P-521", "ES512"),
        ("Ed25519", "EdDSA"),
        ("Ed25519", "Ed25519"),
    ],
)
def test_each_configured_algorithm_verifies(family: Family, algorithm: str) -> None:
    key = make_key(f"any-{family}", family)
    keys = KeySnapshot(
        keys=tuple(
            msgspec.structs.replace(k, algorithms=k.algorithms | {algorithm})
            for k in snapshot(key).keys
        )
    )
    token = mint(key, algorithm=algorithm)
    rules = policy(algorithms=(algorithm,))
    assert verify(token, keys, policy=rules, now=NOW).principal.subject == "user-1"
    assert (
        refused(
            token, keys, algorithms=("RS256",) * (algorithm != "RS256") or ("ES256",)
        )
        is Reason.ALGORITHM
    )


@pytest.mark.requirement("R41")
@pytest.mark.parametrize("listed", ["EdDSA", "Ed25519"])
def test_either_name_of_the_edwards_algorithm_allows_both(listed: str) -> None:
    key = make_key("ed", "Ed25519")
    rules = policy(algorithms=(listed,))
    for algorithm in ("EdDSA", "Ed25519"):
        verify(mint(key, algorithm=algorithm), snapshot(key), policy=rules, now=NOW)


@pytest.mark.requirement("A4")
@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS512"])
def test_a_key_for_one_algorithm_verifies_no_other(algorithm: str) -> None:
    token = mint(RSA, algorithm=algorithm)
    reason = refused(token, snapshot(RSA), algorithms=("RS256", algorithm))
    assert reason is Reason.KEY_UNFIT


@pytest.mark.requirement("R43", "A7")
def test_a_token_without_kid_is_accepted_when_exactly_one_key_fits() -> None:
    token = mint(RSA, header={"kid": OMIT})
    keys = snapshot(RSA, make_key("ec-1", "P-256"))
    assert verify(token, keys, policy=policy(), now=NOW).scopes
    assert refused(token, snapshot(RSA, make_key("rsa-2"))) is Reason.KEY_UNFIT
    assert refused(token, snapshot(make_key("ec-1", "P-256"))) is Reason.KEY_UNFIT


@pytest.mark.requirement("R43")
def test_two_keys_of_one_name_and_algorithm_verify_nothing() -> None:
    twin = msgspec.structs.replace(make_key("twin"), kid="rsa-1")
    assert refused(mint(RSA), snapshot(RSA, twin)) is Reason.KEY_UNFIT


@pytest.mark.requirement("A7")
def test_keys_of_one_name_are_told_apart_by_their_type() -> None:
    twin = msgspec.structs.replace(make_key("ec-1", "P-256"), kid="rsa-1")
    keys = snapshot(RSA, twin)
    assert verify(mint(RSA), keys, policy=policy(), now=NOW)
    assert verify(mint(twin), keys, policy=policy(), now=NOW)


@pytest.mark.requirement("A8")
@pytest.mark.parametrize("kid", ["rsa-1", OMIT])
def test_without_keys_every_well_formed_token_asks_for_them(kid: object) -> None:
    token = mint(RSA, header={"kid": kid})
    with pytest.raises(UnknownKey) as unknown:
        verify(token, KeySnapshot(), policy=policy(), now=NOW)
    assert unknown.value.kid == (None if kid is OMIT else kid)


@pytest.mark.requirement("A21", "R29", "D21")
@pytest.mark.parametrize("configured", [ISSUER, f"{ISSUER}/"])
@pytest.mark.parametrize("held", [ISSUER, f"{ISSUER}/"])
def test_one_slash_is_tolerated_until_the_metadata_is_read(
    configured: str, held: str
) -> None:
    token = mint(RSA, claims(iss=held))
    rules = policy(issuer=configured)
    unread = snapshot(RSA, issuer=None)
    assert verify(token, unread, policy=rules, now=NOW).principal.issuer == held
    assert verify(token, snapshot(RSA, issuer=held), policy=rules, now=NOW)
    other = f"{ISSUER}/" if held == ISSUER else ISSUER
    assert refused(token, snapshot(RSA, issuer=other), issuer=configured) is (
        Reason.ISSUER
    )


@pytest.mark.requirement("A21")
@pytest.mark.parametrize("held", [f"{ISSUER}//", f"{ISSUER}/x", f"{ISSUER}/ ", "/", ""])
def test_nothing_but_one_slash_is_tolerated(held: str) -> None:
    token = mint(RSA, claims(iss=held))
    assert refused(token, snapshot(RSA, issuer=None)) is Reason.ISSUER


@pytest.mark.requirement("R30")
def test_any_of_several_configured_audiences_will_do() -> None:
    rules = policy(audience=("one", "two"))
    token = mint(RSA, claims(aud=["three", "two"]))
    assert verify(token, snapshot(RSA), policy=rules, now=NOW)


@pytest.mark.requirement("A24")
def test_strict_mode_takes_only_access_token_types() -> None:
    keys = snapshot(RSA)
    rules = policy(strict_type=True)
    for kind in ("at+jwt", "AT+JWT", "application/at+jwt"):
        assert verify(mint(RSA, header={"typ": kind}), keys, policy=rules, now=NOW)
    for kind in ("JWT", "application/jwt", OMIT):
        token = mint(RSA, header={"typ": kind})
        assert refused(token, keys, strict_type=True) is Reason.TYPE


@pytest.mark.requirement("A23", "R32")
def test_no_leeway_means_none() -> None:
    keys = snapshot(RSA)
    rules = policy(leeway=0)
    assert verify(mint(RSA, claims(exp=NOW + 1)), keys, policy=rules, now=NOW)
    assert refused(mint(RSA, claims(exp=NOW)), keys, leeway=0) is Reason.EXPIRED
    assert refused(mint(RSA, claims(nbf=NOW + 1)), keys, leeway=0) is Reason.NOT_YET


@pytest.mark.requirement("A27")
@pytest.mark.parametrize(
    "held",
    [
        {"scope": "a b c"},
        {"scope": ["a", "b"]},
        {"scope": OMIT, "scp": ["b", "a"]},
        {"scope": OMIT, "scp": "b  a"},
        {"scope": "a", "scp": ["b"]},
    ],
)
def test_scopes_are_understood_in_every_spelling(held: dict[str, object]) -> None:
    token = mint(RSA, claims(**held))
    rules = policy(required_scopes=("a", "b"))
    verified = verify(token, snapshot(RSA), policy=rules, now=NOW)
    assert verified.scopes >= {"a", "b"}


@pytest.mark.requirement("A27", "R38")
@pytest.mark.parametrize(
    "held",
    [
        {"scope": OMIT},
        {"scope": "a"},
        {"scope": "ab a,b A B"},
        {"scope": 1, "scp": None},
        {"scope": ["a", 1, "b"]},
        {"scope": {"a": 1, "b": 1}},
    ],
)
def test_a_missing_scope_names_all_that_are_needed(held: dict[str, object]) -> None:
    token = mint(RSA, claims(**held))
    rules = policy(required_scopes=("a", "b"))
    with pytest.raises(ScopeInsufficient) as insufficient:
        verify(token, snapshot(RSA), policy=rules, now=NOW)
    assert insufficient.value.scopes == ("a", "b")


def test_the_principal_is_issuer_subject_and_client() -> None:
    keys = snapshot(RSA)
    cases = {
        Principal(issuer=ISSUER, subject="user-1", client="client-1"): claims(),
        Principal(issuer=ISSUER, subject="user-1"): claims(client_id=OMIT),
        Principal(issuer=ISSUER, subject="", client="z"): claims(
            sub=OMIT, client_id=OMIT, azp="z"
        ),
        Principal(issuer=ISSUER, subject="user-1", client="c"): claims(
            client_id="c", azp="z", appid="w"
        ),
    }
    for principal, payload in cases.items():
        verified = verify(mint(RSA, payload), keys, policy=policy(), now=NOW)
        assert verified.principal == principal


def test_a_verdict_does_not_print_its_claims() -> None:
    verified = verify(mint(RSA), snapshot(RSA), policy=policy(), now=NOW)
    assert "user-1" not in repr(verified)
    assert verified.claims["sub"] == "user-1"


@pytest.mark.requirement("A3")
def test_a_symmetric_key_in_the_set_is_no_key() -> None:
    good = snapshot(RSA)
    token = f"{segment({'alg': 'HS256', 'kid': 'rsa-1'})}.{segment(claims())}.AAAA"
    assert refused(token, good) is Reason.ALGORITHM


@pytest.mark.requirement("A12")
@pytest.mark.parametrize("error", [ValueError("x"), DecodeError("x")])
def test_trouble_inside_the_cryptography_is_a_bad_signature(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> bool:
        raise error

    monkeypatch.setattr(JWSRegistry.algorithms["RS256"], "verify", fail)
    assert refused(mint(RSA), snapshot(RSA)) is Reason.SIGNATURE


def test_an_unverified_token_does_not_print_its_payload() -> None:
    compact = read_compact(mint(RSA), policy())
    assert repr(compact) == "CompactToken(algorithm='RS256')"
