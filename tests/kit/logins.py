"""A login as the token store keeps it, and where."""

from pathlib import Path

import msgspec

from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.provider import Client, Provider
from bridge.upstream.store_names import url_hash

HOME = Path("/home/me/.foxxy-bridge")
AUTH = HOME / "auth"
URL = "https://mcp.example.com/sse"
TOKENS = AUTH / f"server-hash-{url_hash(URL)}.json"
ISSUER = "https://auth.example.com"
CREDENTIAL = Credential(
    tokens=TokenSet(
        access_token="canary-access",
        refresh_token="canary-refresh",
        expires_in=3600.0,
        created_at=1640995200.0,
    ),
    provider=Provider(issuer=ISSUER, token_endpoint=f"{ISSUER}/token"),
    client=Client(issuer=ISSUER, client_id="c1", source="registered"),
    resource="https://mcp.example.com",
)


def renewed(number: int) -> Credential:
    """The same login after a refresh."""
    tokens = msgspec.structs.replace(
        CREDENTIAL.tokens,
        access_token=f"canary-access-{number}",
        refresh_token=f"canary-refresh-{number}",
    )
    return msgspec.structs.replace(CREDENTIAL, tokens=tokens)
