"""Where keys are looked for, and which metadata is believed."""

import json

import pytest

from bridge.errors import ProtocolError
from bridge.identity.discovery import (
    Metadata,
    guessed_key_url,
    metadata_urls,
    read_metadata,
)
from bridge.identity.keyset import MAX_DOCUMENT
from kit.issuer import ISSUER

LOCAL = "http://localhost:8080/realms/a"


def document(**changes: object) -> bytes:
    usual = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", "other": [1]}
    return json.dumps({**usual, **changes}).encode()


@pytest.mark.requirement("R33", "D18")
@pytest.mark.parametrize("slash", ["", "/"])
def test_discovery_tries_openid_and_then_rfc_8414(slash: str) -> None:
    assert metadata_urls(f"https://h.example/realms/a{slash}") == (
        "https://h.example/realms/a/.well-known/openid-configuration",
        "https://h.example/.well-known/oauth-authorization-server/realms/a",
    )
    assert guessed_key_url(f"https://h.example/realms/a{slash}") == (
        "https://h.example/realms/a/.well-known/jwks.json"
    )


@pytest.mark.requirement("R29")
@pytest.mark.parametrize("exact", [ISSUER, f"{ISSUER}/"])
@pytest.mark.parametrize("configured", [ISSUER, f"{ISSUER}/"])
def test_the_exact_issuer_is_learnt(exact: str, configured: str) -> None:
    metadata = read_metadata(document(issuer=exact), configured)
    assert metadata == Metadata(issuer=exact, jwks_uri=f"{ISSUER}/keys")


@pytest.mark.requirement("A43", "A21")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        document(issuer=None),
        document(issuer="https://evil.example"),
        document(issuer=f"{ISSUER}//"),
        document(issuer=ISSUER.upper()),
        document(jwks_uri=None),
        document(jwks_uri=""),
        document(jwks_uri="/keys"),
        document(jwks_uri="http://issuer.example/keys"),
        document(jwks_uri="http://127.0.0.1/keys"),
        document(jwks_uri="http://169.254.169.254/keys"),
        document(jwks_uri="file:///etc/passwd"),
        document(padding="x" * MAX_DOCUMENT),
    ],
)
def test_metadata_that_is_not_the_issuers_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_metadata(body, ISSUER)


def test_a_local_issuer_may_keep_its_keys_at_plain_http_here() -> None:
    keys = "http://127.0.0.1:8080/keys"
    body = document(issuer=LOCAL, jwks_uri=keys)
    assert read_metadata(body, LOCAL).jwks_uri == keys
