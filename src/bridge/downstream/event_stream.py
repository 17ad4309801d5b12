"""An event stream out of an outbox: what both MCP endpoints send to their clients."""

from collections.abc import Callable
from math import inf
from typing import Self

import trio

from bridge.downstream.answer import Headers
from bridge.downstream.message import StreamResponse
from bridge.ports import WallClock
from bridge.protocol.sse import comment, encode_event
from bridge.router.outbox import Item, Outbox, OutboxClosed
from bridge.router.session import Session

#: A comment: proxies see life, and a peer that has vanished fails the write.
COMMENT = comment("keep-alive")
#: Opens a stream that has nothing to say yet, so that its head goes out.
OPENING = comment("open")
#: Queued events go out together up to this size; then the writer looks up again.
JOINED = 2**18

HEADERS = (
    ("content-type", "text/event-stream"),
    ("cache-control", "no-store"),
    ("x-accel-buffering", "no"),
)


def event(data: bytes) -> bytes:
    """One JSON-RPC message (on one line, by `bridge.protocol.frame`) as an event."""
    return encode_event(data, event="message")


class Lifetime:
    """How long a stream may live: to the expiry of its session's newest token."""

    def __init__(self, clock: WallClock, *, leeway: float) -> None:
        self._clock = clock
        self._leeway = leeway

    def left(self, session: Session) -> float:
        """Seconds; zero or less when it is over, infinite without a token."""
        if session.expires_at is None:
            return inf
        return session.expires_at + self._leeway - self._clock.now()


class EventStream:
    """The chunks of one stream; each is one write of all that waits.

    Ends when the outbox is closed, when ``left()`` says that its time is over, on
    `stop`, and, if ``single``, with the response. ``ended`` is called once, with the
    reason, when the stream is done with.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        first: bytes,
        left: Callable[[], float],
        keep_alive: float,
        ended: Callable[[str], None] | None = None,
        single: bool = False,
    ) -> None:
        self._outbox = outbox
        self._first = first
        self._left = left
        self._keep_alive = keep_alive
        self._ended = ended
        self._single = single
        self._over = False
        self._reason = "the client has left"
        self._waiting = trio.CancelScope()

    def response(self, headers: Headers = ()) -> StreamResponse:
        """The answer that carries this stream."""
        return StreamResponse(status=200, headers=(*HEADERS, *headers), chunks=self)

    def stop(self, reason: str) -> None:
        """End the stream where it is; a first chunk not yet sent still goes out."""
        self._end(reason)
        self._waiting.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        item = None if self._over else await self._next()
        if self._over and item is None:
            await self.aclose()  # before the client can see the end
            raise StopAsyncIteration
        return COMMENT if item is None else self._joined(item)

    async def aclose(self) -> None:
        """Done with, for whatever reason. Never waits."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._reason)

    async def _next(self) -> Item | None:
        """The next item; None when there is only a comment to send, or the end."""
        left = self._left()
        if left <= 0:
            self._end("the token has expired")
            return None
        self._waiting = trio.CancelScope(
            deadline=trio.current_time() + min(left, self._keep_alive)
        )
        with self._waiting:
            try:
                return await self._outbox.get()
            except OutboxClosed as closed:
                self._end(str(closed))
        return None

    def _joined(self, item: Item | None) -> bytes:
        parts: list[bytes] = []
        size = 0
        while item is not None:
            parts.append(event(item.data))
            size += len(item.data)
            if self._single and item.response:
                self._end("answered")
                break
            item = self._outbox.get_nowait() if size < JOINED else None
        return b"".join(parts)

    def _end(self, reason: str) -> None:
        if not self._over:
            self._over, self._reason = True, reason
