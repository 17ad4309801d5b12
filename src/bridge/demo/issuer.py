"""An identity provider for development: one client, keys made at start, no user.

It stands apart from the bridge, which only ever checks tokens: the bridge learns its
keys over HTTP like those of any other provider. Never use it for more than a try; all
it knows is gone when the process ends.
"""

import base64
import hmac
from urllib.parse import parse_qsl, unquote_plus

import msgspec
import trio
from joserfc import jwt
from joserfc.jwk import RSAKey

from bridge.downstream.answer import json, method_not_allowed, not_found
from bridge.downstream.message import Answer, Request, Response
from bridge.ports import Entropy, WallClock

AUDIENCE = "bridge-demo"
CLIENT_ID = "demo"
SCOPE = "mcp"
#: A day at work; the key itself dies with the process.
LIFETIME = 8 * 3600
_METADATA = (
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
)


class Refusal(Exception):
    """A token request that gets none (RFC 6749 section 5.2)."""

    def __init__(self, error: str, *, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


class DevelopmentIssuer:
    """Metadata, keys, and the client credentials grant (RFC 6749 section 4.4)."""

    def __init__(self, url: str, *, clock: WallClock, entropy: Entropy) -> None:
        self.url = url
        self.client_secret = entropy.token(16)
        self._clock = clock
        self._entropy = entropy
        self._key = RSAKey.generate_key(2048)
        self._kid = entropy.token(8)

    async def handle(self, request: Request) -> Answer:
        """The answer to one HTTP request."""
        if request.path == "/token":
            return await self._token(request)
        if request.method not in {"GET", "HEAD"}:
            return method_not_allowed(["GET", "HEAD"])
        if request.path in _METADATA:
            return json(self._metadata())
        if request.path == "/jwks":
            return json({"keys": [self._public_key()]})
        return not_found()

    def mint(self) -> str:
        """An access token of the demo client (RFC 9068)."""
        now = int(self._clock.now())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": CLIENT_ID,
            "client_id": CLIENT_ID,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": self._entropy.token(16),
            "scope": SCOPE,
        }
        header = {"alg": "RS256", "kid": self._kid, "typ": "at+jwt"}
        return jwt.encode(header, claims, self._key)

    async def _token(self, request: Request) -> Response:
        if request.method != "POST":
            return method_not_allowed(["POST"])
        try:
            self._check(await _fields(request))
        except Refusal as refusal:
            return json({"error": refusal.error}, status=refusal.status)
        return json(
            {
                "access_token": self.mint(),
                "token_type": "Bearer",
                "expires_in": LIFETIME,
                "scope": SCOPE,
            }
        )

    def _check(self, fields: dict[str, str]) -> None:
        named = fields.get("client_id") == CLIENT_ID
        secret = fields.get("client_secret", "").encode()
        if not (hmac.compare_digest(secret, self.client_secret.encode()) and named):
            raise Refusal("invalid_client", status=401)
        if fields.get("grant_type") != "client_credentials":
            raise Refusal("unsupported_grant_type")
        if fields.get("audience", AUDIENCE) != AUDIENCE:
            raise Refusal("invalid_target")

    def _metadata(self) -> dict[str, object]:
        return {
            "issuer": self.url,
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "scopes_supported": [SCOPE],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
            ],
        }

    def _public_key(self) -> dict[str, object]:
        public = self._key.as_dict(private=False)
        return {**public, "kid": self._kid, "use": "sig", "alg": "RS256"}


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a token request: a form, or JSON as some providers take it; the
    client may also stand in the Authorization header. Raises Refusal."""
    body = await request.body()
    await trio.lowlevel.checkpoint()
    try:
        fields = _read(body, request.header("content-type") or "")
        return fields | _client(request.header("authorization") or "")
    except (ValueError, msgspec.DecodeError):
        raise Refusal("invalid_request") from None


def _read(body: bytes, content_type: str) -> dict[str, str]:
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return msgspec.json.decode(body, type=dict[str, str])
    return dict(parse_qsl(body.decode("ascii")))


def _client(authorization: str) -> dict[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return {}
    pair = base64.b64decode(encoded, validate=True).decode("utf-8")
    name, _, secret = pair.partition(":")
    return {"client_id": unquote_plus(name), "client_secret": unquote_plus(secret)}
