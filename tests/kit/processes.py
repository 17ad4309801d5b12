"""The Processes port without processes: a child is an async function."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import trio
from trio.testing import (
    MemoryReceiveStream,
    MemorySendStream,
    memory_stream_one_way_pair,
)

SIGTERM, SIGKILL = 15, 9


class Child:
    """The inside of a simulated child: its three streams and how it takes signals.

    Its function's return value is the exit status. ``deaf`` makes it ignore
    everything but SIGKILL; ``grandchild`` keeps its output open until then.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.command = tuple(command)
        self.env = dict(env)
        self.deaf = False
        self.grandchild = False
        self.outside_in, self.stdin = _pipe()
        self.stdout, self.outside_out = _pipe()
        self.stderr, self.outside_err = _pipe()

    async def say(self, *lines: bytes) -> None:
        """Print lines on stdout."""
        for line in lines:
            await self.stdout.send_all(line + b"\n")

    async def hear(self) -> bytes:
        """Whatever came in since; empty at the end of the input."""
        return bytes(await self.stdin.receive_some())


ChildMain = Callable[[Child], Awaitable[int]]


def _pipe() -> tuple[MemorySendStream, MemoryReceiveStream]:
    return memory_stream_one_way_pair()


class SimulatedProcess:
    """The outside of a simulated child (`bridge.ports.Process`)."""

    def __init__(self, child: Child, *, pid: int) -> None:
        self.child = child
        self.signals: list[int] = []
        self._pid = pid
        self._status: int | None = None
        self._ended = trio.Event()
        self._scope = trio.CancelScope()
        self._killed_by = 0

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def stdin(self) -> trio.abc.SendStream:
        return self.child.outside_in

    @property
    def stdout(self) -> trio.abc.ReceiveStream:
        return self.child.outside_out

    @property
    def stderr(self) -> trio.abc.ReceiveStream:
        return self.child.outside_err

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._status

    async def wait(self) -> int:
        await self._ended.wait()
        assert self._status is not None
        return self._status

    def terminate(self) -> None:
        self._signal(SIGTERM)

    def kill(self) -> None:
        self._signal(SIGKILL)

    def _signal(self, number: int) -> None:
        self.signals.append(number)
        if number == SIGKILL:
            self._close_output()
        if number == SIGKILL or not self.child.deaf:
            self._killed_by = number
            self._scope.cancel()

    async def run(self, main: ChildMain) -> None:
        """Run the child to its end; then its pipes close."""
        status = 0
        with self._scope:
            status = await main(self.child)
        self._status = -self._killed_by if self._scope.cancelled_caught else status
        self.child.stdin.close()
        if not self.child.grandchild:
            self._close_output()
        self._ended.set()

    def _close_output(self) -> None:
        self.child.stdout.close()
        self.child.stderr.close()


class SimulatedProcesses:
    """Runs ``main`` for every command; ``started`` keeps what was started."""

    def __init__(self, nursery: trio.Nursery, main: ChildMain) -> None:
        self._nursery = nursery
        self._main = main
        self.started: list[SimulatedProcess] = []
        self.refuse: OSError | None = None

    async def spawn(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: str | None
    ) -> SimulatedProcess:
        await trio.lowlevel.checkpoint()
        if self.refuse is not None:
            raise self.refuse
        process = SimulatedProcess(Child(command, env), pid=len(self.started) + 1)
        self.started.append(process)
        self._nursery.start_soon(process.run, self._main)
        return process
