"""Proof Key for Code Exchange, RFC 7636: method S256 and no other (threats D3)."""

import base64
import hashlib
from collections.abc import Callable

from bridge.errors import PkceUnsupported
from bridge.oauth.provider import Provider
from bridge.oauth.settings import OAuthSettings

METHOD = "S256"
_VERIFIER_OCTETS = 32  # 256 bits (R82), 64 characters of the 43 to 128 allowed
_RULE = "RFC 7636 and MCP authorization: the server must offer the PKCE method S256"


def verifier(new_token: Callable[[int], str]) -> str:
    """A fresh code verifier: 64 characters that carry 256 bits."""
    return new_token(_VERIFIER_OCTETS)


def s256(verifier: str) -> str:
    """The code challenge of a verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def check_pkce(provider: Provider, settings: OAuthSettings) -> bool:
    """Whether the server offers S256. False: it does not say, and that is allowed.

    A server without metadata has no place to say it. Raises `PkceUnsupported` for
    metadata without the list, unless the setting allows it, and for a list without
    S256, whatever the setting: that server has said no.
    """
    methods = provider.code_challenge_methods_supported
    if methods is None:
        if provider.source != "metadata" or settings.allow_unadvertised_pkce:
            return False
        raise PkceUnsupported(
            f"the metadata of {provider.issuer} does not say whether it supports PKCE",
            answered="no code_challenge_methods_supported",
            rule=_RULE,
            advice=f"if the provider is known to support S256, set oauth."
            f"allow_unadvertised_pkce of server '{settings.name}' to true",
        )
    if METHOD not in methods:
        raise PkceUnsupported(
            f"{provider.issuer} does not support PKCE with {METHOD}",
            answered="code_challenge_methods_supported without S256",
            rule=_RULE,
            advice="switch on PKCE with S256 at the provider, or use another provider",
        )
    return True
