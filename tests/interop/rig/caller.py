"""Clients that make very many calls: HTTP by hand, so that they cost next to nothing.

They keep everything they are sent, so that a second answer to a call is seen, and one
that belongs to somebody else.
"""

import json
import re
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

import trio

from interop.rig.event_stream import INITIALIZED, Json, handshake, request

#: Closing with this says RST instead of goodbye.
_RESET = struct.pack("ii", 1, 0)
_STOPPING = 503
#: A bridge closes a connection that is idle for longer; it is not used again.
_IDLE = 30.0
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_SESSION = re.compile(rb"(?i)\r\nmcp-session-id: *(\S+)")
_ENDPOINT = re.compile(rb"data: (/\S+)\n\n")


class Gone(Exception):
    """The connection ended in the middle of an answer."""


class Refused(Exception):
    """The bridge takes no call now, and says so."""


class Post:
    """A connection that POSTs JSON and reads the answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stream: trio.SocketStream | None = None
        self._rest = b""
        self._used = 0.0

    async def __call__(
        self, path: str, message: Json, **headers: str
    ) -> tuple[int, bytes, bytes]:
        """Status, head and body of the answer. Raises `Gone`."""
        try:
            stream = await self.send(path, message, **headers)
            return await self._answer(stream)
        except (trio.BrokenResourceError, OSError, Gone) as error:
            await self.aclose()
            raise Gone(str(error)) from error

    async def send(self, path: str, message: Json, **headers: str) -> trio.SocketStream:
        """Post without waiting for the answer."""
        body = json.dumps(message).encode()
        given = {
            "host": f"127.0.0.1:{self._port}",
            "content-type": "application/json",
            "accept": "application/json",
            "content-length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"POST {path} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items())]
        stream = await self._connected()
        await stream.send_all("\r\n".join([*lines, "", ""]).encode() + body)
        return stream

    async def _connected(self) -> trio.SocketStream:
        if trio.current_time() - self._used > _IDLE:
            await self.aclose()
        self._used = trio.current_time()
        if self._stream is None:
            self._rest = b""
            self._stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        return self._stream

    async def _answer(self, stream: trio.SocketStream) -> tuple[int, bytes, bytes]:
        while _HEAD_END not in self._rest:
            self._rest += await _some(stream)
        head, _, body = self._rest.partition(_HEAD_END)
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        while len(body) < length:
            body += await _some(stream)
        body, self._rest = body[:length], body[length:]
        return int(head.split(None, 2)[1]), head, body

    async def aclose(self) -> None:
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)
            self._stream = None

    def vanish(self) -> None:
        """Leave without a goodbye."""
        if self._stream is not None:
            cut(self._stream)
            self._stream = None


def cut(stream: trio.SocketStream) -> None:
    """Leave without a goodbye."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    stream.socket.close()


async def _some(stream: trio.SocketStream) -> bytes:
    data = await stream.receive_some(65536)
    if not data:
        raise Gone("closed in the middle of an answer")
    return bytes(data)


class Caller(Protocol):
    """One session. ``answers`` holds all answers ever sent, by the number of the call.

    ``strays`` are responses that answer nothing it asked.
    """

    answers: dict[int, list[Json]]
    strays: list[Json]

    async def call(self, number: int, tool: str, arguments: Json) -> Json:
        """The answer. Raises `Gone` and `Refused`."""
        ...


class Posts:
    """Connections to post on: as many as are in use at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Post] = []
        self._all: list[Post] = []

    def take(self) -> Post:
        if not self._idle:
            self._all.append(Post(self._port))
            return self._all[-1]
        return self._idle.pop()

    def give_back(self, post: Post) -> None:
        self._idle.append(post)

    async def aclose(self) -> None:
        for post in self._all:
            await post.aclose()


class McpCaller:
    """A session on ``/mcp``, a connection for each call in flight."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._posts = Posts(port)
        self.session = ""
        self.answers: dict[int, list[Json]] = defaultdict(list)
        self.strays: list[Json] = []

    async def open(self) -> None:
        post = self._posts.take()
        status, head, body = await post("/mcp", handshake(0))
        assert status == 200, body
        found = _SESSION.search(head)
        assert found, head
        self.session = found[1].decode()
        await post("/mcp", INITIALIZED, mcp_session_id=self.session)
        self._posts.give_back(post)

    async def call(self, number: int, tool: str, arguments: Json) -> Json:
        post = self._posts.take()
        params = {"name": tool, "arguments": arguments}
        status, _, body = await post(
            "/mcp",
            request(number, "tools/call", params),
            mcp_session_id=self.session,
        )
        self._posts.give_back(post)
        if status == _STOPPING:
            raise Refused(body.decode())
        assert status == 200, (status, body)
        answer = cast("Json", json.loads(body))
        (self.answers[number] if answer["id"] == number else self.strays).append(answer)
        return answer

    async def delete(self) -> None:
        """End the session; the answer is not awaited."""
        stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        lines = [
            "DELETE /mcp HTTP/1.1",
            f"host: 127.0.0.1:{self._port}",
            f"mcp-session-id: {self.session}",
            "connection: close",
        ]
        async with stream:
            await stream.send_all("\r\n".join([*lines, "", ""]).encode())
            assert b" 204 " in await _some(stream)

    async def aclose(self) -> None:
        await self._posts.aclose()


class SseCaller:
    """A session on ``/sse``: posts on connections of their own, one stream to read."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._posts = Posts(port)
        self._endpoint = ""
        self._opened = trio.Event()
        self._stream: trio.SocketStream | None = None
        self._waiting: dict[int, trio.Event] = {}
        self.answers: dict[int, list[Json]] = defaultdict(list)
        self.strays: list[Json] = []
        self.notified: list[str] = []

    async def read(self) -> None:
        """Keep what comes, until the stream ends; who still waits is told `Gone`."""
        try:
            await self._read()
        except trio.BrokenResourceError:
            pass  # as good as its end
        finally:
            while self._waiting:
                self._waiting.popitem()[1].set()

    async def _read(self) -> None:
        stream = self._stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        async with stream:
            host = f"127.0.0.1:{self._port}"
            await stream.send_all(f"GET /sse HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
            rest = b""
            while data := await stream.receive_some(65536):
                rest += data
                *events, rest = rest.split(b"\n\n")
                for event in events:
                    self._take(event + b"\n\n")

    def _take(self, event: bytes) -> None:
        # Chunk heads stand between events: only what follows ``data:`` is of interest.
        if found := _ENDPOINT.search(event):
            self._endpoint = found[1].decode()
            self._opened.set()
            return
        _, marked, data = event.partition(b"data: ")
        if not marked:
            return
        message: dict[str, Any] = json.loads(data)
        if "method" in message:
            self.notified.append(message["method"])
        elif (number := message["id"]) in self._waiting or number in self.answers:
            self.answers[number].append(message)
            if number in self._waiting:
                self._waiting.pop(number).set()
        else:
            self.strays.append(message)

    async def open(self) -> None:
        with trio.fail_after(15):
            await self._opened.wait()
        await self._ask(0, handshake(0))
        await self._post(INITIALIZED)

    async def call(self, number: int, tool: str, arguments: Json) -> Json:
        params = {"name": tool, "arguments": arguments}
        return await self._ask(number, request(number, "tools/call", params))

    async def begin(self, number: int, tool: str, arguments: Json) -> None:
        """A call whose answer is not awaited, and kept when it comes."""
        self._waiting[number] = trio.Event()
        params = {"name": tool, "arguments": arguments}
        await self._post(request(number, "tools/call", params))

    def vanish(self) -> None:
        """Leave without a goodbye; `read` ends with an exception or is cancelled."""
        if self._stream is not None:
            cut(self._stream)

    async def ask(self, asked: Json) -> Json:
        """The answer to any request. Raises `Gone` and `Refused`."""
        return await self._ask(asked["id"], asked)

    async def _ask(self, number: int, asked: Json) -> Json:
        event = self._waiting[number] = trio.Event()
        await self._post(asked)
        with trio.fail_after(120):
            await event.wait()
        if not self.answers[number]:
            raise Gone("the stream ended without the answer")
        return self.answers[number][0]

    async def _post(self, message: Json) -> None:
        post = self._posts.take()
        status, _, body = await post(self._endpoint, message)
        self._posts.give_back(post)
        if status == _STOPPING:
            raise Refused(body.decode())
        assert status == 202, (status, body)

    async def aclose(self) -> None:
        await self._posts.aclose()


@asynccontextmanager
async def callers(
    port: int, *, sse: int, mcp: int
) -> AsyncGenerator[list[SseCaller | McpCaller]]:
    """So many open sessions on each of the two endpoints, of one bridge."""
    streams = [SseCaller(port) for _ in range(sse)]
    everybody = [*streams, *(McpCaller(port) for _ in range(mcp))]
    try:
        async with trio.open_nursery() as nursery:
            for stream in streams:
                nursery.start_soon(stream.read)
            for caller in everybody:
                await caller.open()
            yield everybody
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            for caller in everybody:
                await caller.aclose()
