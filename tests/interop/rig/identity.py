"""The real OpenID provider the bridge trusts in these tests."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from interop.rig.places import INTEROP, node
from interop.rig.process import Running


class IdentityProvider:
    """npm ``oidc-provider`` on loopback; gives JWT access tokens to two clients."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    @property
    def environment(self) -> dict[str, str]:
        """What makes a bridge trust this provider."""
        return {"OAUTH_ISSUER": self.issuer, "OAUTH_AUDIENCE": "bridge"}

    def token(
        self,
        *,
        client: str = "alice",
        scope: str = "mcp",
        audience: str = "bridge",
        algorithm: str = "RS256",
        ttl: int = 3600,
    ) -> str:
        """A fresh access token, signed by the provider, as a real client gets it."""
        answer = httpx.post(
            f"{self.issuer}/token",
            auth=(client, f"{client}-secret-for-tests"),
            data={
                "grant_type": "client_credentials",
                "scope": scope,
                "resource": f"urn:resource:{audience}:{algorithm}:{ttl}",
            },
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@contextmanager
def running_identity_provider(folder: Path) -> Generator[IdentityProvider]:
    """Start the provider on a port of its own choice, end it afterwards."""
    provider = Running(node(INTEROP / "idp" / "provider.mjs"), folder)

    def issuer() -> str | None:
        lines = provider.stdout.read_text(encoding="utf-8").splitlines()
        ready = [line for line in lines if line.startswith("{") and line.endswith("}")]
        return str(json.loads(ready[0])["issuer"]) if ready else None

    try:
        yield IdentityProvider(provider.wait_until(issuer, 20))
    finally:
        provider.end()
