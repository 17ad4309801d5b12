"""The outer shape of a token, before any cryptography (pure).

Everything that can be refused without a key is refused here: size, structure, header
members. Nothing in the header is ever followed (``jku``, ``x5u``, ``jwk``): of all of
it only ``alg``, ``kid`` and ``typ`` are read, and ``kid`` is a look-up key, no more.
"""

import msgspec

from bridge.identity.policy import TokenPolicy
from bridge.identity.refusal import Reason, TokenRefused
from bridge.identity.strict import NotStrict, decode_base64url, decode_object

#: Tokens with hundreds of groups reach 10 kB; nothing honest reaches this (A14).
MAX_TOKEN = 64 * 2**10
#: A certificate chain in ``x5c`` fits; it is ignored, and must not be a burden.
MAX_HEADER = 8 * 2**10
#: Key names are thumbprints or dates; longer ones are an attack (A6).
MAX_KEY_ID = 512

SEGMENTS = 3

_EXTENSIONS = frozenset({"crit", "b64", "zip", "enc"})
_ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_PLAIN_TYPES = _ACCESS_TYPES | {"jwt", "application/jwt"}


class CompactToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that may be looked at further. Nothing in it is verified yet."""

    algorithm: str
    kid: str | None
    signing_input: bytes
    payload: bytes
    signature: bytes

    def __repr__(self) -> str:
        return f"CompactToken(algorithm={self.algorithm!r})"


def read_compact(token: str, policy: TokenPolicy) -> CompactToken:
    """Take a token apart. Raises `TokenRefused`."""
    if len(token) > MAX_TOKEN:
        raise TokenRefused(Reason.TOO_LARGE)
    segments = token.split(".", SEGMENTS)
    if len(segments) != SEGMENTS:
        raise TokenRefused(Reason.MALFORMED)
    if len(segments[0]) > MAX_HEADER:
        raise TokenRefused(Reason.TOO_LARGE)
    header_octets, payload, signature = _decode(segments)
    header = _header(header_octets)
    _check_type(header, strict=policy.strict_type)
    return CompactToken(
        algorithm=_algorithm(header, policy),
        kid=_key_id(header),
        signing_input=token[: -len(segments[2]) - 1].encode("ascii"),
        payload=payload,
        signature=signature,
    )


def _decode(segments: list[str]) -> list[bytes]:
    try:
        return [decode_base64url(segment) for segment in segments]
    except NotStrict:
        raise TokenRefused(Reason.MALFORMED) from None


def _header(octets: bytes) -> dict[str, object]:
    try:
        header = decode_object(octets)
    except NotStrict:
        raise TokenRefused(Reason.HEADER) from None
    if not _EXTENSIONS.isdisjoint(header):
        raise TokenRefused(Reason.EXTENSION)
    return header


def _algorithm(header: dict[str, object], policy: TokenPolicy) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in policy.algorithms:
        raise TokenRefused(Reason.ALGORITHM)
    return algorithm


def _key_id(header: dict[str, object]) -> str | None:
    if "kid" not in header:
        return None
    kid = header["kid"]
    if not isinstance(kid, str) or len(kid) > MAX_KEY_ID:
        raise TokenRefused(Reason.KEY_ID)
    return kid


def _check_type(header: dict[str, object], *, strict: bool) -> None:
    if "typ" not in header and not strict:
        return
    kind = header.get("typ")
    allowed = _ACCESS_TYPES if strict else _PLAIN_TYPES
    if not isinstance(kind, str) or kind.lower() not in allowed:
        raise TokenRefused(Reason.TYPE)
