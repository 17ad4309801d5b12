"""A protected server of the Python SDK over ``sse`` or ``streamable-http`` on loopback.

Usage: ``protected.py sse|streamable-http PORT ISSUER``

It takes access tokens the issuer has signed for its own address, not a second after
they expire, and tells where such tokens come from (RFC 9728). Its log is on stderr.
"""

import json
import sys
from typing import Any, Literal, cast

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

SCOPE = "mcp"
_PATHS = {"sse": "/sse", "streamable-http": "/mcp"}


class Verifier:
    """Checks JWT access tokens (RFC 9068) with the keys of their issuer."""

    def __init__(self, issuer: str, resource: str) -> None:
        metadata = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
        self._keys = KeySet.import_key_set(httpx.get(metadata["jwks_uri"]).json())
        self._claims = jwt.JWTClaimsRegistry(
            leeway=0,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": resource},
            exp={"essential": True},
        )

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            claims = jwt.decode(token, self._keys, algorithms=["RS256", "ES256"]).claims
            self._claims.validate(claims)
        except (JoseError, ValueError) as error:
            print(json.dumps({"refused": str(error)}), flush=True)
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims.get("scope", "").split(),
            resource=claims["aud"],
            subject=claims["sub"],
            claims=claims,
        )


def whoami() -> str:
    """Who calls, and until when, as the token of this very request says."""
    token = get_access_token()
    assert token
    assert token.claims
    return json.dumps({key: token.claims[key] for key in ("sub", "iat", "exp", "jti")})


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def main(kind: Literal["sse", "streamable-http"], port: int, issuer: str) -> None:
    resource = f"http://127.0.0.1:{port}{_PATHS[kind]}"
    server: MCPServer[Any] = MCPServer(
        "protected",
        token_verifier=Verifier(issuer, resource),
        # From texts: an address made before would get a slash, another issuer's name.
        auth=AuthSettings.model_validate(
            {
                "issuer_url": issuer,
                "resource_server_url": resource,
                "required_scopes": [SCOPE],
                "validate_token_resource": True,
            }
        ),
    )
    server.tool()(whoami)
    server.tool()(add)
    server.run(kind, port=port)


if __name__ == "__main__":
    main(cast("Any", sys.argv[1]), int(sys.argv[2]), sys.argv[3])
