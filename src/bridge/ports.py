"""What the world is asked for: clock, chance, processes, network.

Rooms take these protocols, never the operating system. The real ones are built by
`bridge.system`; tests give simulated ones, so that every run can be repeated.
"""

import random  # noqa: TID251 - the type only; the port hands it out
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import msgspec
import trio


class WallClock(Protocol):
    """Epoch seconds. Only for times that leave the process (tokens, logs)."""

    def now(self) -> float: ...


class Entropy(Protocol):
    """Chance. ``random`` jitters; ``token`` is for secrets and identifiers."""

    @property
    def random(self) -> random.Random: ...

    def token(self, octets: int) -> str:
        """URL-safe text (hex) that carries ``octets`` bytes of strong randomness."""
        ...


class Process(Protocol):
    """A running child in a process group of its own."""

    @property
    def pid(self) -> int: ...
    @property
    def stdin(self) -> trio.abc.SendStream: ...
    @property
    def stdout(self) -> trio.abc.ReceiveStream: ...
    @property
    def stderr(self) -> trio.abc.ReceiveStream: ...

    async def wait(self) -> int:
        """The exit status (negative: the signal). Reaps the child."""
        ...

    def terminate(self) -> None:
        """SIGTERM to the whole group; silent when it is gone."""
        ...

    def kill(self) -> None:
        """SIGKILL to the whole group; silent when it is gone."""
        ...


class Processes(Protocol):
    async def spawn(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: str | None
    ) -> Process:
        """Start a child. Raises OSError when it cannot be started."""
        ...


class Network(Protocol):
    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        """A TCP connection. Raises OSError."""
        ...

    async def resolve(self, host: str) -> Sequence[str]:
        """The IP addresses of ``host`` (itself, if it is one). Raises OSError."""
        ...

    async def listen(
        self, host: str, port: int
    ) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Listeners bound to the address. Raises OSError (address in use)."""
        ...


#: Hears that a file or folder was open to others, and the mode it had until now.
OnTightened = Callable[[Path, int], None]


class Files(Protocol):
    """Private files: mode 0600 in folders of mode 0700, symbolic links refused.

    All of them raise OSError, and none blocks the event loop.
    """

    async def read(
        self, path: Path, *, limit: int, on_tightened: OnTightened | None = None
    ) -> bytes | None:
        """The whole file; None when there is none. A wider mode is tightened.

        Raises OSError for a symbolic link, another owner, or more than ``limit``
        bytes.
        """
        ...

    async def replace(
        self, path: Path, data: bytes, *, on_tightened: OnTightened | None = None
    ) -> None:
        """Put ``data`` in place of the file, whole or not at all, and on the disk.

        The folder is made where it is missing, and tightened where it is too wide.
        """
        ...

    async def remove(self, path: Path) -> bool:
        """False: there was none."""
        ...

    async def set_aside(self, path: Path) -> Path:
        """Rename a file nobody can read; where it is now."""
        ...

    async def stamp(self, path: Path) -> str:
        """Changes whenever the file is replaced or removed; empty: there is none."""
        ...

    def lock(self, path: Path, *, within: float) -> AbstractAsyncContextManager[None]:
        """Hold the lock of ``path`` against every process; freed by any exit.

        Raises TimeoutError when it cannot be had ``within`` seconds.
        """
        ...


class FileWatch(Protocol):
    async def changed(self, path: Path, *, since: str) -> str:
        """Wait until the stamp of ``path`` is not ``since`` any more; the new stamp.

        A stamp stands for what the path leads to through all links; a file that is
        missing or closed to us has one too. Raises OSError where it cannot be had.
        """
        ...


class Browser(Protocol):
    async def open(self, url: str) -> bool:
        """Show ``url`` to the person at this machine, in bounded time.

        False: there is no browser, or no screen for it. Never a shell.
        """
        ...


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """The world, as one value for the composition root."""

    clock: WallClock
    entropy: Entropy
    processes: Processes
    network: Network
    files: Files
    browser: Browser
    environment: Mapping[str, str]  # the part children and expansion may see
