"""A scripted HTTP/1.1 server over any stream: what a test says is what is sent.

Unlike a real server it may cut, lie, stall and send junk.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
import trio

from kit.network import SimulatedNetwork, SimulatedStream

HOST, PORT = "mcp.test", 80
URL = f"http://{HOST}/mcp"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, object]:
        return msgspec.json.decode(self.body, type=dict[str, object])


def _lines(headers: Mapping[str, str] | None) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())


class Exchange:
    """One request and the means to answer it."""

    def __init__(self, asked: Asked, stream: SimulatedStream) -> None:
        self.asked = asked
        self.stream = stream

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.stream.send_all(data)

    async def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """A whole response."""
        lines = _lines(headers)
        head = f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        await self.raw(head.encode() + body)

    async def json(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """A JSON answer."""
        await self.answer(
            200, body, {"Content-Type": "application/json"} | dict(headers or {})
        )

    async def open_events(self, headers: Mapping[str, str] | None = None) -> None:
        """The head of an event stream."""
        lines = _lines(headers)
        await self.raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n" + lines.encode() + b"\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        """A part of a chunked body; empty: its end."""
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def events(self, data: bytes) -> None:
        """A whole event stream."""
        await self.open_events()
        await self.chunk(data)
        await self.chunk(b"")


Script = Callable[[Exchange], Awaitable[None]]


class ScriptedServer:
    """Gives each request to ``script``; ``asked`` keeps them all."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []

    def methods(self) -> list[str]:
        return [asked.method for asked in self.asked]

    async def handle(self, stream: SimulatedStream) -> None:
        """Serve one connection until it ends."""
        held = bytearray()
        try:
            while asked := await _request(stream, held):
                self.asked.append(asked)
                await self.script(Exchange(asked, stream))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def serve(self, network: SimulatedNetwork, nursery: trio.Nursery) -> None:
        await network.serve(nursery, (HOST, PORT), handler=self.handle)


async def _request(stream: SimulatedStream, held: bytearray) -> Asked | None:
    while b"\r\n\r\n" not in held:
        data = await stream.receive_some()
        if not data:
            return None
        held += data
    head, _, rest = bytes(held).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {
        name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
    }
    body = bytearray(rest)
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        data = await stream.receive_some()
        if not data:
            return None
        body += data
    held[:] = body[length:]
    method, target, _ = first.split(" ")
    return Asked(
        method=method, target=target, headers=headers, body=bytes(body[:length])
    )
