"""One bad token, and the ways to make one from a good one."""

import json
from collections.abc import Iterator

import msgspec

from bridge.identity.refusal import Reason
from kit.issuer import SigningKey, claims, make_key, mint

RSA = make_key("rsa-1")
EC = make_key("ec-1", "P-256")
#: Never published: what an attacker signs with.
FOREIGN = make_key("foreign")


class BadToken(msgspec.Struct, frozen=True):
    """A token, and why it is refused."""

    name: str
    token: str
    reason: Reason


Bad = Iterator[BadToken]


def with_header(
    name: str, reason: Reason, *, key: SigningKey = RSA, **members: object
) -> Bad:
    yield BadToken(name, mint(key, header=members), reason)


def with_claim(name: str, reason: Reason, **changes: object) -> Bad:
    yield BadToken(name, mint(RSA, claims(**changes)), reason)


def with_text(name: str, reason: Reason, *, header: str = "", payload: str = "") -> Bad:
    head = header or json.dumps({"alg": "RS256", "kid": RSA.kid})
    body = payload or json.dumps(claims())
    yield BadToken(name, mint(RSA, body, header=head.encode()), reason)
