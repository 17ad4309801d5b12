"""Upstream servers the tests start themselves, and the entries that name them."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from interop.rig.places import SERVERS, everything_server, scripted_server
from interop.rig.process import Running, answers, free_port

Entry = dict[str, Any]


def stdio_entry(command: list[str], **more: object) -> Entry:
    """An ``mcpServers`` entry that starts ``command``."""
    return {"command": command[0], "args": command[1:], **more}


def scripted_entry(*args: str, **more: object) -> Entry:
    """An entry for our scripted server (see ``servers/scripted.py``)."""
    return stdio_entry(scripted_server(*args), **more)


class ProtectedServer:
    """A server that wants a token for its own address."""

    def __init__(self, process: Running, url: str, transport: str) -> None:
        self._process = process
        self.url = url
        self._transport = transport

    def entry(self, **oauth: object) -> Entry:
        """The entry that reaches it; ``oauth``: more settings of the log-in."""
        section = {"enabled": True, **oauth}
        return {"url": self.url, "transport": self._transport, "oauth": section}

    def answered(self, status: int) -> int:
        """How many requests it has answered with ``status``."""
        return self._process.output().count(f'HTTP/1.1" {status}')


_TRANSPORTS = {"sse": ("sse", "sse"), "streamable-http": ("mcp", "streamablehttp")}
Transport = Literal["sse", "streamable-http"]


def _wait_for_port(server: Running, port: int) -> None:
    server.wait_until(lambda: answers(port), 30)


@contextmanager
def running_sdk_server(folder: Path, transport: Transport) -> Generator[Entry]:
    """A small server of the Python SDK; gives the entry that reaches it."""
    port = free_port()
    script = str(SERVERS / "sdk_server.py")
    server = Running([sys.executable, script, transport, str(port)], folder)
    path, name = _TRANSPORTS[transport]
    try:
        _wait_for_port(server, port)
        yield {"url": f"http://127.0.0.1:{port}/{path}", "transport": name}
    finally:
        server.end()


@contextmanager
def running_protected_server(
    folder: Path, transport: Transport, issuer: str
) -> Generator[ProtectedServer]:
    """A server of the Python SDK that takes the access tokens of ``issuer``."""
    port = free_port()
    script = str(SERVERS / "protected.py")
    server = Running([sys.executable, script, transport, str(port), issuer], folder)
    path, name = _TRANSPORTS[transport]
    try:
        _wait_for_port(server, port)
        yield ProtectedServer(server, f"http://127.0.0.1:{port}/{path}", name)
    finally:
        server.end()


@contextmanager
def running_everything_server(folder: Path) -> Generator[str]:
    """The SDK's everything server on streamable HTTP; gives its address."""
    port = free_port()
    launch = (
        f"import sys; sys.path.insert(0, {str(everything_server())!r});"
        "from mcp_everything_server.server import main; main()"
    )
    server = Running([sys.executable, "-c", launch, "--port", str(port)], folder)
    try:
        _wait_for_port(server, port)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.end()
