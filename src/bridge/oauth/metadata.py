"""What servers publish of themselves, decoded and checked.

RFC 9728 (protected resource), RFC 8414 and OpenID Connect Discovery (authorization
server). A wrong type is absent where absence is harmless, and refused where it is not.
"""

from collections.abc import Collection, Mapping
from typing import cast
from urllib.parse import urlsplit

import msgspec

from bridge.errors import AddressRefused
from bridge.loopback import is_loopback
from bridge.oauth.address import (
    canonical_resource,
    check_endpoint,
    for_browser,
    host_of,
    origin_of,
    refusal,
    shown_address,
)
from bridge.oauth.provider import Provider
from bridge.oauth.scope import is_scope_token

Document = Mapping[str, object]

# Real documents: the largest list known has some 200 entries of 60 letters.
_MAX_LIST = 1000
_MAX_TEXT = 2048
_MAX_SERVERS = 8


class NotMetadata(Exception):
    """There is no such document here; as good as a 404."""


class MetadataRefused(Exception):
    """The document is there and must not be used. The text says why, for people."""

    rule = "an authorization server names its token_endpoint (RFC 8414 section 2)"


class ResourceDiffers(MetadataRefused):
    """It is the document of another resource, or of none."""

    rule = "resource metadata must name the server it is of (RFC 9728 section 3.3)"


class IssuerDiffers(MetadataRefused):
    """It is the document of another issuer."""

    rule = "issuer metadata must name the issuer it is of (RFC 8414 section 3.3)"


class ResourceMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a protected resource says (RFC 9728). Texts are as published."""

    resource: str
    authorization_servers: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] | None = None


def decode_document(body: bytes) -> Document:
    """The JSON object of an answer. Raises `NotMetadata`: a page, another value."""
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotMetadata("no JSON object") from None


def read_resource_metadata(document: Document, *, server: str) -> ResourceMetadata:
    """The metadata of ``server``, a canonical resource.

    Raises `NotMetadata` for other documents, `ResourceDiffers` when its ``resource``
    is neither the server nor a parent of it on its origin (R72, threats D5).
    """
    resource = _text(document.get("resource"))
    advertised = _texts(document.get("authorization_servers"))
    if not resource and not advertised:
        raise NotMetadata("no protected resource metadata")
    if not resource:
        raise ResourceDiffers("it names no resource")
    if not _covers(resource, server):
        raise ResourceDiffers(f"its resource is {shown_address(resource)}")
    return ResourceMetadata(
        resource=resource,
        authorization_servers=(advertised or ())[:_MAX_SERVERS],
        scopes_supported=_scopes(document.get("scopes_supported")),
    )


def _covers(resource: str, server: str) -> bool:
    try:
        name = canonical_resource(resource)
    except AddressRefused:
        return False
    if "#" in resource:  # RFC 8707 section 2
        return False
    if name == server:
        return True
    if origin_of(name) != origin_of(server) or urlsplit(name).query:
        return False
    segments = urlsplit(name).path.split("/")
    return urlsplit(server).path.split("/")[: len(segments)] == segments


def issuer_of(document: Document) -> str:
    """Who the document says it is of. Raises `NotMetadata` if it does not say."""
    if issuer := _text(document.get("issuer")):
        return issuer
    raise NotMetadata("no authorization server metadata: it names no issuer")


def check_issuer(issuer: str, *, loopback: bool) -> None:
    """Raises `AddressRefused` unless an issuer may be asked.

    It is https and has no query (RFC 8414 section 2). On this machine it may be, with
    plain http too, where ``loopback`` says so (threats D7).
    """
    checked = check_endpoint(issuer, what="issuer")
    if "?" in issuer:
        raise refusal("issuer", issuer, "it has a query")
    _check_reach(checked, what="issuer", loopback=loopback)


def read_server_metadata(document: Document, *, issuers: Collection[str]) -> Provider:
    """An authorization server, every endpoint checked.

    ``issuers``: the spellings its ``issuer`` may have, compared as plain strings.
    Raises `NotMetadata`, `IssuerDiffers`, `MetadataRefused` without a token endpoint,
    and `AddressRefused` for an endpoint that must not be asked or opened.
    """
    issuer = issuer_of(document)
    if issuer not in issuers:
        raise IssuerDiffers(f"its issuer is {shown_address(issuer)}")
    if not _text(document.get("token_endpoint")):
        raise MetadataRefused("it names no token_endpoint")
    members: dict[str, object] = {
        "issuer": issuer,
        "scopes_supported": _scopes(document.get("scopes_supported")),
    }
    members |= {name: _endpoint(document, name, issuer) for name in _ENDPOINTS}
    members |= {name: _texts(document.get(name)) for name in _LISTS}
    members |= {name: document.get(name) is True for name in _FLAGS}
    return msgspec.convert(members, Provider)


_ENDPOINTS = (
    "token_endpoint",
    "authorization_endpoint",
    "registration_endpoint",
    "revocation_endpoint",
    "device_authorization_endpoint",
)
_LISTS = (
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "code_challenge_methods_supported",
)
_FLAGS = (
    "authorization_response_iss_parameter_supported",
    "client_id_metadata_document_supported",
)


def _endpoint(document: Document, name: str, issuer: str) -> str:
    url = _text(document.get(name))
    if not url:
        return ""
    checked = check_endpoint(url, what=name)
    loopback = is_loopback(host_of(issuer))
    _check_reach(checked, what=name, loopback=loopback)
    return for_browser(checked) if name == "authorization_endpoint" else checked


def _check_reach(url: str, *, what: str, loopback: bool) -> None:
    """A server elsewhere has no business with the services of this machine."""
    if not loopback and is_loopback(host_of(url)):
        raise refusal(what, url, "it is on this machine, who names it is not")


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _MAX_TEXT else ""


def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    entries = cast("list[object]", value)[:_MAX_LIST]
    return tuple(text for entry in entries if (text := _text(entry)))


def _scopes(value: object) -> tuple[str, ...] | None:
    texts = _texts(value)
    return None if texts is None else tuple(filter(is_scope_token, texts))
