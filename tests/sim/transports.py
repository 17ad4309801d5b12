"""The two ways into the bridge: `/sse` with `/messages`, and `/mcp`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from kit.browser import Browser, Headers, Reply
from sim.visit import JSON, LOST, PATIENCE, Refused, Visit

ACCEPTED = 202
OK = 200


def encoded(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", **message})


class SseVisit(Visit):
    """A stream of events, and a second connection to post on."""

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[None]:
        async with self.stage.connection() as stream, trio.open_nursery() as nursery:
            self._stream = stream
            self._reading = trio.Event()
            self._reading.set()
            self._nursery = nursery
            await stream.send("GET", "/sse", headers=self.headers)
            head = await stream.head()
            if head.status != OK:
                raise Refused(head.status)
            first = await stream.block() or ""
            self._endpoint = first.rpartition("data: ")[2]
            self.stage.session_ids.append(self._endpoint.rpartition("=")[2])
            nursery.start_soon(self._read)
            yield
            nursery.cancel_scope.cancel()

    async def tell(self, message: dict[str, Any]) -> None:
        async with self.stage.connection() as browser:
            reply = await self._post(browser, message)
        if reply.status != ACCEPTED:
            self.refused(message, reply.status)

    async def farewell(self) -> None:
        """The end of the stream is the end of the session."""
        self.leave("left")
        await trio.lowlevel.checkpoint()

    async def dawdle(self, seconds: float) -> None:
        """Stop reading for a while."""
        self.slow = True
        for asked in self.owed:
            asked.must_succeed = False
        self._reading = trio.Event()
        await trio.sleep(seconds)
        self._reading.set()

    def reset(self) -> None:
        stream: Any = self._stream.stream
        stream.reset()

    def fade(self) -> None:
        stream: Any = self._stream.stream
        stream.fall_silent()

    async def _post(self, browser: Browser, message: dict[str, Any]) -> Reply:
        with trio.fail_after(PATIENCE):
            return await browser.ask(
                "POST",
                self._endpoint,
                headers=(*JSON, *self.headers),
                body=encoded(message),
            )

    async def _read(self) -> None:
        try:
            while (message := await self._next()) is not None:
                self.heard(message)
        except LOST as error:
            self.finished(type(error).__name__, proper=False)
        else:
            self.finished("properly", proper=True)

    async def _next(self) -> dict[str, Any] | None:
        await self._reading.wait()
        while (block := await self._stream.block()) is not None:
            await self._reading.wait()
            message = message_in(block)
            if message is not None:
                return message
        return None


class McpVisit(Visit):
    """A connection per message, and sometimes a stream of the session's own."""

    session_id = ""
    _listening = 0

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[None]:
        self._open: set[Browser] = set()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            yield
            nursery.cancel_scope.cancel()

    @property
    def _all_headers(self) -> Headers:
        session = (("mcp-session-id", self.session_id),) if self.session_id else ()
        return (*self.headers, *session)

    async def tell(self, message: dict[str, Any]) -> None:
        if message.get("method") == "tools/call" and self._nursery is not None:
            self._nursery.start_soon(self._exchange_alone, message)
        else:
            await self._exchange(message)

    async def listen(self) -> None:
        """Open the session's own stream, in the background; it replaces another."""
        if self._nursery is not None:
            self._listening += 1
            self._nursery.start_soon(self._listen)

    async def farewell(self) -> None:
        self.leave("left")
        async with self.stage.connection() as browser:
            await browser.ask("DELETE", "/mcp", headers=self._all_headers)

    def reset(self) -> None:
        for browser in tuple(self._open):
            stream: Any = browser.stream
            stream.reset()

    def fade(self) -> None:
        for browser in tuple(self._open):
            stream: Any = browser.stream
            stream.fall_silent()

    async def _exchange_alone(self, message: dict[str, Any]) -> None:
        try:
            await self._exchange(message)
        except LOST as error:
            self.lost(message["id"], f"connection lost: {type(error).__name__}")

    async def _exchange(self, message: dict[str, Any]) -> None:
        async with self.stage.connection() as browser:
            self._open.add(browser)
            try:
                await self._converse(browser, message)
            finally:
                self._open.discard(browser)

    async def _converse(self, browser: Browser, message: dict[str, Any]) -> None:
        await browser.send(
            "POST",
            "/mcp",
            headers=(
                *JSON,
                *self._all_headers,
                ("accept", "application/json, text/event-stream"),
            ),
            body=encoded(message),
        )
        head = await browser.head()
        given = head.headers.get("mcp-session-id", "")
        if given and not self.session_id:
            self.stage.session_ids.append(given)
        self.session_id = given or self.session_id
        if head.headers.get("content-type") == "text/event-stream":
            await self._hear(browser)
        elif head.status == OK:
            self.heard(msgspec.json.decode(await _body(browser)))
        elif head.status != ACCEPTED:
            self.refused(message, head.status)
        if "id" in message and "method" in message:
            self.lost(message["id"], f"status {head.status} without an answer")

    async def _hear(self, browser: Browser) -> None:
        while (block := await browser.block()) is not None:
            message = message_in(block)
            if message is not None:
                self.heard(message)

    async def _listen(self) -> None:
        try:
            await self._hear_session()
        except OSError as error:  # not even connected: only a stop refuses
            self._unheard(type(error).__name__, proper=True)
        except LOST as error:
            self._unheard(type(error).__name__, proper=False)
        else:
            if self._listening == 1:  # else another took its place
                self._unheard("properly", proper=True)

    async def _hear_session(self) -> None:
        async with self.stage.connection() as browser:
            self._open.add(browser)
            await browser.send(
                "GET",
                "/mcp",
                headers=(*self._all_headers, ("accept", "text/event-stream")),
            )
            head = await browser.head()
            if head.status != OK:
                await trio.sleep_forever()
            await self._hear(browser)

    def _unheard(self, how: str, *, proper: bool) -> None:
        """The stream of the session itself has ended; its calls have their own."""
        self.stage.trace.note(self.name, f"listening ended: {how}")
        if self.gone or self.stage.excuses(self._began):
            return
        if not (proper and self.stage.stopping):
            self.stage.trace.breach("stream", f"{self.name} no longer hears: {how}")


async def _body(browser: Browser) -> bytes:
    return b"".join([part async for part in browser.parts()])


def message_in(block: str) -> dict[str, Any] | None:
    """The message of an event; None for a comment."""
    data = [line[6:] for line in block.split("\n") if line.startswith("data: ")]
    if not data:
        return None
    return msgspec.json.decode("\n".join(data), type=dict[str, Any])
