"""One provider, one client, one upstream's settings: the scene of the token tests."""

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from bridge.oauth.authorization import Attempt, begin
from bridge.oauth.caller import Caller
from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.http import HttpFailure, HttpReply, HttpRequest, HttpResponse
from bridge.oauth.provider import Client, Discovered, Provider
from bridge.oauth.settings import OAuthSettings

ISSUER = "https://id.example"
TOKEN_URL = "https://id.example/token"
REGISTER_URL = "https://id.example/register"
REVOKE_URL = "https://id.example/revoke"
DEVICE_URL = "https://id.example/device"
RESOURCE = "https://mcp.example/mcp"
REDIRECT = "http://127.0.0.1:8090/oauth/callback"
NOW = 1_800_000_000.0
#: No answer at all.
SILENCE = HttpFailure(reason="timed out")
#: Not even asked: the address leads where it must not (threats D7).
FORBIDDEN = HttpFailure(reason="it leads to a private network", refused=True)
PAGE = HttpResponse(
    status=200, headers={"content-type": "text/html"}, body=b"<html>log in</html>"
)


def settings(**changes: Any) -> OAuthSettings:
    values: dict[str, Any] = {
        "name": "wiki",
        "server_url": RESOURCE,
        "redirect_uri": REDIRECT,
    }
    return OAuthSettings(**(values | changes))


def provider(**changes: Any) -> Provider:
    values: dict[str, Any] = {
        "issuer": ISSUER,
        "token_endpoint": TOKEN_URL,
        "authorization_endpoint": "https://id.example/authorize",
        "registration_endpoint": REGISTER_URL,
        "revocation_endpoint": REVOKE_URL,
        "device_authorization_endpoint": DEVICE_URL,
        "code_challenge_methods_supported": ("S256",),
    }
    return Provider(**(values | changes))


def discovered(**changes: Any) -> Discovered:
    values: dict[str, Any] = {"provider": provider(), "resource": RESOURCE}
    return Discovered(**(values | changes))


def client(**changes: Any) -> Client:
    values: dict[str, Any] = {"issuer": ISSUER, "client_id": "bridge"}
    return Client(**(values | changes))


def credential(**changes: Any) -> Credential:
    """A login whose tokens are ``old-access`` and ``old-refresh``."""
    tokens = TokenSet(
        access_token="old-access",
        refresh_token="old-refresh",
        created_at=NOW - 3600,
        expires_in=3600,
        scope="read write",
    )
    values: dict[str, Any] = {
        "tokens": tokens,
        "provider": provider(),
        "client": client(),
        "resource": RESOURCE,
    }
    return Credential(**(values | changes))


def now() -> float:
    return NOW


def tokens_of_chance() -> Callable[[int], str]:
    """Hex of the length the port gives; each one new, all of them known."""
    numbers = count(1)
    return lambda octets: f"{next(numbers):0{2 * octets}x}"


def caller(**changes: Any) -> Caller:
    values: dict[str, Any] = {
        "client": client(),
        "provider": provider(),
        "settings": settings(),
        "now_of": now,
        "new_token": tokens_of_chance(),
    }
    return Caller(**(values | changes))


def attempt(
    chosen: OAuthSettings | None = None, *, at: Discovered | None = None
) -> Attempt:
    """A login on its way, for the scopes read and write."""
    return begin(
        chosen or settings(),
        at or discovered(),
        client(),
        scopes=("read", "write"),
        new_token=tokens_of_chance(),
    )


def form_of(request: HttpRequest) -> Mapping[str, str]:
    """The parameters of a form request; a repeated one fails."""
    pairs = parse_qsl((request.body or b"").decode(), strict_parsing=True)
    form = dict(pairs)
    assert len(form) == len(pairs)
    return form


def query_of(url: str) -> Mapping[str, str]:
    """The parameters of an address; a repeated one fails."""
    values = parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(value) == 1 for value in values.values())
    return {name: value[0] for name, value in values.items()}


def every(reply: HttpReply) -> Callable[[HttpRequest], HttpReply]:
    """The same reply to whatever is asked."""
    return lambda _: reply
