"""What a link has for its actor: events, then one error for good."""

import trio

from bridge.errors import LinkError, LinkLost
from bridge.wire.allowance import Allowance
from bridge.wire.link import LinkEvent, Received, RequestFailed

#: Few, because each may hold a message of the size limit.
_BOUND = 16
#: What a server may say unasked: more than honest ones do, and little work (C31).
_UNASKED_AT_ONCE = 1000
_UNASKED_PER_SECOND = 500.0
#: A question wants an answer, and over HTTP each answer is a request of ours.
_QUESTIONS_AT_ONCE = 100
_QUESTIONS_PER_SECOND = 50.0
#: Its pipe fills meanwhile, and then it waits, too.
_FLOOD_PAUSE = 0.05


class Inbox:
    """Bounded: a producer waits while the actor is busy, and so does the peer.

    It also waits while the peer says more unasked than is allowed: a flood of small
    messages would take the time of all other upstreams.
    """

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[LinkEvent](_BOUND)
        self._error: LinkError | None = None
        self._unasked = Allowance(
            burst=_UNASKED_AT_ONCE, per_second=_UNASKED_PER_SECOND
        )
        self._questions = Allowance(
            burst=_QUESTIONS_AT_ONCE, per_second=_QUESTIONS_PER_SECOND
        )

    @property
    def error(self) -> LinkError | None:
        """Why the link is lost; None while it is well."""
        return self._error

    async def put(self, event: LinkEvent) -> None:
        """Hand over an event, waiting for room; dropped once the link is lost."""
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            await self._wait_for_room(event)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return
        if not self._allowed(event):
            await trio.sleep(_FLOOD_PAUSE)

    def _allowed(self, event: LinkEvent) -> bool:
        match event:
            case Received(frame=frame) if frame.is_request:
                return self._questions.take()
            case Received(frame=frame) if frame.is_response:
                return True
            case RequestFailed():
                return True
            case _:
                return self._unasked.take()

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
