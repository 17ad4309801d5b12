"""Tokens that must open nothing, and tokens that must open (threats A, gate 1).

Every bad token differs from a good one in one respect and names the check that is to
refuse it, so that no token is refused by accident.
"""

import base64
import hashlib
import hmac
import json
import string
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import utils

from bridge.identity.refusal import Reason

from kit.issuer import (
    AUDIENCE,
    ISSUER,
    NOW,
    OMIT,
    SigningKey,
    claims,
    make_key,
    mint,
    segment,
)

RSA = make_key("rsa-1")
EC = make_key("ec-1", "P-256")
#: Never published: what an attacker signs with.
FOREIGN = make_key("foreign")

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class BadToken(msgspec.Struct, frozen=True):
    """A token, and why it is refused."""

    name: str
    token: str
    reason: Reason


Bad = Iterator[BadToken]


def bad_tokens() -> list[BadToken]:
    """All of them: distinct, each with a name of its own."""
    families = (
        _algorithms,
        _hmac_with_public_key,
        _key_ids,
        _extensions,
        _types,
        _signatures,
        _structures,
        _spellings,
        _json,
        _issuers,
        _audiences,
        _times,
        _kinds,
        _identities,
        _sizes,
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


def _header(
    name: str, reason: Reason, *, key: SigningKey = RSA, **members: object
) -> Bad:
    yield BadToken(name, mint(key, header=members), reason)


def _claim(name: str, reason: Reason, **changes: object) -> Bad:
    yield BadToken(name, mint(RSA, claims(**changes)), reason)


def _raw(name: str, reason: Reason, *, header: str = "", payload: str = "") -> Bad:
    head = header or json.dumps({"alg": "RS256", "kid": RSA.kid})
    body = payload or json.dumps(claims())
    yield BadToken(name, mint(RSA, body, header=head.encode()), reason)


def _algorithms() -> Bad:
    nothing = ("none", "None", "NONE", "nOnE", "none ", " none", "", "\u0000none")
    for spelling in nothing:
        yield from _header(f"alg {spelling!r}", Reason.ALGORITHM, alg=spelling)
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
        *("RSA", "SHA256withRSA", "RS1", "RS257", "ＲＳ２５６", "unknown", "*"),
        *("ES256K", "ES256 ", "es256", "Ed448", "ED25519", "eddsa"),
        *("RSA-OAEP", "RSA-OAEP-256", "RSA1_5", "dir", "A128KW", "A256GCMKW"),
        *("ECDH-ES", "ECDH-ES+A128KW", "PBES2-HS256+A128KW", "A128CBC-HS256"),
        *("HS256", "HS384", "HS512", "hs256", "HS1"),
        *("RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "EdDSA"),
        "Ed25519",
    )
    for value in wrong:
        yield from _header(f"alg is {value!r}", Reason.ALGORITHM, alg=value)
    yield from _header("alg is missing", Reason.ALGORITHM, alg=OMIT)
    yield from _header("ES256 over an RSA key", Reason.KEY_UNFIT, alg="ES256")
    yield from _header("RS256 over an EC key", Reason.KEY_UNFIT, key=EC, alg="RS256")


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
        yield from _header(f"kid {kid[:40]!r}", Reason.UNKNOWN_KEY, kid=kid)
    wrong: tuple[object, ...] = (None, 1, 0, True, 1.5, [], ["rsa-1"], {"kid": "rsa-1"})
    for value in wrong:
        yield from _header(f"kid is {value!r}", Reason.KEY_ID, kid=value)
    yield from _header("kid of 6 kB", Reason.KEY_ID, kid="k" * 6000)
    yield from _header("kid of 513", Reason.KEY_ID, kid="k" * 513)


def _extensions() -> Bad:
    crits: tuple[object, ...] = (["exp"], ["b64"], ["x"], [], "exp", None, {}, 1, True)
    for crit in crits:
        yield from _header(f"crit {crit!r}", Reason.EXTENSION, crit=crit)
    yield from _header("crit and b64", Reason.EXTENSION, crit=["b64"], b64=False)
    for value in (False, True, None):
        yield from _header(f"b64 {value}", Reason.EXTENSION, b64=value)
    for value in ("DEF", "GZIP", None):
        yield from _header(f"zip {value}", Reason.EXTENSION, zip=value)
    yield from _header("enc", Reason.EXTENSION, enc="A128GCM")


def _types() -> Bad:
    kinds: tuple[object, ...] = (
        *("logout+jwt", "dpop+jwt", "secevent+jwt", "id+jwt", "ID", "JWE", "JOSE"),
        *("JOSE+JSON", "oauth-authz-req+jwt", "token-introspection+jwt", "kb+jwt"),
        *("application/logout+jwt", "at+jwt ", " JWT", "JWT\u0000", "", "text/plain"),
        *("vc+sd-jwt", "entity-statement+jwt", "client-authentication+jwt", "ＪＷＴ"),
        *(None, 1, True, [], ["JWT"], {"typ": "JWT"}),
    )
    for kind in kinds:
        yield from _header(f"typ {kind!r}", Reason.TYPE, typ=kind)


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


def _structures() -> Bad:
    head, body, tail = mint(RSA).split(".")
    shapes = {
        "empty": "",
        "dots": "..",
        "three dots": "...",
        "header only": head,
        "two segments": f"{head}.{body}",
        "four segments": f"{head}.{body}.{tail}.{tail}",
        "five segments (JWE)": f"{head}.{body}.{tail}.{tail}.{tail}",
        "no header": f".{body}.{tail}",
        "no payload": f"{head}..{tail}",
        "no signature": f"{head}.{body}.",
        "leading dot": f".{head}.{body}.{tail}",
        "trailing dot": f"{head}.{body}.{tail}.",
        "commas": f"{head},{body},{tail}",
        "flattened JSON": json.dumps(
            {"protected": head, "payload": body, "signature": tail}
        ),
        "general JSON": json.dumps(
            {"payload": body, "signatures": [{"protected": head, "signature": tail}]}
        ),
        "two tokens": f"{head}.{body}.{tail},{head}.{body}.{tail}",
        "quoted": f'"{head}.{body}.{tail}"',
        "words": "not a token",
        "bearer twice": f"Bearer {head}.{body}.{tail}",
        "no letters": "\u0000\u0001",
        "opaque": "ya29.a0AfH6SMBx",
        "segments swapped": f"{body}.{head}.{tail}",
    }
    for name, token in shapes.items():
        reason = Reason.ALGORITHM if name == "segments swapped" else Reason.MALFORMED
        yield BadToken(name, token, reason)
    yield from _raw("nested token", Reason.CLAIMS, payload=mint(RSA))


def _spellings() -> Bad:
    """One token must have one spelling."""
    head, body, tail = mint(RSA).split(".")
    for junk in (
        " ",
        "\t",
        "\n",
        "\r\n",
        "=",
        "==",
        "+",
        "/",
        "%3D",
        "\u0000",
        "é",
        "*",
    ):
        for place in range(3):
            parts = [head, body, tail]
            parts[place] += junk
            name = f"{junk!r} after segment {place}"
            yield BadToken(name, ".".join(parts), Reason.MALFORMED)
    yield BadToken("blank in front", f" {head}.{body}.{tail}", Reason.MALFORMED)
    yield BadToken(
        "blank inside", f"{head}.{body[:9]} {body[9:]}.{tail}", Reason.MALFORMED
    )
    yield BadToken("unused bits set", _loose_bits(head, body, tail), Reason.MALFORMED)
    yield BadToken("impossible length", f"{head}.{body}.{tail}AAA", Reason.MALFORMED)


def _loose_bits(head: str, body: str, tail: str) -> str:
    """256 octets leave four unused bits in the last character: set one."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    last = alphabet[alphabet.index(tail[-1]) + 1]
    return f"{head}.{body}.{tail[:-1]}{last}"


def _json() -> Bad:
    usual = f'"alg":"RS256","kid":"{RSA.kid}"'
    headers = {
        "null": "null",
        "array": "[]",
        "text": '"RS256"',
        "number": "1",
        "blank": " ",
        "cut": '{"alg":"RS256"',
        "trailing": "{" + usual + "} x",
        "two objects": "{" + usual + "}{}",
        "comment": "{" + usual + "/**/}",
        "single quotes": "{'alg':'RS256'}",
        "NaN": "{" + usual + ',"x":NaN}',
        "BOM": "\ufeff{" + usual + "}",
        "doubled alg": '{"alg":"none",' + usual + "}",
        "doubled kid": '{"kid":"x",' + usual + "}",
        "doubled inside": "{" + usual + ',"x":{"a":1,"a":2}}',
        "doubled by escape": '{"\\u0061lg":"none",' + usual + "}",
        "deep": "{" + usual + ',"x":' + "[" * 2900 + "]" * 2900 + "}",
        "huge number": "{" + usual + ',"x":' + "9" * 5000 + "}",
        "lone surrogate": "{" + usual + ',"x":"\\ud800"}',
    }
    for name, text in headers.items():
        yield from _raw(f"header: {name}", Reason.HEADER, header=text)
    inside = json.dumps(claims())[1:-1]
    payloads = {
        "null": "null",
        "array": "[" + "{" + inside + "}" + "]",
        "text": '"iss"',
        "number": "12",
        "true": "true",
        "cut": "{" + inside,
        "trailing": "{" + inside + "}]",
        "doubled iss": '{"iss":"https://evil.example",' + inside + "}",
        "doubled exp": '{"exp":1,' + inside + "}",
        "doubled aud after": "{" + inside + ',"aud":"other"}',
        "doubled inside": "{" + inside + ',"x":[{"a":1,"a":1}]}',
        "NaN": "{" + inside + ',"x":NaN}',
        "Infinity": "{" + inside + ',"x":-Infinity}',
        "deep arrays": "{" + inside + ',"x":' + "[" * 20_000 + "]" * 20_000 + "}",
        "deep objects": "{" + inside + ',"x":' + '{"a":' * 5000 + "1" + "}" * 5001,
        "huge number": "{" + inside + ',"x":' + "9" * 6000 + "}",
        "lone surrogate": "{" + inside + ',"x":"\\udc00"}',
        "control character": "{" + inside + ',"x":"\u0001"}',
    }
    for name, text in payloads.items():
        yield from _raw(f"payload: {name}", Reason.CLAIMS, payload=text)
    for name, octets in {
        "latin-1": b'{"a":"\xff"}',
        "UTF-16": "{}".encode("utf-16"),
    }.items():
        yield BadToken(f"header: {name}", mint(RSA, header=octets), Reason.HEADER)
        yield BadToken(f"payload: {name}", mint(RSA, octets), Reason.CLAIMS)


def _issuers() -> Bad:
    values: tuple[object, ...] = (
        *(OMIT, None, "", 1, True, [], [ISSUER], {"iss": ISSUER}),
        *(ISSUER + "/", ISSUER + "//", ISSUER + "/.", ISSUER + "?", ISSUER + "#"),
        *(ISSUER + " ", " " + ISSUER, ISSUER + "\n", ISSUER + "\u0000", ISSUER[:-1]),
        *(ISSUER.upper(), "HTTPS://issuer.example", "https://Issuer.example"),
        *("http://issuer.example", "//issuer.example", "issuer.example", "https:/"),
        *("https://issuer.example.evil.example", "https://issuer.example@evil.example"),
        *("https://evil.example/https://issuer.example", "https://issuer.example:443"),
        *("https://user@issuer.example", "https://issuer%2Eexample", "https://evil"),
        *("https://issuer.example/realms/other", "https://xn--issuer-exampl.example"),
        *(f"{ISSUER},https://evil.example", "*", "https://ｉssuer.example"),
    )
    for value in values:
        yield from _claim(f"iss {_show(value)}", Reason.ISSUER, iss=value)


def _audiences() -> Bad:
    values: tuple[object, ...] = (
        *(OMIT, None, "", 0, 1, True, {}, {AUDIENCE: True}, {"aud": AUDIENCE}),
        *([], [None], [""], ["other"], [[AUDIENCE]], [{"aud": AUDIENCE}]),
        *([AUDIENCE, 1], [AUDIENCE, None], [None, AUDIENCE], [AUDIENCE, [AUDIENCE]]),
        *("faxbot", "faxbot-mcp-2", "xfaxbot-mcp", "faxbot-mc", "*", ".*", "%"),
        *("FAXBOT-MCP", "Faxbot-mcp", "faxbot-mcp ", " faxbot-mcp", "faxbot-mcp\u0000"),
        *("other,faxbot-mcp", "faxbot-mcp,other", "other faxbot-mcp", "faxbot‑mcp"),
        *(["*"], ["faxbot-mcp "], ["FAXBOT-MCP"], ["faxbot-mcp,other"]),
    )
    for value in values:
        yield from _claim(f"aud {_show(value)}", Reason.AUDIENCE, aud=value)


def _times() -> Bad:
    soon = int(NOW) + 600
    wrong: tuple[object, ...] = (
        *(None, True, False, "", str(soon), "never", [], [soon], {}, {"exp": soon}),
        *(-1, -1e9, 10**300, 10**20, 1e300, 253_402_300_800, -(10**400)),
    )
    for claim in ("exp", "nbf", "iat"):
        for value in wrong:
            yield from _claim(f"{claim} {_show(value)}", Reason.TIME, **{claim: value})
        text = json.dumps(claims(**{claim: "HERE"})).replace('"HERE"', "1e400")
        yield from _raw(f"{claim} 1e400", Reason.CLAIMS, payload=text)
    yield from _claim("exp missing", Reason.TIME, exp=OMIT)
    for value in (0, 1, int(NOW) - 31, NOW - 30, NOW - 3600, NOW - 86400):
        yield from _claim(f"exp {value}", Reason.EXPIRED, exp=value)
    for value in (NOW + 31, NOW + 3600, NOW + 86400 * 365):
        yield from _claim(f"nbf {value}", Reason.NOT_YET, nbf=value)
        yield from _claim(f"iat {value}", Reason.FROM_FUTURE, iat=value)


def _kinds() -> Bad:
    event = "http://schemas.openid.net/event/backchannel-logout"
    for value in ({"jkt": "x"}, {"x5t#S256": "x"}, {}, None, "x"):
        yield from _claim(f"cnf {value!r}", Reason.BOUND, cnf=value)
    for kind in ("Refresh", "Offline", "Logout", "logout"):
        yield from _claim(f"typ claim {kind}", Reason.OTHER_KIND, typ=kind)
    yield from _claim("token_use refresh", Reason.OTHER_KIND, token_use="refresh")
    yield from _claim("logout event", Reason.OTHER_KIND, events={event: {}})
    for name in ("at_hash", "c_hash", "s_hash"):
        yield from _claim(f"ID token ({name})", Reason.ID_KIND, **{name: "abc"})
    yield from _claim("ID token (typ)", Reason.ID_KIND, typ="ID")
    yield from _claim("ID token (token_use)", Reason.ID_KIND, token_use="id")


def _identities() -> Bad:
    yield from _claim("nobody", Reason.IDENTITY, sub=OMIT, client_id=OMIT)
    wrong: tuple[object, ...] = (
        None,
        "",
        1,
        True,
        [],
        ["user-1"],
        {},
        "a\u0000b",
        "a\nb",
    )
    for claim in ("sub", "client_id"):
        for value in wrong:
            name = f"{claim} {_show(value)}"
            yield from _claim(name, Reason.IDENTITY, **{claim: value})
    yield from _claim("azp 1", Reason.IDENTITY, client_id=OMIT, azp=1)


def _sizes() -> Bad:
    for size in (50_000, 70_000, 1_000_000):
        name = f"payload of {size}"
        yield from _claim(name, Reason.TOO_LARGE, padding="x" * size)
    yield from _header("header of 9 kB", Reason.TOO_LARGE, padding="x" * 9000)
    yield BadToken("70 kB of dots", "." * 70_000, Reason.TOO_LARGE)
    yield BadToken("70 kB of letters", "A" * 70_000, Reason.TOO_LARGE)
    yield BadToken("60 kB of letters", "A" * 60_000, Reason.MALFORMED)


def _show(value: Any) -> str:
    if value is OMIT:
        return "missing"
    text = repr(value)
    return text if len(text) < 60 else hashlib.sha256(text.encode()).hexdigest()[:8]
