"""What the world is asked for: clock, chance, processes, network.

Rooms take these protocols, never the operating system. The real ones are built by
`bridge.system`; tests give simulated ones, so that every run can be repeated.
"""

import random  # noqa: TID251 - the type only; the port hands it out
from collections.abc import Mapping, Sequence
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

    async def listen(
        self, host: str, port: int
    ) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Listeners bound to the address. Raises OSError (address in use)."""
        ...


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """The world, as one value for the composition root."""

    clock: WallClock
    entropy: Entropy
    processes: Processes
    network: Network
    environment: Mapping[str, str]  # the part children and expansion may see
