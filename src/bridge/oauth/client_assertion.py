"""The signed assertion of a client that has a key instead of a secret (RFC 7523)."""

import base64
from collections.abc import Callable, Mapping

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from bridge.errors import RegistrationFailed
from bridge.oauth.provider import Client, Provider
from bridge.oauth.settings import OAuthSettings

_ASSERTION_LIFE = 60  # s; it is used at once
_JTI_OCTETS = 16
_RSA_FLOOR = 2048  # bits, RFC 7518 section 3.3
_RSA = ("RS256", "PS256", "RS384", "RS512", "PS384", "PS512")
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_EDWARDS = ("EdDSA", "Ed25519")  # RFC 9864 renames it; most servers know the former

PrivateKey = RSAKey | ECKey | OKPKey


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A private key, and the algorithms it can sign with, preferred first."""

    key: PrivateKey
    algorithms: tuple[str, ...]

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithms})"


def sign_assertion(
    client: Client,
    settings: OAuthSettings,
    *,
    provider: Provider,
    now: float,
    new_token: Callable[[int], str],
) -> str:
    """A client assertion (RFC 7523 section 3), good for a minute, used once.

    Its audience is the issuer and nothing else. An endpoint's address, which the RFC
    allows too, comes from metadata: a hostile server could name another server's
    endpoint and pass the assertion on to it.
    """
    signing = signing_key(settings)
    algorithm = _algorithm(settings, provider, signing)
    header = {"alg": algorithm, "typ": "JWT"}
    if settings.key_id:
        header["kid"] = settings.key_id
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": client.issuer,
        "jti": new_token(_JTI_OCTETS),
        "iat": int(now),
        "exp": int(now) + _ASSERTION_LIFE,
    }
    signing_input = b".".join(map(_segment, (header, claims)))
    # By its curve's own name: the library warns of the older one, which servers know.
    model = JWSRegistry.algorithms["Ed25519" if algorithm == "EdDSA" else algorithm]
    signature = model.sign(signing_input, signing.key)
    return f"{signing_input.decode()}.{_base64url(signature).decode()}"


def _segment(value: Mapping[str, str | int]) -> bytes:
    return _base64url(msgspec.json.encode(value))


def _base64url(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def _algorithm(settings: OAuthSettings, provider: Provider, signing: SigningKey) -> str:
    if settings.signing_algorithm:
        return settings.signing_algorithm
    listed = provider.token_endpoint_auth_signing_alg_values_supported or ()
    fitting = [name for name in signing.algorithms if name in listed]
    return (fitting or signing.algorithms)[0]


def public_key(settings: OAuthSettings) -> dict[str, object]:
    """The public half of the configured key, as a JWK to register (RFC 7517)."""
    members = dict[str, object](signing_key(settings).key.as_dict(private=False))
    return members | ({"kid": settings.key_id} if settings.key_id else {})


def signing_key(settings: OAuthSettings) -> SigningKey:
    """The configured private key. Raises `RegistrationFailed`, naming the setting."""
    if not settings.private_key:
        raise RegistrationFailed(
            "private_key_jwt needs a private key, and there is none",
            advice=to_set(settings, "private_key", "to the PEM of the key"),
        )
    signing = _load(settings)
    wanted = settings.signing_algorithm
    if wanted and wanted not in signing.algorithms:
        raise RegistrationFailed(
            f"the private key of server '{settings.name}' cannot sign with the "
            "configured algorithm",
            rule=f"RFC 7518: this key signs with {', '.join(signing.algorithms)}",
            advice=to_set(
                settings, "signing_algorithm", "to one of these, or leave it"
            ),
        )
    return signing


def _load(settings: OAuthSettings) -> SigningKey:
    try:
        key = load_pem_private_key(settings.private_key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # No cause is kept: a parser's message may quote what it failed to read.
        raise _unfit(settings, "it is not the PEM of an unencrypted key") from None
    match key:
        case RSAPrivateKey() if key.key_size >= _RSA_FLOOR:
            return SigningKey(key=RSAKey.import_key(key), algorithms=_RSA)
        case EllipticCurvePrivateKey():
            name = ECKey.import_key(key).curve_name
            if name in _CURVES:
                return SigningKey(
                    key=ECKey.import_key(key), algorithms=(_CURVES[name],)
                )
        case Ed25519PrivateKey():
            return SigningKey(key=OKPKey.import_key(key), algorithms=_EDWARDS)
        case _:
            pass
    raise _unfit(settings, "RSA of 2048 bits or more, P-256/384/521 or Ed25519 is used")


def _unfit(settings: OAuthSettings, why: str) -> RegistrationFailed:
    return RegistrationFailed(
        f"the private key of server '{settings.name}' cannot be used: {why}",
        advice=to_set(settings, "private_key", "to the PEM of a key that can sign"),
    )


def to_set(settings: OAuthSettings, key: str, value: str) -> str:
    """Advice that names the setting of one upstream."""
    return f"set oauth.{key} of server '{settings.name}' {value}"
