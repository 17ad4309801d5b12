"""The real OpenID provider the bridge trusts in these tests."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from interop.rig.places import INTEROP, node
from interop.rig.process import Running


class Counts(msgspec.Struct, frozen=True):
    """What a provider has done so far (see ``idp/provider.mjs``)."""

    granted: Mapping[str, int]
    refused: Mapping[str, int]
    registered: int
    revoked: int

    def logins(self, resource: str) -> int:
        """Tokens of ``resource`` that a person has agreed to."""
        return self.granted.get(f"authorization_code {resource}", 0)

    def refreshes(self, resource: str) -> int:
        """Tokens of ``resource`` got with a refresh token."""
        return self.granted.get(f"refresh_token {resource}", 0)


class IdentityProvider:
    """npm ``oidc-provider`` on loopback; gives JWT access tokens to two clients."""

    def __init__(self, issuer: str, pid: int) -> None:
        self.issuer = issuer
        self.pid = pid

    @property
    def environment(self) -> dict[str, str]:
        """What makes a bridge trust this provider."""
        return {"OAUTH_ISSUER": self.issuer, "OAUTH_AUDIENCE": "bridge"}

    def counts(self) -> Counts:
        answer = httpx.get(f"{self.issuer}/counts").raise_for_status()
        return msgspec.json.decode(answer.content, type=Counts)

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
def running_identity_provider(
    folder: Path, *, lifetime: int = 3600, grace: float = 0, delay: float = 0
) -> Generator[IdentityProvider]:
    """Start the provider on a port of its own choice, end it afterwards.

    ``lifetime``: of access tokens for a server's address (s). ``grace``: how long a
    refresh token that was used may be used again (s). ``delay``: of an answer with
    tokens (s).
    """
    options = json.dumps({"lifetime": lifetime, "grace": grace, "delay": delay})
    provider = Running(node(INTEROP / "idp" / "provider.mjs", options), folder)

    def issuer() -> str | None:
        lines = provider.stdout.read_text(encoding="utf-8").splitlines()
        ready = [line for line in lines if line.startswith("{") and line.endswith("}")]
        return str(json.loads(ready[0])["issuer"]) if ready else None

    try:
        yield IdentityProvider(provider.wait_until(issuer, 20), provider.pid)
    finally:
        provider.end()
