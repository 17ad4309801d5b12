"""Two protected servers, one on each remote transport, behind one real provider."""

import json
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from interop.rig.identity import IdentityProvider, running_identity_provider
from interop.rig.process import free_port
from interop.rig.servers import ProtectedServer, running_protected_server


class Protected(msgspec.Struct, frozen=True):
    """The servers are called ``stream`` (SSE) and ``calls`` (streamable HTTP)."""

    provider: IdentityProvider
    servers: Mapping[str, ProtectedServer]

    def config(self, **bridge: object) -> dict[str, Any]:
        """The configuration of a bridge in front of both, with its own log-in port."""
        entries = {name: server.entry() for name, server in self.servers.items()}
        section = {"oauth_port": free_port(), **bridge}
        return {"mcpServers": entries, "bridge": section}

    def logins(self) -> dict[str, int]:
        """How often a person has logged in so far."""
        counts = self.provider.counts()
        return {name: counts.logins(each.url) for name, each in self.servers.items()}

    def refreshes(self) -> dict[str, int]:
        counts = self.provider.counts()
        return {name: counts.refreshes(each.url) for name, each in self.servers.items()}


@contextmanager
def running_protected(
    folder: Path, *, lifetime: int = 3600, grace: float = 0, delay: float = 0
) -> Generator[Protected]:
    """Provider and servers; see `running_identity_provider` for the numbers."""
    with (
        running_identity_provider(
            folder / "idp", lifetime=lifetime, grace=grace, delay=delay
        ) as provider,
        running_protected_server(folder / "stream", "sse", provider.issuer) as stream,
        running_protected_server(
            folder / "calls", "streamable-http", provider.issuer
        ) as calls,
    ):
        yield Protected(provider, {"stream": stream, "calls": calls})


def credential_files(home: Path) -> dict[Path, dict[str, Any]]:
    """The stored logins, each a whole JSON file only its owner may read."""
    folder = home / "auth"
    if not folder.exists():
        return {}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    found = sorted(folder.glob("server-hash-*.json"))
    for file in found:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    return {file: _whole(file) for file in found}


def _whole(file: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(file.read_text("utf-8")))
