"""A demo MCP server over stdio: the time, and a countdown that reports progress.

Run as a child process: ``python -m bridge.demo.clock_server``.
"""

import sys
from collections.abc import AsyncIterable
from datetime import UTC, datetime, timedelta

import trio

from bridge.demo.offer import (
    Arguments,
    DemoServer,
    Prompt,
    Report,
    Resource,
    Tool,
    number,
)
from bridge.errors import FrameInvalid
from bridge.ports import WallClock
from bridge.protocol import methods
from bridge.protocol.frame import Frame, decode, encode, value
from bridge.protocol.ndjson import LineFramer
from bridge.system import SystemClock

_LINE = 2**20
#: Seconds between two numbers of the countdown.
_TICK = 1.0
_LONGEST_COUNTDOWN = 60
_WAITING = 64


def clock_server(clock: WallClock) -> DemoServer:
    """The server; time is what ``clock`` says."""

    def moment(hours: float = 0.0) -> str:
        there = datetime.fromtimestamp(clock.now(), UTC) + timedelta(hours=hours)
        return f"{there:%Y-%m-%d %H:%M:%S} UTC{hours:+g}"

    async def now(arguments: Arguments, _report: Report) -> str:
        hours = number(arguments, "utc_offset", default=0, least=-12, most=14)
        return moment(hours)

    return DemoServer(
        "clock",
        tools=[
            Tool(
                name="now",
                description="The time now, at an offset from UTC in hours.",
                properties={"utc_offset": {"type": "number"}},
                run=now,
            ),
            Tool(
                name="countdown",
                description="Counts down in seconds and reports progress.",
                properties={"seconds": {"type": "integer"}},
                required=("seconds",),
                run=countdown,
            ),
        ],
        prompts=[
            Prompt(
                name="plan_day",
                description="Asks for a plan for the rest of the day.",
                text=lambda: f"It is {moment()}. Plan the rest of my day.",
            )
        ],
        resources=[
            Resource(
                uri="clock://now",
                name="now",
                description="The time now, in UTC.",
                text=moment,
            )
        ],
    )


async def countdown(arguments: Arguments, report: Report) -> str:
    """The tool of that name."""
    most = _LONGEST_COUNTDOWN
    seconds = int(number(arguments, "seconds", default=3, least=0, most=most))
    for done in range(seconds):
        await report(done, seconds)
        await trio.sleep(_TICK)
    await report(seconds, seconds)
    return "Lift-off!"


class StdioServing:
    """Serves one peer over byte streams; every request in a task of its own."""

    def __init__(self, server: DemoServer, output: trio.abc.SendStream) -> None:
        self._server = server
        self._output = output
        self._running: dict[int | str, trio.CancelScope] = {}

    async def serve(self, source: AsyncIterable[bytes | bytearray]) -> None:
        """Answer until the input ends."""
        framer = LineFramer(limit=_LINE)
        to_writer, written = trio.open_memory_channel[Frame](_WAITING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, written)
            async for chunk in source:
                for line in framer.feed(bytes(chunk)):
                    self._take(line, to_writer, nursery)
            nursery.cancel_scope.cancel()

    def _take(
        self,
        line: bytes,
        to_writer: trio.MemorySendChannel[Frame],
        nursery: trio.Nursery,
    ) -> None:
        try:
            frame = decode(line)
        except FrameInvalid as error:
            print(error.public, file=sys.stderr)  # noqa: T201 - a server's own log
            return
        if frame.method == methods.CANCELLED:
            self._cancel(frame)
        else:
            nursery.start_soon(self._answer, frame, to_writer)

    def _cancel(self, frame: Frame) -> None:
        asked = value(frame.params).get("requestId") if frame.params else None
        if asked in self._running:
            self._running[asked].cancel()

    async def _answer(
        self, frame: Frame, to_writer: trio.MemorySendChannel[Frame]
    ) -> None:
        with trio.CancelScope() as scope:
            if isinstance(frame.id, int | str):
                self._running[frame.id] = scope
            answer = await self._server.answer(frame, to_writer.send)
            if answer is not None:
                await to_writer.send(answer)
        if isinstance(frame.id, int | str):
            self._running.pop(frame.id, None)

    async def _write(self, frames: trio.MemoryReceiveChannel[Frame]) -> None:
        async for frame in frames:
            await self._output.send_all(encode(frame) + b"\n")


async def main() -> None:
    """Serve on standard input and output until the input ends."""
    output = trio.lowlevel.FdStream(sys.stdout.fileno())
    source = trio.lowlevel.FdStream(sys.stdin.fileno())
    await StdioServing(clock_server(SystemClock()), output).serve(source)


if __name__ == "__main__":
    trio.run(main)
