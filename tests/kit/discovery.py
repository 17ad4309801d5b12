"""A server at ``https://mcp.example/sse`` and what discovery finds about it."""

import pytest

from bridge.errors import OAuthError
from bridge.oauth.challenge import BearerChallenge
from bridge.oauth.discovery import discover
from bridge.oauth.http import HttpRequest, HttpResponse
from bridge.oauth.provider import Discovered
from bridge.oauth.settings import OAuthSettings
from kit.steps import Dialogue, Replies, answer, run_steps

H = "https://mcp.example"
SERVER = f"{H}/sse"
RESOURCE_PATH = f"{H}/.well-known/oauth-protected-resource/sse"
RESOURCE_ROOT = f"{H}/.well-known/oauth-protected-resource"
AUTH = "https://auth.example"
AUTH_METADATA = f"{AUTH}/.well-known/oauth-authorization-server"
OTHER = "https://other.example"
OTHER_METADATA = f"{OTHER}/.well-known/oauth-authorization-server"
OWN = (
    f"{H}/.well-known/oauth-authorization-server/sse",
    f"{SERVER}/.well-known/openid-configuration",
    f"{SERVER}/.well-known/openid_configuration",
    f"{SERVER}/.well-known/oauth-authorization-server",
    f"{H}/.well-known/openid-configuration",
    f"{H}/.well-known/openid_configuration",
    f"{H}/.well-known/oauth-authorization-server",
)


def settings(url: str = SERVER, **changes: object) -> OAuthSettings:
    made: dict[str, object] = {"name": "remote", "server_url": url, **changes}
    return OAuthSettings(**made)  # pyright: ignore[reportArgumentType]


def walk(
    replies: Replies, setting: OAuthSettings | None = None, *, challenge: str = ""
) -> Dialogue[Discovered]:
    said = BearerChallenge(resource_metadata=challenge)
    return run_steps(discover(setting or settings(), said), replies)


def refused(
    kind: type[OAuthError],
    replies: Replies,
    setting: OAuthSettings | None = None,
    *,
    challenge: str = "",
) -> tuple[OAuthError, list[str]]:
    """The error a walk ends with, and the addresses it asked."""
    requests: list[HttpRequest] = []
    said = BearerChallenge(resource_metadata=challenge)
    with pytest.raises(kind) as raised:
        run_steps(discover(setting or settings(), said), replies, requests=requests)
    assert type(raised.value) is kind
    return raised.value, [request.url for request in requests]


def metadata(name: str, **changes: object) -> HttpResponse:
    base = name.removesuffix("/")
    usual = {
        "issuer": name,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
    }
    return answer({**usual, **changes})


def resource(*servers: str, name: str = SERVER, **changes: object) -> HttpResponse:
    return answer({"resource": name, "authorization_servers": list(servers), **changes})
