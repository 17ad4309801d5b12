"""Who we are at a provider: configured, a metadata document, or registered (RFC 7591).

Clients belong to one issuer. A registration is made anew when the server has forgotten
it, when its secret expired, and when the redirect address, the scopes or the method
changed.
"""

import re
from urllib.parse import urlsplit

import msgspec

from bridge.errors import RegistrationFailed
from bridge.loopback import is_loopback
from bridge.oauth.address import check_endpoint
from bridge.oauth.answer import (
    Question,
    answered,
    error_of,
    is_secret,
    members_of,
    text_of,
)
from bridge.oauth.client_assertion import public_key, to_set
from bridge.oauth.client_auth import NEEDS_SECRET, choose_method
from bridge.oauth.device import GRANT as DEVICE_CODE
from bridge.oauth.http import HttpRequest, HttpResponse, Step, Steps
from bridge.oauth.provider import Client, Provider
from bridge.oauth.scope import OFFLINE_ACCESS
from bridge.oauth.settings import AuthMethod, OAuthSettings

_CREATED = frozenset({200, 201})  # 201 is the standard's; older servers say 200
_CLOSED = frozenset({401, 403})
_ABSENT = frozenset({404, 405})
_CLIENT_ID = re.compile(r"[\x20-\x7e]{1,2048}")  # RFC 6749 appendix A.1
_SECRET_MARGIN = 60.0  # s before a secret expires at which it is no longer relied on
_GRANTS = {
    "authorization_code": ["authorization_code", "refresh_token"],
    "device_code": [DEVICE_CODE, "refresh_token"],
    "client_credentials": ["client_credentials"],
}
_RULE = "RFC 7591 section 3: dynamic client registration"


def identify(
    settings: OAuthSettings, provider: Provider, *, known: Client | None, now: float
) -> Steps[Client]:
    """The client to be at ``provider``; ``now`` is epoch seconds.

    In order: configured, metadata document, the ``known`` registration if it is still
    good here, a new registration. Raises `RegistrationFailed` (also for a secret or key
    that is missing or unfit), `AddressRefused`, `ProviderUnavailable`.
    """
    if settings.client_id:
        return _configured(settings, provider)
    if settings.client_metadata_url and provider.client_id_metadata_document_supported:
        return _documented(settings, provider)
    if known is not None and is_usable(known, settings, provider=provider, now=now):
        return known
    return (yield from register(settings, provider, now=now))


def _configured(settings: OAuthSettings, provider: Provider) -> Client:
    secret = settings.client_secret
    return Client(
        issuer=provider.issuer,
        client_id=settings.client_id,
        client_secret=secret,
        auth_method=choose_method(settings, provider, secret=secret),
        source="configured",
        redirect_uri=settings.redirect_uri,
    )


def _documented(settings: OAuthSettings, provider: Provider) -> Client:
    url = settings.client_metadata_url
    parts = urlsplit(check_endpoint(url, what="client metadata document"))
    if parts.scheme != "https" or parts.path in {"", "/"} or parts.query:
        raise RegistrationFailed(
            "the address of the client metadata document cannot be a client id",
            rule="a client id metadata document has an https address with a path",
            advice=to_set(settings, "client_metadata_url", "to such an address"),
        )
    keyed = settings.auth_method == "private_key_jwt"
    agreed: AuthMethod = "private_key_jwt" if keyed else "none"
    return Client(
        issuer=provider.issuer,
        client_id=url,
        # A public document holds no secret, whatever the setting says of others.
        auth_method=choose_method(
            msgspec.structs.replace(settings, auth_method=None),
            provider,
            secret="",
            agreed=agreed,
        ),
        source="metadata_document",
        redirect_uri=settings.redirect_uri,
    )


def is_usable(
    known: Client, settings: OAuthSettings, *, provider: Provider, now: float
) -> bool:
    """Whether a registration can still be used, as far as it can be told from here."""
    expires = known.secret_expires_at
    registered = known.scope.split()
    return (
        known.source == "registered"
        and known.issuer == provider.issuer
        and known.redirect_uri == settings.redirect_uri
        and settings.auth_method in {None, known.auth_method}
        and (not expires or now < expires - _SECRET_MARGIN)
        and (not registered or set(settings.scopes) <= set(registered))
    )


def register(
    settings: OAuthSettings, provider: Provider, *, now: float
) -> Steps[Client]:
    """Register a new client. Raises as `identify`."""
    if not provider.registration_endpoint:
        raise RegistrationFailed(
            f"{provider.issuer} registers no clients by itself",
            rule=_RULE,
            advice=_by_hand(settings),
        )
    request = HttpRequest(
        step=Step.REGISTRATION,
        url=check_endpoint(provider.registration_endpoint, what="registration address"),
        method="POST",
        headers={"accept": "application/json", "content-type": "application/json"},
        body=msgspec.json.encode(client_metadata(settings, provider)),
    )
    reply = yield request
    question = Question(request=request)
    response = answered(question, reply, now=now)
    if response.status not in _CREATED:
        raise _refused(settings, provider, question=question, response=response)
    members = members_of(response) or {}
    return _registered(settings, provider, members)


def client_metadata(settings: OAuthSettings, provider: Provider) -> dict[str, object]:
    """What is registered (RFC 7591 section 2). Raises `RegistrationFailed`."""
    method = _wanted_method(settings, provider)
    interactive = settings.grant == "authorization_code"
    metadata: dict[str, object] = {
        "client_name": settings.client_name,
        "grant_types": _GRANTS[settings.grant],
        "response_types": ["code"] if interactive else [],
        "token_endpoint_auth_method": method,
        "application_type": _application_type(settings.redirect_uri),
        "client_uri": settings.client_uri,
        "redirect_uris": [settings.redirect_uri] if settings.redirect_uri else None,
        "scope": _wanted_scope(settings, provider),
        "jwks": (
            {"keys": [public_key(settings)]} if method == "private_key_jwt" else None
        ),
    }
    return {name: value for name, value in metadata.items() if value not in ("", None)}


def _application_type(redirect_uri: str) -> str:
    host = urlsplit(redirect_uri).hostname
    return "native" if host is None or is_loopback(host) else "web"


def _wanted_scope(settings: OAuthSettings, provider: Provider) -> str:
    """The configured scopes; else none, so that a later step-up is not cut short."""
    refreshing = settings.grant != "client_credentials"
    offline = refreshing and OFFLINE_ACCESS in (provider.scopes_supported or ())
    wanted = (*settings.scopes, OFFLINE_ACCESS) if offline else settings.scopes
    return " ".join(dict.fromkeys(wanted)) if settings.scopes else ""


def _wanted_method(settings: OAuthSettings, provider: Provider) -> AuthMethod:
    if settings.auth_method is not None:
        return settings.auth_method
    listed = provider.token_endpoint_auth_methods_supported
    order: list[AuthMethod] = ["client_secret_basic", "client_secret_post"]
    if settings.private_key:
        order.insert(0, "private_key_jwt")
    if settings.grant != "client_credentials":
        order.insert(0, "none")
    offered: list[AuthMethod] = [m for m in order if not listed or m in listed]
    if not offered:
        raise RegistrationFailed(
            f"{provider.issuer} offers no way to prove the client that can be used",
            answered="token_endpoint_auth_methods_supported names others only",
            rule=_RULE,
            advice=_by_hand(settings),
        )
    return offered[0]


def _registered(
    settings: OAuthSettings, provider: Provider, members: dict[str, object]
) -> Client:
    client_id = text_of(members, "client_id")
    secret = text_of(members, "client_secret")
    if not _CLIENT_ID.fullmatch(client_id) or (secret and not is_secret(secret)):
        raise RegistrationFailed(
            f"the registration answer of {provider.issuer} holds no usable client",
            rule="RFC 7591 section 3.2.1: client_id is a printable text",
            advice=_by_hand(settings),
        )
    return Client(
        issuer=provider.issuer,
        client_id=client_id,
        client_secret=secret,
        auth_method=_agreed(settings, provider, members=members, secret=secret),
        source="registered",
        redirect_uri=settings.redirect_uri,
        scope=text_of(members, "scope") if _is_scope(members) else "",
        secret_expires_at=_expiry(members.get("client_secret_expires_at")),
    )


def _is_scope(members: dict[str, object]) -> bool:
    scope = text_of(members, "scope")
    return scope.isprintable() and len(scope) <= 8_192  # noqa: PLR2004 - a bound


def _agreed(
    settings: OAuthSettings,
    provider: Provider,
    *,
    members: dict[str, object],
    secret: str,
) -> AuthMethod:
    """The method the server answered wins over the one asked for (R88)."""
    answer = text_of(members, "token_endpoint_auth_method")
    wanted = "" if secret else _wanted_method(settings, provider)
    if not answer and wanted in NEEDS_SECRET:
        wanted = ""  # it gave no secret, and says nothing of it: public then
    unset = msgspec.structs.replace(settings, auth_method=None)
    return choose_method(unset, provider, secret=secret, agreed=answer or wanted)


def _expiry(value: object) -> float:
    """Epoch seconds; 0, never, for anything that is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return 0.0
    return float(min(value, 2**53))


def _refused(
    settings: OAuthSettings,
    provider: Provider,
    *,
    question: Question,
    response: HttpResponse,
) -> RegistrationFailed:
    code, description = error_of(members_of(response) or {})
    said = f"{response.status} {code} {question.shown(description)}".strip()
    return RegistrationFailed(
        f"{provider.issuer} {_reason(response.status)}: {said}",
        asked=question.asked,
        answered=said,
        rule=_RULE,
        advice=_advice(settings, provider, code),
    )


def _reason(status: int) -> str:
    if status in _ABSENT:
        return "has no registration endpoint there"
    if status in _CLOSED:
        return "does not register clients it does not know"
    return "refused to register the client"


def _advice(settings: OAuthSettings, provider: Provider, code: str) -> str:
    if code == "invalid_redirect_uri":
        host = "localhost" if "127.0.0.1" in settings.redirect_uri else "127.0.0.1"
        return to_set(settings, "redirect_host", f"to {host}, or register by hand")
    if provider.source == "defaults":
        return f"{to_set(settings, 'issuer', 'to the authorization server')}, or " + (
            _by_hand(settings)
        )
    return _by_hand(settings)


def _by_hand(settings: OAuthSettings) -> str:
    where = f" with the redirect address {settings.redirect_uri}"
    return (
        f"register a client at the provider{where if settings.redirect_uri else ''} "
        f"and set oauth.client_id of server '{settings.name}'"
    )
