"""The files of control sockets: ``<home>/control-<port>.sock``, for the owner only.

Several bridges may share a home; each has the port it listens on. A file a killed
bridge left behind is nobody's: who binds the port next takes its place.
"""

import os
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import trio

#: The kernel's bound on the address of a unix socket, with its last zero byte (108 on
#: Linux, 104 elsewhere).
LONGEST = 103
_BACKLOG = 16


class SocketFile(trio.abc.Listener[trio.SocketStream]):
    """Listens on a file, and takes it away in the end."""

    def __init__(self, path: Path) -> None:
        """Bind and listen. Raises OSError; a file somebody answers on is left alone."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(os.fsencode(path)) > LONGEST:
            raise OSError(f"the path is longer than {LONGEST} bytes: {path}")
        _take_away_stale(path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            bound.bind(os.fspath(path))
            # Nobody can connect before `listen`, so nobody does with another mode.
            path.chmod(0o600)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
        self._path = path
        self._inner = trio.SocketListener(trio.socket.from_stdlib_socket(bound))

    async def accept(self) -> trio.SocketStream:
        return await self._inner.accept()

    async def aclose(self) -> None:
        # First the file: a new bridge may bind it as soon as the port is free.
        self._path.unlink(missing_ok=True)
        await self._inner.aclose()


class SocketNetwork:
    """The Network port of an HTTP client that speaks to one socket file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def connect(self, host: str, port: int) -> trio.abc.Stream:  # noqa: ARG002 - the port's
        return await trio.open_unix_socket(os.fspath(self._path))

    async def resolve(self, host: str) -> Sequence[str]:
        raise NotImplementedError

    async def listen(
        self, host: str, port: int
    ) -> list[trio.abc.Listener[trio.abc.Stream]]:
        raise NotImplementedError


def socket_path(home: Path, port: int) -> Path:
    return home.absolute() / f"control-{port}.sock"


def answering(home: Path) -> dict[int, Path]:
    """The sockets of this home where a bridge answers, by port."""
    return {port: path for port, path in sorted(_sockets(home)) if _answers(path)}


def _sockets(home: Path) -> Iterator[tuple[int, Path]]:
    for path in home.absolute().glob("control-*.sock"):
        port = path.stem.removeprefix("control-")
        if port.isdecimal():
            yield int(port), path


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True


def _take_away_stale(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError(f"{path} is something else")
    if _answers(path):
        raise FileExistsError(f"another bridge answers on {path}")
    path.unlink(missing_ok=True)
