"""Where `tests/interop/setup` puts the counterparts."""

import sys
from pathlib import Path

INTEROP = Path(__file__).resolve().parent.parent
SERVERS = INTEROP / "servers"
_CACHE = INTEROP / ".cache"
_NPM = INTEROP / "npm" / "node_modules"

EVERYTHING = "@modelcontextprotocol/server-everything/dist/index.js"
FILESYSTEM = "@modelcontextprotocol/server-filesystem/dist/index.js"
MEMORY = "@modelcontextprotocol/server-memory/dist/index.js"
INSPECTOR = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
CONFORMANCE = "@modelcontextprotocol/conformance/dist/index.js"


class MissingCounterpartError(Exception):
    """A test asked for something `tests/interop/setup` has not fetched yet."""


def _there(path: Path) -> Path:
    if path.exists():
        return path
    raise MissingCounterpartError(f"{path} is missing: run tests/interop/setup")


def node(script: str | Path, *args: str) -> list[str]:
    """The command that runs an npm package's script, or our own, on Node 22.

    The runner, the Inspector and the OpenID provider need Node 22 or newer, so all use
    the one that came from npm, whatever the machine has.
    """
    return [str(_there(_NPM / ".bin" / "node")), str(_there(_NPM / script)), *args]


def time_server() -> list[str]:
    """The command of mcp-server-time, in its own environment."""
    python = _there(_CACHE / "time-server" / "bin" / "python")
    return [str(python), "-m", "mcp_server_time", "--local-timezone", "UTC"]


def everything_server() -> Path:
    """The folder to import the SDK's everything server from."""
    return _there(_CACHE / "everything-server")


def scripted_server(*args: str) -> list[str]:
    """The command of our own scripted stdio server. ``-S -E`` halves its start."""
    return [sys.executable, "-S", "-E", str(SERVERS / "scripted.py"), *args]
