"""Tokens that are no tokens: structure, spelling, JSON, size (threats A11 to A14)."""

import json
import string

from bridge.identity.refusal import Reason
from kit.bad_token import RSA, Bad, BadToken, with_claim, with_header, with_text
from kit.issuer import claims, mint


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
    yield from with_text("nested token", Reason.CLAIMS, payload=mint(RSA))


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
        yield from with_text(f"header: {name}", Reason.HEADER, header=text)
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
        yield from with_text(f"payload: {name}", Reason.CLAIMS, payload=text)
    for name, octets in {
        "latin-1": b'{"a":"\xff"}',
        "UTF-16": "{}".encode("utf-16"),
    }.items():
        yield BadToken(f"header: {name}", mint(RSA, header=octets), Reason.HEADER)
        yield BadToken(f"payload: {name}", mint(RSA, octets), Reason.CLAIMS)


def _sizes() -> Bad:
    for size in (50_000, 70_000, 1_000_000):
        name = f"payload of {size}"
        yield from with_claim(name, Reason.TOO_LARGE, padding="x" * size)
    yield from with_header("header of 9 kB", Reason.TOO_LARGE, padding="x" * 9000)
    yield BadToken("70 kB of dots", "." * 70_000, Reason.TOO_LARGE)
    yield BadToken("70 kB of letters", "A" * 70_000, Reason.TOO_LARGE)
    yield BadToken("60 kB of letters", "A" * 60_000, Reason.MALFORMED)


SHAPE_FAMILIES = (_structures, _spellings, _json, _sizes)
