"""The signed assertion of a client that has a key."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from bridge.errors import RegistrationFailed
from bridge.identity.strict import decode_base64url, decode_object
from bridge.oauth.client_assertion import public_key, sign_assertion, signing_key
from kit import private_keys as keys
from kit.oauth_client import ISSUER, NOW, client, provider, settings, tokens_of_chance


def assertion(listed: tuple[str, ...] | None = None, **changes: Any) -> str:
    return sign_assertion(
        client(auth_method="private_key_jwt"),
        settings(**changes),
        provider=provider(token_endpoint_auth_signing_alg_values_supported=listed),
        now=NOW + 0.7,
        new_token=tokens_of_chance(),
    )


def opened(text: str, key: ECKey | RSAKey | OKPKey) -> jwt.Token:
    """Verified by the library's own reader."""
    return jwt.decode(text, key, algorithms=["ES256", "RS256", "PS256", "Ed25519"])


def test_it_says_who_asks_whom_for_a_minute_and_once() -> None:
    token = opened(
        assertion(private_key=keys.P256_PEM, key_id="k1"),
        ECKey.import_key(keys.P256_PEM),
    )
    assert token.header == {"alg": "ES256", "typ": "JWT", "kid": "k1"}
    assert token.claims == {
        "iss": "bridge",
        "sub": "bridge",
        "aud": ISSUER,  # never an endpoint's address: metadata could lie
        "jti": f"{1:032x}",
        "iat": int(NOW),
        "exp": int(NOW) + 60,
    }


def test_a_key_without_an_id_names_none() -> None:
    token = opened(assertion(private_key=keys.RSA_PEM), RSAKey.import_key(keys.RSA_PEM))
    assert token.header == {"alg": "RS256", "typ": "JWT"}


@pytest.mark.parametrize(
    ("pem", "algorithm"),
    [
        (keys.P256_PEM, "ES256"),
        (keys.P256_OLD_PEM, "ES256"),
        (keys.P384_PEM, "ES384"),
        (keys.P521_PEM, "ES512"),
        (keys.RSA_PEM, "RS256"),
        (keys.ED25519_PEM, "EdDSA"),
    ],
)
def test_the_algorithm_is_that_of_the_key(pem: str, algorithm: str) -> None:
    signing = signing_key(settings(private_key=pem))
    assert signing.algorithms[0] == algorithm
    assert "key" not in repr(signing)


def test_the_algorithm_is_one_the_provider_lists_if_the_key_can_do_it() -> None:
    key = RSAKey.import_key(keys.RSA_PEM)
    listed = assertion(("ES256", "PS256"), private_key=keys.RSA_PEM)
    assert opened(listed, key).header["alg"] == "PS256"
    unfit = assertion(("ES256",), private_key=keys.RSA_PEM)
    assert opened(unfit, key).header["alg"] == "RS256"


def test_an_edwards_key_signs_under_the_name_the_provider_knows() -> None:
    key = OKPKey.import_key(keys.ED25519_PEM)
    new = assertion(("Ed25519",), private_key=keys.ED25519_PEM)
    old = assertion(private_key=keys.ED25519_PEM)
    assert opened(new, key).header["alg"] == "Ed25519"
    signed, _, signature = old.rpartition(".")
    header, _, _ = signed.partition(".")
    assert decode_object(decode_base64url(header))["alg"] == "EdDSA"
    verifies = JWSRegistry.algorithms["Ed25519"].verify
    assert verifies(signed.encode(), decode_base64url(signature), key)


def test_the_configured_algorithm_wins() -> None:
    text = assertion(("RS256",), private_key=keys.RSA_PEM, signing_algorithm="PS256")
    token = opened(text, RSAKey.import_key(keys.RSA_PEM))
    assert token.header["alg"] == "PS256"


def test_an_algorithm_the_key_cannot_do_names_the_setting() -> None:
    chosen = settings(private_key=keys.P256_PEM, signing_algorithm="RS256")
    with pytest.raises(RegistrationFailed) as refused:
        signing_key(chosen)
    assert "oauth.signing_algorithm of server 'wiki'" in refused.value.advice
    assert "ES256" in refused.value.rule


@pytest.mark.parametrize(
    "pem",
    [
        "s3cret-that-is-no-key",
        "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n",
        "/etc/keys/bridge.pem",
        keys.P256_ENCRYPTED_PEM,
        keys.K256_PEM,
        keys.ED448_PEM,
        keys.RSA_SHORT_PEM,
    ],
)
def test_a_key_that_cannot_be_used_names_the_setting_and_shows_nothing_of_it(
    pem: str,
) -> None:
    with pytest.raises(RegistrationFailed) as refused:
        signing_key(settings(private_key=pem))
    error = refused.value
    assert "oauth.private_key of server 'wiki'" in error.advice
    assert "s3cret" not in f"{error} {error.advice} {error.rule} {error.__cause__}"


@pytest.mark.parametrize("key_id", ["", "k1"])
def test_only_the_public_half_of_a_key_is_registered(key_id: str) -> None:
    jwk = public_key(settings(private_key=keys.P256_PEM, key_id=key_id))
    assert jwk.keys() == {"kty", "crv", "x", "y"} | ({"kid"} if key_id else set())
