"""One logical event stream over the responses that carry it: what to resume with."""

from collections.abc import Awaitable, Callable

import trio

from bridge.errors import LinkLost
from bridge.http import Answer
from bridge.protocol.sse import EventDecoder, ServerEvent

#: The pause before a stream is opened again when the server did not say.
_PAUSE = 1.0
#: After the answer only the end of the stream is awaited, to keep the connection.
_REST_DEADLINE = 1.0
_REST_CHUNKS = 16

#: Takes an event; True: the stream has served its purpose.
Take = Callable[[ServerEvent], Awaitable[bool]]


class EventStream:
    """Reads responses and keeps the last event id and the retry time across them."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._last_event_id = ""
        self._pause = _PAUSE

    @property
    def last_event_id(self) -> str:
        """What ``Last-Event-ID`` may say; empty: the stream cannot be resumed."""
        return self._last_event_id

    @property
    def pause(self) -> float:
        """How long to wait before the next response is asked for."""
        return self._pause

    async def read(self, response: Answer, take: Take) -> bool:
        """Read until ``take`` is satisfied (True), or the response ends or is cut.

        Raises `FrameTooLarge`.
        """
        decoder = EventDecoder(limit=self._limit)
        try:
            while chunk := await response.receive():
                if await self._feed(decoder, chunk, take):
                    await _finish(response)
                    return True
        except LinkLost:
            return False
        return False

    async def _feed(self, decoder: EventDecoder, chunk: bytes, take: Take) -> bool:
        done = False
        for event in decoder.feed(chunk):
            done = done or await take(event)
        if decoder.last_event_id.isprintable():
            self._last_event_id = decoder.last_event_id or self._last_event_id
        self._pause = decoder.retry or self._pause
        return done


async def _finish(response: Answer) -> None:
    with trio.move_on_after(_REST_DEADLINE):
        for _ in range(_REST_CHUNKS):
            if not await response.receive():
                return
