"""The issuer's published keys as the verifier sees them (pure).

A key is stripped to its public numbers when it is read; what else the document says
of it decides only which algorithms it may verify.
"""

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from bridge.errors import ProtocolError
from bridge.identity.policy import EDWARDS
from bridge.identity.strict import NotStrict, decode_base64url, decode_object

#: The largest real key sets hold a few dozen keys with certificates (A43).
MAX_DOCUMENT = 512 * 2**10
MAX_KEYS = 200

#: Shorter RSA keys can be factored; longer ones stall the event loop.
RSA_BITS = range(2048, 8193)
#: Real exponents are 65537 or 3; a huge one makes each check slow.
MAX_EXPONENT_OCTETS = 4

_RSA_ALGORITHMS = frozenset(
    f"{family}{bits}" for family in ("RS", "PS") for bits in (256, 384, 512)
)
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

PublicKey = RSAKey | ECKey | OKPKey


class VerificationKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key, and the algorithms it may verify and no others (A4)."""

    kid: str | None
    algorithms: frozenset[str]
    key: PublicKey


class KeySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The key set at one moment; replaced as a whole, never changed.

    ``issuer`` is the exact issuer the metadata names, once it has been read.
    """

    keys: tuple[VerificationKey, ...] = ()
    issuer: str | None = None

    def named(self, kid: str | None) -> tuple[VerificationKey, ...]:
        """The keys of that name; all of them when the token names none."""
        if kid is None:
            return self.keys
        return tuple(key for key in self.keys if key.kid == kid)


class KeySet(msgspec.Struct, frozen=True, kw_only=True):
    """A key set document that was read: the usable keys, and how many were not."""

    keys: tuple[VerificationKey, ...]
    skipped: int = 0


class _Unusable(Exception):
    pass


def read_key_set(document: bytes) -> KeySet:
    """Read a JWK set. One unusable key is skipped.

    Raises `ProtocolError` when the document is not a key set within the limits or
    holds no usable key: such an answer never replaces a good set (A42).
    """
    if len(document) > MAX_DOCUMENT:
        raise ProtocolError("the key set is over the size limit")
    try:
        entries = decode_object(document).get("keys")
    except NotStrict:
        raise ProtocolError("the key set is not a plain JSON object") from None
    if not isinstance(entries, list):
        raise ProtocolError("the key set has no list of keys")
    return _read_entries(entries)  # pyright: ignore[reportUnknownArgumentType]


def _read_entries(entries: list[object]) -> KeySet:
    if len(entries) > MAX_KEYS:
        raise ProtocolError("the key set holds too many keys")
    keys = tuple(key for entry in entries if (key := _read_entry(entry)) is not None)
    if not keys:
        raise ProtocolError("the key set holds no usable key")
    return KeySet(keys=keys, skipped=len(entries) - len(keys))


def _read_entry(entry: object) -> VerificationKey | None:
    try:
        jwk = msgspec.convert(entry, _Jwk)
        return _read_jwk(jwk)
    except (_Unusable, NotStrict, msgspec.ValidationError, JoseError, ValueError):
        return None  # the caller counts it


class _Jwk(msgspec.Struct, frozen=True):
    kty: str
    kid: str | None = None
    use: str | None = None
    key_ops: list[str] | None = None
    alg: str | None = None
    n: str = ""
    e: str = ""
    crv: str = ""
    x: str = ""
    y: str = ""
    d: str | None = None


def _read_jwk(jwk: _Jwk) -> VerificationKey:
    if jwk.use not in {None, "sig"}:
        raise _Unusable
    if jwk.key_ops is not None and "verify" not in jwk.key_ops:
        raise _Unusable
    if jwk.d is not None:  # a private key for all to read: anybody could have signed
        raise _Unusable
    match jwk.kty:
        case "RSA":
            key, natural = _read_rsa(jwk), _RSA_ALGORITHMS
        case "EC" if jwk.crv in _CURVES:
            key, natural = _read_ec(jwk), frozenset({_CURVES[jwk.crv]})
        case "OKP" if jwk.crv == "Ed25519":
            key, natural = _read_okp(jwk), EDWARDS
        case _:
            raise _Unusable
    return VerificationKey(kid=jwk.kid, algorithms=_narrow(natural, jwk.alg), key=key)


def _narrow(natural: frozenset[str], named: str | None) -> frozenset[str]:
    """The algorithms of the key type, cut to the one the key names."""
    if named is None:
        return natural
    if named not in natural:
        raise _Unusable
    return natural if natural == EDWARDS else frozenset({named})


def _read_rsa(jwk: _Jwk) -> PublicKey:
    modulus = int.from_bytes(decode_base64url(jwk.n))
    exponent = decode_base64url(jwk.e)
    if modulus.bit_length() not in RSA_BITS or len(exponent) > MAX_EXPONENT_OCTETS:
        raise _Unusable
    return RSAKey.import_key({"kty": "RSA", "n": jwk.n, "e": jwk.e})


def _read_ec(jwk: _Jwk) -> PublicKey:
    return ECKey.import_key({"kty": "EC", "crv": jwk.crv, "x": jwk.x, "y": jwk.y})


def _read_okp(jwk: _Jwk) -> PublicKey:
    return OKPKey.import_key({"kty": "OKP", "crv": jwk.crv, "x": jwk.x})
