"""A small HTTP/1.1 client over any byte stream, for tests of the downstream side."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import h11
import msgspec
import trio

Headers = Sequence[tuple[str, str]]


class Reply(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Browser:
    """One connection. Reads no further than it is asked to."""

    def __init__(
        self, stream: trio.abc.Stream, *, host: str = "127.0.0.1:8080"
    ) -> None:
        self.stream = stream
        self._host = host
        self._http = h11.Connection(h11.CLIENT)
        self._text = b""

    async def ask(
        self, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> Reply:
        """Send a request and read its whole answer; the connection stays usable."""
        await self.send(method, path, headers=headers, body=body)
        return await self.whole()

    async def send(
        self, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> None:
        """Send a request."""
        given = [*headers]
        names = {name.lower() for name, _ in given}
        if "host" not in names:
            given.append(("host", self._host))
        if (body or method == "POST") and "content-length" not in names:
            given.append(("content-length", str(len(body))))
        head = h11.Request(method=method, target=path, headers=given)
        parts = [self._http.send(head), self._http.send(h11.Data(data=body))]
        parts.append(self._http.send(h11.EndOfMessage()))
        await self.stream.send_all(b"".join(part for part in parts if part))

    async def head(self) -> Reply:
        """The head of the answer; the body is left to `whole` or `events`."""
        event = await self._next()
        while isinstance(event, h11.InformationalResponse):
            event = await self._next()
        assert isinstance(event, h11.Response), event
        headers = {name.decode(): value.decode() for name, value in list(event.headers)}
        return Reply(event.status_code, headers)

    async def whole(self) -> Reply:
        head = await self.head()
        body = b"".join([part async for part in self.parts()])
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return Reply(head.status, head.headers, body)

    async def parts(self) -> AsyncIterator[bytes]:
        """What remains of the answer's body, as it comes."""
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            assert isinstance(event, h11.Data), event
            yield bytes(event.data)

    async def block(self) -> str | None:
        """The next block of an event stream (an event or a comment); None: its end."""
        while b"\n\n" not in self._text:
            event = await self._next()
            if isinstance(event, h11.EndOfMessage):
                return None
            assert isinstance(event, h11.Data), event
            self._text += bytes(event.data)
        block, _, self._text = self._text.partition(b"\n\n")
        return block.decode()

    async def message(self) -> Any:
        """The JSON of the next event, comments passed over."""
        while (block := await self.block()) is not None:
            lines = block.split("\n")
            data = [line[6:] for line in lines if line.startswith("data: ")]
            if data:
                return msgspec.json.decode("\n".join(data))
        raise AssertionError("the stream has ended")

    async def comments_until_end(self) -> int:
        """How many comments come before the end of the stream; no event may."""
        count = 0
        while (block := await self.block()) is not None:
            assert block.startswith(":"), block
            count += 1
        return count

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(bytes(await self.stream.receive_some(65536)))
        assert not isinstance(event, type) or event is h11.PAUSED
        return event
