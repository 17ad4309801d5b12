"""A link over the pipes of a child process (MCP stdio transport).

Four tasks: one writes whole messages, one reads lines, one drains stderr, one waits for
the child's end. The first to see the end fails the link; the child is then stopped with
its whole process group when the link is closed.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import msgspec
import trio

from bridge.errors import (
    ConnectFailed,
    FrameTooLarge,
    LinkError,
    LinkLost,
)
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import Process, Processes
from bridge.protocol.ndjson import LineFramer
from bridge.wire.background import background_tasks
from bridge.wire.child import stop
from bridge.wire.inbox import Inbox
from bridge.wire.intake import Intake
from bridge.wire.link import Link, LinkEvent, Outgoing
from bridge.wire.stderr import StderrLog
from bridge.wire.writer import WriteQueue

#: How long the end of one stream may wait for the reason behind it.
_REASON = 1.0


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What to start, as a list: never through a shell (C9)."""

    command: str
    args: tuple[str, ...] = ()
    env: dict[str, str]
    cwd: str | None = None


class StdioTransport:
    """Starts the command anew for every link."""

    def __init__(
        self,
        command: Command,
        *,
        name: str,
        processes: Processes,
        log: Log,
        frame_bytes: int,
    ) -> None:
        self._command = command
        self._name = name
        self._processes = processes
        self._log = log
        self._frame_bytes = frame_bytes

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Link, None]:
        """Start the child; on exit it and its group are ended and reaped."""
        process = await self._spawn()
        try:
            async with background_tasks() as nursery:
                link = _StdioLink(
                    process,
                    name=self._name,
                    log=self._log,
                    frame_bytes=self._frame_bytes,
                )
                link.start(nursery)
                yield link
        finally:
            await stop(process)

    async def _spawn(self) -> Process:
        command = self._command
        try:
            return await self._processes.spawn(
                (command.command, *command.args), env=command.env, cwd=command.cwd
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            reason = error.strerror if isinstance(error, OSError) else "illegal command"
            raise ConnectFailed(
                f"cannot start '{command.command}' for '{self._name}': {reason}"
            ) from error


class _StdioLink:
    def __init__(
        self, process: Process, *, name: str, log: Log, frame_bytes: int
    ) -> None:
        self._process = process
        self._name = name
        self._frame_bytes = frame_bytes
        self._inbox = Inbox()
        self._queue = WriteQueue()
        self._log = log
        self._stderr = StderrLog(log)
        self._stdout_ended = trio.Event()
        self._intake = Intake(self._inbox)

    def start(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(self._write)
        nursery.start_soon(self._read)
        nursery.start_soon(self._stderr.read, self._process.stderr)
        nursery.start_soon(self._watch)

    def send(self, outgoing: Outgoing) -> None:
        self._inbox.check()
        self._queue.put(outgoing)

    def cancel(self, upstream_id: int) -> None:
        """Nothing to do: answers of all requests come through one pipe."""

    async def receive(self) -> LinkEvent:
        return await self._inbox.receive()

    def agreed(self, revision: str) -> None:
        """Nothing to do: no revision changes the framing."""

    async def _watch(self) -> None:
        status = await self._process.wait()
        # What it said last is still in the pipes; a grandchild may hold them open.
        with trio.move_on_after(_REASON):
            await self._stdout_ended.wait()
            await self._stderr.ended.wait()
        self._fail(LinkLost, f"ended {_described(status)}")

    async def _write(self) -> None:
        try:
            await self._queue.drain(self._process.stdin)
        except LinkError as error:
            await trio.sleep(_REASON)  # the child's end says more, if that is it
            self._fail(type(error), f"cannot be written to: {error.public}")

    async def _read(self) -> None:
        try:
            await self._read_lines()
        except FrameTooLarge as error:
            self._fail(LinkLost, f"is given up: {error.public}")
            return
        finally:
            self._stdout_ended.set()
        await trio.sleep(_REASON)
        self._fail(LinkLost, "closed its output")

    async def _read_lines(self) -> None:
        framer = LineFramer(limit=self._frame_bytes)
        try:
            async for chunk in self._process.stdout:
                await self._take_all(framer.feed(bytes(chunk)))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # as good as its end

    async def _take_all(self, lines: Iterator[bytes]) -> None:
        """A function of its own: while nothing comes, no last line is kept alive."""
        for line in lines:
            await self._intake.take(line)
            if self._intake.hopeless:
                self._fail(LinkLost, "prints text where messages are expected")

    def _fail(self, kind: type[LinkError], what: str) -> None:
        if self._inbox.error is not None:
            return
        # What a child writes there may hold secrets: it is for the log, which masks
        # them, and not for the clients that hear of the error.
        if words := self._stderr.last_words:
            self._log.emit(events.UPSTREAM_LAST_WORDS, line=words)
        self._inbox.fail(kind(f"the process of '{self._name}' {what}"))


def _described(status: int) -> str:
    return f"with status {status}" if status >= 0 else f"by signal {-status}"
