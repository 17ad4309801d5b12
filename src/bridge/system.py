"""The real world behind `bridge.ports`: this machine's clock, chance and sockets.

Nothing else in the program may ask the machine for them (TID251 sees to it).
"""

import os
import random  # noqa: TID251 - this module is the Entropy port
import secrets  # noqa: TID251 - this module is the Entropy port
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from bridge.browser import SystemBrowser
from bridge.ports import Ports
from bridge.private_files import PrivateFiles

#: A peer that vanished without a word is noticed after about two minutes: an event
#: stream may be silent for hours, and nothing else would tell.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class SystemClock:
    """Epoch seconds of this machine."""

    def now(self) -> float:
        return time.time()  # noqa: TID251 - this is the WallClock port


class SystemEntropy:
    """Chance of this machine; ``random`` is seeded from the strong source."""

    def __init__(self) -> None:
        self._random = random.Random(secrets.randbits(128))  # noqa: S311 - jitter only

    @property
    def random(self) -> random.Random:
        return self._random

    def token(self, octets: int) -> str:
        return secrets.token_hex(octets)


class TrioNetwork:
    """TCP sockets, small writes sent at once (trio sets TCP_NODELAY)."""

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        stream = await trio.open_tcp_stream(host, port)
        _keep_alive(stream.socket)
        return stream

    async def resolve(self, host: str) -> Sequence[str]:
        found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(address[0]) for *_, address in found))

    async def listen(self, host: str, port: int) -> Sequence[trio.SocketListener]:
        return await trio.open_tcp_listeners(port, host=host)


def _keep_alive(sock: trio.socket.SocketType) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if option := getattr(socket, name, None):  # not every system has them
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


class TrioProcess:
    """A child that leads its own process group."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdin(self) -> trio.abc.SendStream:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> trio.abc.ReceiveStream:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stderr(self) -> trio.abc.ReceiveStream:
        assert self._process.stderr is not None
        return self._process.stderr

    async def wait(self) -> int:
        return await self._process.wait()

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # The group outlives its leader while a grandchild is in it, and its number is
        # not given to another process until then.
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


class TrioProcesses:
    """Children of this process, each in a session and process group of its own."""

    async def spawn(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: str | None
    ) -> TrioProcess:
        process = await trio.lowlevel.open_process(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        return TrioProcess(process)


def child_processes() -> int:
    """How many children this process has now; 0 where the kernel does not tell."""
    lists = Path("/proc/self/task").glob("*/children")
    return sum(len(_text(each).split()) for each in lists)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the thread has ended meanwhile
        return ""


def real_ports(environment: Mapping[str, str]) -> Ports:
    """The world as it is. ``environment`` is what children and expansion may see."""
    return Ports(
        clock=SystemClock(),
        entropy=SystemEntropy(),
        processes=TrioProcesses(),
        network=TrioNetwork(),
        files=PrivateFiles(),
        browser=SystemBrowser(environment),
        environment=environment,
    )
