"""What a link has for its actor: events, then one error for good."""

import trio

from bridge.errors import LinkError, LinkLost
from bridge.wire.link import LinkEvent

#: Few, because each may hold a message of the size limit.
_BOUND = 16


class Inbox:
    """Bounded: a producer waits while the actor is busy, and so does the peer."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[LinkEvent](_BOUND)
        self._error: LinkError | None = None

    @property
    def error(self) -> LinkError | None:
        """Why the link is lost; None while it is well."""
        return self._error

    async def put(self, event: LinkEvent) -> None:
        """Hand over an event, waiting only for room; dropped once the link is lost."""
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            await self._wait_for_room(event)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return

    async def _wait_for_room(self, event: LinkEvent) -> None:
        try:
            await self._send.send(event)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return

    def fail(self, error: LinkError) -> None:
        """The link is lost. The first reason stays; events already put are kept."""
        if self._error is None:
            self._error = error
            self._send.close()

    def check(self) -> None:
        """Raise the link's error, if it has one."""
        if self._error is not None:
            raise self._error

    async def receive(self) -> LinkEvent:
        """The next event, then the link's error."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise self._error or LinkLost("the link is closed") from None
