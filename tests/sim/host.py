"""One life of the bridge's process: the ports it is given, and how they are cut off.

A SIGKILL runs no handler: at that instant the network resets, files are not written any
more, and nothing that is still done inside can be seen from outside.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import trio

from bridge.ports import OnTightened
from kit.files import MemoryDisk, MemoryFiles
from kit.network import SimulatedListener, SimulatedStream
from kit.processes import Child, SimulatedProcess, SimulatedProcesses
from sim.network import SimulatedInternet

#: One port call in so many meets other tasks that are faster.
_SHARE = 0.2
_MOST = 3


class Jitter:
    """Lets other tasks run first, now and then: nobody may count on an order."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.count = 0

    async def __call__(self) -> None:
        if self._rng.random() < _SHARE:
            self.count += 1
            for _ in range(self._rng.randint(1, _MOST)):
                await trio.lowlevel.checkpoint()


class HostNetwork:
    """The Network port of one process."""

    def __init__(self, net: SimulatedInternet, jitter: Jitter) -> None:
        self._net = net
        self._jitter = jitter
        self._dead = False
        self._listeners: list[SimulatedListener] = []
        self._dialled: list[SimulatedStream] = []

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        await self._jitter()
        stream = await self._net.connect(host, port)
        assert isinstance(stream, SimulatedStream)
        if self._dead:
            stream.reset()
            raise OSError("killed")
        self._dialled.append(stream)
        return stream

    async def resolve(self, host: str) -> Sequence[str]:
        await self._jitter()
        return await self._net.resolve(host)

    async def listen(self, host: str, port: int) -> Sequence[SimulatedListener]:
        await self._jitter()
        if self._dead:
            raise OSError("killed")
        listeners = await self._net.listen(host, port)
        self._listeners.extend(listeners)
        return listeners

    @property
    def left_open(self) -> list[str]:
        """Where connections lead that it made and did not close."""
        return [
            ":".join(map(str, stream.socket.getpeername()))
            for stream in self._dialled
            if not stream.has_left
        ]

    def die(self) -> None:
        """The system closes what a killed process had open."""
        self._dead = True
        for stream in self._dialled:
            stream.reset()
        for listener in self._listeners:
            address = listener.socket.getsockname()
            listener.abandon()
            self._net.cut(address)


class Trouble(Protocol):
    """What is wrong with the disk now."""

    refuse: OSError | None
    delay: float


class HostFiles(MemoryFiles):
    """The Files port of one process; after its death nothing is written."""

    def __init__(self, disk: MemoryDisk, *, jitter: Jitter) -> None:
        super().__init__(disk)
        self.dead = False
        self.writing = 0
        self.trouble: Trouble | None = None
        self._jitter = jitter

    async def replace(
        self, path: Path, data: bytes, *, on_tightened: OnTightened | None = None
    ) -> None:
        self.writing += 1
        try:
            await super().replace(path, data, on_tightened=on_tightened)
        finally:
            self.writing -= 1

    async def _work(self, *, writes: bool = False) -> None:
        await self._jitter()
        if self.trouble is not None:
            self.refuse, self.delay = self.trouble.refuse, self.trouble.delay
        await super()._work(writes=writes)
        if self.dead:
            await trio.sleep_forever()


class HostProcesses(SimulatedProcesses):
    """The Processes port of one process; its children are orphans after its death."""

    def __init__(
        self,
        nursery: trio.Nursery,
        main: Callable[[Child], Awaitable[int]],
        *,
        jitter: Jitter,
    ) -> None:
        super().__init__(nursery, main)
        self._jitter = jitter

    async def spawn(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: str | None
    ) -> SimulatedProcess:
        await self._jitter()
        if command[0] == "ghost":
            raise FileNotFoundError(2, "No such file or directory", command[0])
        return await super().spawn(command, env=env, cwd=cwd)

    def die(self) -> None:
        """The children of a killed bridge do not outlive it."""
        for process in self.started:
            process.kill()


class Host:
    """The ports of one process, and its death."""

    def __init__(
        self,
        *,
        net: SimulatedInternet,
        disk: MemoryDisk,
        nursery: trio.Nursery,
        child: Callable[[Child], Awaitable[int]],
        rng: random.Random,
    ) -> None:
        self.jitter = Jitter(rng)
        self.network = HostNetwork(net, self.jitter)
        self.files = HostFiles(disk, jitter=self.jitter)
        self.processes = HostProcesses(nursery, child, jitter=self.jitter)
        self.dead = False

    def die(self) -> None:
        """What the system does with a process that gets SIGKILL."""
        self.dead = self.files.dead = True
        self.files.disk.held.clear()
        self.processes.die()
        self.network.die()
