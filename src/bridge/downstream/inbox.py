"""What one request's application is told: its body, and that the client has gone."""

from collections import deque

import trio
from hypercorn.typing import ASGIReceiveEvent

#: Body parts that wait for the application; reading from the peer pauses beyond it.
MAX_PARTS = 8


class Inbox:
    """A bounded queue of ASGI messages whose last one never waits.

    hypercorn's own queue has no such exception: an application that answers without
    reading a long body then waits for itself, because the end of the answer is told
    through the full queue it does not read.
    """

    def __init__(self) -> None:
        self._parts: deque[ASGIReceiveEvent] = deque()
        self._gone = False
        self._closed = False
        self._arrived = trio.Event()
        self._taken = trio.Event()

    async def put(self, message: ASGIReceiveEvent) -> None:
        """Queue a body part, waiting for room; a disconnect is told at once."""
        if message["type"] == "http.disconnect":
            self._gone = True
            self._arrived.set()
            self._taken.set()
            return
        while len(self._parts) >= MAX_PARTS and not self._ended:
            self._taken = trio.Event()
            await self._taken.wait()
        if not self._ended:
            self._parts.append(message)
            self._arrived.set()

    async def receive(self) -> ASGIReceiveEvent:
        """The next part; after the last one, waits for the disconnect."""
        while not self._parts and not self._gone:
            self._arrived = trio.Event()
            await self._arrived.wait()
        if self._gone:
            self._parts.clear()
            return {"type": "http.disconnect"}
        self._taken.set()
        return self._parts.popleft()

    def close(self) -> None:
        """The application has ended: whatever comes is thrown away."""
        self._closed = True
        self._parts.clear()
        self._taken.set()

    @property
    def _ended(self) -> bool:
        return self._closed or self._gone
