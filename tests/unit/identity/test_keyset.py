"""Which published keys are usable, and for what."""

import json

import pytest

from bridge.errors import ProtocolError
from bridge.identity.keyset import MAX_DOCUMENT, MAX_KEYS, read_key_set
from kit.issuer import OMIT, key_set, make_key, segment

RSA = make_key("rsa-1")
EC = make_key("ec-1", "P-256")
ED = make_key("ed-1", "Ed25519")

ALL_RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


@pytest.mark.requirement("A4", "R41")
def test_a_key_says_what_it_may_verify() -> None:
    keys = read_key_set(
        key_set(
            RSA,
            RSA.public(kid="any", alg=OMIT, use=OMIT),
            RSA.public(kid="ps", alg="PS384"),
            RSA.public(kid="ops", use=OMIT, key_ops=["verify", "sign"]),
            EC,
            make_key("p384", "P-384"),
            make_key("p521", "P-521"),
            ED,
            ED.public(kid="ed-2", alg="Ed25519"),
        )
    ).keys
    assert {key.kid: set(key.algorithms) for key in keys} == {
        "rsa-1": {"RS256"},
        "any": ALL_RSA,
        "ps": {"PS384"},
        "ops": {"RS256"},
        "ec-1": {"ES256"},
        "p384": {"ES384"},
        "p521": {"ES512"},
        "ed-1": {"EdDSA", "Ed25519"},
        "ed-2": {"EdDSA", "Ed25519"},
    }


UNUSABLE: dict[str, object] = {
    "encryption key": RSA.public(use="enc"),
    "other use": RSA.public(use="tls"),
    "use is no text": RSA.public(use=["sig"]),
    "key_ops without verify": RSA.public(key_ops=["encrypt"]),
    "key_ops empty": RSA.public(key_ops=[]),
    "key_ops is text": RSA.public(key_ops="verify"),
    "alg of encryption": RSA.public(alg="RSA-OAEP"),
    "alg of another type": RSA.public(alg="ES256"),
    "alg of another curve": EC.public(alg="ES384"),
    "alg HS256": RSA.public(alg="HS256"),
    "alg none": RSA.public(alg="none"),
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "kid": "rsa-1", "alg": "HS256"},
    "symmetric named RS256": {"kty": "oct", "k": "c2VjcmV0", "alg": "RS256"},
    "unknown type": {"kty": "AKP", "kid": "x"},
    "type in lower case": RSA.public(kty="rsa"),
    "no type": RSA.public(kty=OMIT),
    "private key": {**RSA.public(), "d": RSA.key.as_dict(private=True)["d"]},
    "RSA of 1024 bits": RSA.public(n=segment(b"\xff" * 128)),
    "RSA of 2047 bits": RSA.public(n=segment(b"\x7f" + b"\xff" * 255)),
    "RSA of 16384 bits": RSA.public(n="_" * 2731),
    "RSA without n": RSA.public(n=OMIT),
    "RSA with padding": RSA.public(n=str(RSA.public()["n"]) + "=="),
    "RSA with huge e": RSA.public(e="_" * 342),
    "RSA with e of 5 octets": RSA.public(e="AQAAAAE"),
    "RSA with e of 1": RSA.public(e="AQ"),
    "RSA with even e": RSA.public(e="Ag"),
    "RSA without e": RSA.public(e=OMIT),
    "EC off the curve": EC.public(y="A" * 43),
    "EC of another curve": EC.public(crv="secp256k1"),
    "EC with P-384 claimed": EC.public(crv="P-384", alg=OMIT),
    "EC without y": EC.public(y=OMIT),
    "X25519": ED.public(crv="X25519"),
    "Ed448": ED.public(crv="Ed448"),
    "Ed25519 too short": ED.public(x="AAAA"),
    "kid is a number": RSA.public(kid=1),
    "a text": "key",
    "null": None,
    "a list": [],
}


@pytest.mark.requirement("A4", "A3")
@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_key_alone_is_no_key_set(name: str) -> None:
    with pytest.raises(ProtocolError, match="no usable key"):
        read_key_set(json.dumps({"keys": [UNUSABLE[name]]}).encode())


@pytest.mark.requirement("A42")
def test_unusable_keys_among_good_ones_are_skipped() -> None:
    document = json.dumps({"keys": [*UNUSABLE.values(), RSA.public()]}).encode()
    read = read_key_set(document)
    assert [key.kid for key in read.keys] == ["rsa-1"]
    assert read.skipped == len(UNUSABLE)


@pytest.mark.requirement("A42", "A43", "A41")
@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":null}',
        b'{"keys":[]}',
        b"<html>Service unavailable</html>",
        key_set(RSA)[:-40],
        key_set(RSA) + b"x",
        b'{"keys":[],"keys":[' + json.dumps(RSA.public()).encode() + b"]}",
        b"\xff\xfe",
        b"[" * 100_000,
        key_set(*[RSA] * (MAX_KEYS + 1)),
        key_set(RSA) + b" " * MAX_DOCUMENT,
    ],
)
def test_a_broken_document_is_refused_whole(document: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_key_set(document)


def test_many_keys_within_the_limit_are_read() -> None:
    assert len(read_key_set(key_set(*[EC] * MAX_KEYS)).keys) == MAX_KEYS
