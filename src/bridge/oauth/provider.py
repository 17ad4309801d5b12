"""Who gives tokens, for what, and to whom: the nouns of this room."""

from typing import Literal

import msgspec

from bridge.oauth.settings import AuthMethod


class Provider(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An authorization server, as its checked metadata (RFC 8414) describes it."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str = ""
    registration_endpoint: str = ""
    revocation_endpoint: str = ""
    device_authorization_endpoint: str = ""
    scopes_supported: tuple[str, ...] | None = None
    grant_types_supported: tuple[str, ...] | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    revocation_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] | None = None
    code_challenge_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False
    client_id_metadata_document_supported: bool = False
    #: Where this was learnt: its metadata, the configured endpoints, or the default
    #: paths of the 2025-03-26 revision (D6).
    source: Literal["metadata", "configured", "defaults"] = "metadata"


class Client(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who we are at one issuer. Never used at another. ``repr`` shows no secret."""

    issuer: str
    client_id: str
    client_secret: str = ""
    auth_method: AuthMethod = "none"
    source: Literal["configured", "metadata_document", "registered"] = "configured"
    redirect_uri: str = ""  # the one registered; empty: not known
    scope: str = ""  # the one registered
    secret_expires_at: float = 0.0  # epoch seconds; 0: never (RFC 7591)

    def __repr__(self) -> str:
        return f"Client({self.client_id!r} at {self.issuer!r}, {self.source})"


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """What discovery found. ``resource`` is the value to send (RFC 8707)."""

    provider: Provider
    resource: str
    #: Of the protected resource metadata (RFC 9728); None: it named none.
    resource_scopes: tuple[str, ...] | None = None
    #: Addresses asked, each with its status or reason, in order.
    tried: tuple[str, ...] = ()
