"""The SDK's server in a process of its own, for one test: start, kill, start again."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

SCRIPT = Path(__file__).parent.parent / "servers" / "sdk_links.py"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LinkServer:
    """``how`` is what the script serves; the port stays over restarts."""

    def __init__(self, how: str) -> None:
        self._how = how
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/{'sse' if how == 'sse' else 'mcp'}"

    async def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(  # noqa: ASYNC220 - it is killed from plain code
            [sys.executable, str(SCRIPT), self._how, str(self.port)]
        )
        with trio.fail_after(60):
            while not await self._listens():  # noqa: ASYNC110 - another process
                await trio.sleep(0.05)

    async def _listens(self) -> bool:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        except OSError:
            return False
        await stream.aclose()
        return True

    def kill(self) -> None:
        """SIGKILL; the process is reaped."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@asynccontextmanager
async def link_server(how: str) -> AsyncGenerator[LinkServer, None]:
    """A running server."""
    server = LinkServer(how)
    try:
        await server.start()
        yield server
    finally:
        server.kill()
