"""The bridge under measurement, run as users run it, with guard and log on."""

import json
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .issuer import Issuer
from .machine import MEASURED
from .processes import Process, free_port, running

Json = dict[str, Any]

#: Room for the thousand sessions of one client that some benchmarks open, whose
#: comments (one per stream and quarter of a minute) would blur what is measured.
_LIMITS = {"sessions": 4000, "sessions_per_principal": 4000, "keep_alive": 300}


class Bridge:
    """A ready bridge and the token that opens it."""

    def __init__(self, process: Process, port: int, token: str) -> None:
        self.process = process
        self.port = port
        self.token = token

    @property
    def pid(self) -> int:
        return self.process.pid


@contextmanager
def running_bridge(
    servers: Mapping[str, Json],
    folder: Path,
    *,
    issuer: Issuer | None,
    cpu: int = MEASURED,
    **settings: object,
) -> Generator[Bridge]:
    """A bridge whose servers are all ready. Without an issuer it lets everybody in."""
    port = free_port()
    section: Json = {
        "port": port,
        "auth": issuer.auth if issuer else {"mode": "none"},
        "limits": _LIMITS,
        "logFormat": "json",
        "configReload": {"enabled": False},
        **settings,
    }
    file = folder / f"config-{port}.json"
    file.write_text(json.dumps({"mcpServers": servers, "bridge": section}))
    command = [sys.executable, "-m", "bridge", "serve", "--config", str(file)]
    home = {"BRIDGE_HOME": str(folder / "home")}
    with running(command, folder=folder, cpu=cpu, port=port, env=home) as process:
        process.wait_until(lambda: process.events("bridge.ready"))
        yield Bridge(process, port, issuer.token() if issuer else "")
