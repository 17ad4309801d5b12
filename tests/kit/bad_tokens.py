"""Tokens that must open nothing, and tokens that must open (threats A, gate 1).

Every bad token differs from a good one in one respect and names the check that is to
refuse it, so that no token is refused by accident. Here: keys and headers.
"""

import base64
import hmac
import json
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import utils

from bridge.identity.refusal import Reason
from kit.bad_claims import CLAIM_FAMILIES
from kit.bad_shapes import SHAPE_FAMILIES
from kit.bad_token import EC, FOREIGN, RSA, Bad, BadToken, with_header
from kit.issuer import AUDIENCE, NOW, OMIT, claims, make_key, mint, segment

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def bad_tokens() -> list[BadToken]:
    """All of them: distinct, each with a name of its own."""
    families = (
        _algorithms,
        _hmac_with_public_key,
        _key_ids,
        _extensions,
        _types,
        _signatures,
        *SHAPE_FAMILIES,
        *CLAIM_FAMILIES,
    )
    return [bad for family in families for bad in family()]


def good_tokens() -> dict[str, str]:
    """Controls: refusing everything is no guard."""
    plain = {
        "RS256": mint(RSA),
        "ES256": mint(EC),
        "no typ": mint(RSA, header={"typ": OMIT}),
        "no nbf and iat": mint(RSA, claims(nbf=OMIT, iat=OMIT)),
        "fractional times": mint(RSA, claims(exp=NOW + 0.5, nbf=NOW - 0.5)),
        "exp within the leeway": mint(RSA, claims(exp=NOW - 29)),
        "nbf within the leeway": mint(RSA, claims(nbf=NOW + 29)),
        "iat within the leeway": mint(RSA, claims(iat=NOW + 29)),
        "aud in an array": mint(RSA, claims(aud=["other", AUDIENCE])),
        "subject only": mint(RSA, claims(client_id=OMIT)),
        "client only": mint(RSA, claims(sub=OMIT)),
        "azp for client_id": mint(RSA, claims(client_id=OMIT, azp="client-1")),
        "no scope": mint(RSA, claims(scope=OMIT)),
        "unknown header members": mint(
            RSA, header={"x5t": "abc", "jku": "https://evil.example/keys", "new": 1}
        ),
        "many groups (10 kB)": mint(
            RSA, claims(groups=[f"group-{n:06d}" for n in range(700)])
        ),
        "non-ASCII subject": mint(RSA, claims(sub="Zoë 漢字")),
        "escaped member names": mint(
            RSA, json.dumps(claims()).replace('"iss"', '"\\u0069ss"')
        ),
    }
    typed = {
        f"typ {kind}": mint(RSA, header={"typ": kind})
        for kind in ("JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt")
    }
    return plain | typed


def _algorithms() -> Bad:
    nothing = ("none", "None", "NONE", "nOnE", "none ", " none", "", "\u0000none")
    for spelling in nothing:
        yield from with_header(f"alg {spelling!r}", Reason.ALGORITHM, alg=spelling)
        head = segment({"alg": spelling, "kid": RSA.kid})
        yield BadToken(
            f"alg {spelling!r}, no signature",
            f"{head}.{segment(claims())}.",
            Reason.MALFORMED,
        )
        yield BadToken(
            f"alg {spelling!r}, junk signature",
            f"{head}.{segment(claims())}.{segment(b'junk')}",
            Reason.ALGORITHM,
        )
    wrong: tuple[object, ...] = (
        *(None, 0, 1, 256, True, False, 1.5, [], {}, ["RS256"], {"alg": "RS256"}),
        *("rs256", "Rs256", "RS256 ", " RS256", "RS256\n", "RS256\u0000", "RS-256"),
        *(
            "RSA",
            "SHA256withRSA",
            "RS1",
            "RS257",
            "\uff32\uff33\uff12\uff15\uff16",
            "unknown",
            "*",
        ),
        *("ES256K", "ES256 ", "es256", "Ed448", "ED25519", "eddsa"),
        *("RSA-OAEP", "RSA-OAEP-256", "RSA1_5", "dir", "A128KW", "A256GCMKW"),
        *("ECDH-ES", "ECDH-ES+A128KW", "PBES2-HS256+A128KW", "A128CBC-HS256"),
        *("HS256", "HS384", "HS512", "hs256", "HS1"),
        *("RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "EdDSA"),
        "Ed25519",
    )
    for value in wrong:
        yield from with_header(f"alg is {value!r}", Reason.ALGORITHM, alg=value)
    yield from with_header("alg is missing", Reason.ALGORITHM, alg=OMIT)
    yield from with_header("ES256 over an RSA key", Reason.KEY_UNFIT, alg="ES256")
    yield from with_header(
        "RS256 over an EC key", Reason.KEY_UNFIT, key=EC, alg="RS256"
    )


def _hmac_with_public_key() -> Bad:
    public = RSA.key.as_dict(private=False)
    modulus = base64.urlsafe_b64decode(public["n"] + "==")
    secrets: Mapping[str, bytes] = {
        "PEM": RSA.key.as_pem(private=False),
        "PEM stripped": RSA.key.as_pem(private=False).strip(),
        "DER": RSA.key.as_der(private=False),
        "JWK": json.dumps(public).encode(),
        "JWK compact": json.dumps(public, separators=(",", ":")).encode(),
        "modulus": modulus,
        "modulus text": str(public["n"]).encode(),
        "kid": RSA.kid.encode(),
        "empty": b"",
    }
    for form, secret in secrets.items():
        for bits in (256, 384, 512):
            head = segment({"alg": f"HS{bits}", "kid": RSA.kid})
            signed = f"{head}.{segment(claims())}"
            tag = hmac.new(secret, signed.encode(), f"sha{bits}").digest()
            yield BadToken(
                f"HS{bits} with {form}", f"{signed}.{segment(tag)}", Reason.ALGORITHM
            )


def _key_ids() -> Bad:
    unknown = (
        *("", " ", "unknown", "RSA-1", "rsa-1 ", " rsa-1", "rsa-1\u0000", "rsa-1\n"),
        *("../../../../dev/null", "..\\..\\windows", "/etc/passwd", "file:///etc/x"),
        *("' OR '1'='1", "rsa-1'; DROP TABLE keys;--", "$(id)", "`id`", "%s%n", "{0}"),
        *("https://evil.example/key", "http://169.254.169.254/", "\u202ersa-1", "💣"),
        *("rsa-1,ec-1", "*", "null", "0", "%72sa-1", "../rsa-1", "${jndi:ldap://x}"),
        "k" * 512,
    )
    for kid in unknown:
        yield from with_header(f"kid {kid[:40]!r}", Reason.UNKNOWN_KEY, kid=kid)
    wrong: tuple[object, ...] = (None, 1, 0, True, 1.5, [], ["rsa-1"], {"kid": "rsa-1"})
    for value in wrong:
        yield from with_header(f"kid is {value!r}", Reason.KEY_ID, kid=value)
    yield from with_header("kid of 6 kB", Reason.KEY_ID, kid="k" * 6000)
    yield from with_header("kid of 513", Reason.KEY_ID, kid="k" * 513)


def _extensions() -> Bad:
    crits: tuple[object, ...] = (["exp"], ["b64"], ["x"], [], "exp", None, {}, 1, True)
    for crit in crits:
        yield from with_header(f"crit {crit!r}", Reason.EXTENSION, crit=crit)
    yield from with_header("crit and b64", Reason.EXTENSION, crit=["b64"], b64=False)
    for value in (False, True, None):
        yield from with_header(f"b64 {value}", Reason.EXTENSION, b64=value)
    for value in ("DEF", "GZIP", None):
        yield from with_header(f"zip {value}", Reason.EXTENSION, zip=value)
    yield from with_header("enc", Reason.EXTENSION, enc="A128GCM")


def _types() -> Bad:
    kinds: tuple[object, ...] = (
        *("logout+jwt", "dpop+jwt", "secevent+jwt", "id+jwt", "ID", "JWE", "JOSE"),
        *("JOSE+JSON", "oauth-authz-req+jwt", "token-introspection+jwt", "kb+jwt"),
        *("application/logout+jwt", "at+jwt ", " JWT", "JWT\u0000", "", "text/plain"),
        *(
            "vc+sd-jwt",
            "entity-statement+jwt",
            "client-authentication+jwt",
            "\uff2aWT",
        ),
        *(None, 1, True, [], ["JWT"], {"typ": "JWT"}),
    )
    for kind in kinds:
        yield from with_header(f"typ {kind!r}", Reason.TYPE, typ=kind)


def _signatures() -> Bad:
    for key in (RSA, EC):
        good = mint(key)
        signed, _, _ = good.rpartition(".")
        right = key.sign(signed.encode(), key.algorithm)
        yield from _forgeries(key.algorithm, signed, right)
        foreign = FOREIGN if key is RSA else make_key("foreign-ec", "P-256")
        yield BadToken(
            f"{key.algorithm} by another key",
            mint(foreign, header={"kid": key.kid}),
            Reason.SIGNATURE,
        )
        yield BadToken(
            f"{key.algorithm} with its own jwk",
            mint(foreign, header={"kid": key.kid, "jwk": foreign.public()}),
            Reason.SIGNATURE,
        )
    for member, value in _key_hints().items():
        token = mint(FOREIGN, header={"kid": RSA.kid, member: value})
        yield BadToken(f"signed by the {member} it brings", token, Reason.SIGNATURE)
    yield from _tampered()
    yield from _psychic()


def _key_hints() -> dict[str, object]:
    chain = [base64.b64encode(FOREIGN.key.as_der(private=False)).decode()]
    return {
        "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/cert",
        "x5c": chain,
        "x5t": segment(b"0" * 20),
        "x5t#S256": segment(b"0" * 32),
    }


def _forgeries(algorithm: str, signed: str, right: bytes) -> Bad:
    half = len(right) // 2
    forged = {
        "first bit": bytes([right[0] ^ 0x80]) + right[1:],
        "last bit": right[:-1] + bytes([right[-1] ^ 1]),
        "zeros": bytes(len(right)),
        "ones": b"\xff" * len(right),
        "reversed": right[::-1],
        "halves swapped": right[half:] + right[:half],
        "first half twice": right[:half] * 2,
        "truncated": right[:-1],
        "half": right[:half],
        "one byte": right[:1],
        "longer": right + b"\x00",
        "led by zero": b"\x00" + right,
        "twice": right * 2,
        "of 9 kB": right + bytes(9000),
    }
    for name, signature in forged.items():
        token = f"{signed}.{segment(signature)}"
        yield BadToken(f"{algorithm} signature {name}", token, Reason.SIGNATURE)


def _tampered() -> Bad:
    head, _, tail = mint(RSA).split(".")
    for name, value in {"sub": "admin", "scope": "all", "exp": NOW + 9e6}.items():
        token = f"{head}.{segment(claims(**{name: value}))}.{tail}"
        yield BadToken(f"{name} changed after signing", token, Reason.SIGNATURE)
    _, body, tail = mint(RSA).split(".")
    token = f"{segment({'alg': 'RS256', 'kid': RSA.kid})}.{body}.{tail}"
    yield BadToken("header changed after signing", token, Reason.SIGNATURE)
    ec_body, ec_tail = mint(EC).split(".")[1:]
    token = f"{segment({'alg': 'RS256', 'kid': RSA.kid})}.{ec_body}.{ec_tail}"
    yield BadToken("another key's signature", token, Reason.SIGNATURE)


def _psychic() -> Bad:
    signed, _, _ = mint(EC).rpartition(".")
    numbers = {"0": 0, "1": 1, "n": P256_ORDER, "n-1": P256_ORDER - 1}
    for r_name, r in numbers.items():
        for s_name, s in numbers.items():
            signature = r.to_bytes(32) + s.to_bytes(32)
            token = f"{signed}.{segment(signature)}"
            yield BadToken(f"ES256 r={r_name} s={s_name}", token, Reason.SIGNATURE)
    right = EC.sign(signed.encode(), "ES256")
    r, s = int.from_bytes(right[:32]), int.from_bytes(right[32:])
    der = utils.encode_dss_signature(r, s)
    yield BadToken("ES256 as DER", f"{signed}.{segment(der)}", Reason.SIGNATURE)
