"""Where an issuer publishes its keys (pure).

OAUTH_JWKS_URL                                        when it is set
<issuer>/.well-known/openid-configuration             OpenID Connect discovery
<host>/.well-known/oauth-authorization-server<path>   RFC 8414
<issuer>/.well-known/jwks.json                        a guess, last of all (R33)
"""

from urllib.parse import urlsplit, urlunsplit

import msgspec

from bridge.errors import ProtocolError
from bridge.identity.address import is_fetchable, is_on_loopback
from bridge.identity.keyset import MAX_DOCUMENT
from bridge.identity.policy import differs_by_slash
from bridge.identity.strict import NotStrict, decode_object


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What an issuer says of itself: its exact name, and where its keys are."""

    issuer: str
    jwks_uri: str


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """The addresses to try for an issuer's metadata, in order."""
    bare = issuer.removesuffix("/")
    parts = urlsplit(bare)
    inserted = f"/.well-known/oauth-authorization-server{parts.path}"
    return (
        f"{bare}/.well-known/openid-configuration",
        urlunsplit((parts.scheme, parts.netloc, inserted, "", "")),
    )


def guessed_key_url(issuer: str) -> str:
    """Where keys often are when nothing says so."""
    return f"{issuer.removesuffix('/')}/.well-known/jwks.json"


def read_metadata(document: bytes, issuer: str) -> Metadata:
    """Read an issuer's metadata.

    Raises `ProtocolError` unless it is of the configured issuer (one trailing slash
    apart at most) and names keys at an address that may be fetched.
    """
    if len(document) > MAX_DOCUMENT:
        raise ProtocolError("the issuer's metadata is over the size limit")
    try:
        metadata = msgspec.convert(decode_object(document), Metadata)
    except (NotStrict, msgspec.ValidationError):
        raise ProtocolError(
            "the issuer's metadata has no issuer and jwks_uri"
        ) from None
    if not differs_by_slash(metadata.issuer, issuer):
        raise ProtocolError("the metadata is of another issuer than the configured one")
    # Plain http to this machine only when the issuer itself is on this machine.
    if not is_fetchable(metadata.jwks_uri, loopback=is_on_loopback(issuer)):
        raise ProtocolError("the metadata's jwks_uri is no address to fetch keys from")
    return metadata
