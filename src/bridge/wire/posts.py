"""Messages that leave by HTTP POST: a task each, cancellable one by one."""

from collections.abc import AsyncIterator, Awaitable, Callable

import trio

from bridge.errors import (
    AnswerUnreadable,
    FrameInvalid,
    LinkBusy,
    LinkError,
    LinkLost,
    ProtocolError,
)
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.protocol.frame import encode
from bridge.wire.allowance import Allowance
from bridge.wire.inbox import Inbox
from bridge.wire.link import Outgoing, RequestFailed

#: A notification or a response has no deadline of the actor's.
_UNANSWERED_DEADLINE = 30.0
_INITIALIZED = "notifications/initialized"

Post = Callable[[Outgoing], Awaitable[None]]


class Body:
    """The body of a POST. Asking for it marks the message as written.

    Headers alone run nothing: their length promises a body.
    """

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._data = encode(outgoing.frame)

    def __len__(self) -> int:
        return len(self._data)

    def __aiter__(self) -> AsyncIterator[bytes]:
        # No generator: one that is cut in the middle would be left to the collector.
        return _Parts(self._outgoing, self._data)


class _Parts:
    def __init__(self, outgoing: Outgoing, data: bytes) -> None:
        self._outgoing = outgoing
        self._data = data

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._outgoing.revoked:
            # To end early would break the promise of the length: the HTTP engine
            # calls that a bug of ours, and it would be one of the whole link.
            raise LinkLost("the message was taken back before it was sent")
        self._outgoing.written = True
        data, self._data = self._data, b""
        if not data:
            raise StopAsyncIteration
        return data


class Posts:
    """Starts a task per message; trouble of one is an event, never an exception.

    The notification that ends the handshake is posted alone: a server may refuse what
    overtakes it, and POSTs on separate connections have no order.
    """

    def __init__(
        self, nursery: trio.Nursery, inbox: Inbox, *, post: Post, bound: int, log: Log
    ) -> None:
        self._nursery = nursery
        self._inbox = inbox
        self._post = post
        self._bound = bound
        self._log = log
        self._running = 0
        self._scopes: dict[int, trio.CancelScope] = {}
        self._handshake: trio.Event | None = None
        # A server that asks without end and takes no answer must not fill the log.
        self._allowance = Allowance(burst=20, per_second=0.2)

    def send(self, outgoing: Outgoing) -> None:
        """Start a message on its way. Raises `LinkBusy` or the link's error."""
        self._inbox.check()
        if self._running >= self._bound:
            raise LinkBusy("too many messages are on their way")
        self._running += 1
        scope = trio.CancelScope()
        if outgoing.upstream_id is not None:
            self._scopes[outgoing.upstream_id] = scope
        behind = self._handshake
        if outgoing.frame.method == _INITIALIZED:
            self._handshake = trio.Event()
        self._nursery.start_soon(self._run, outgoing, behind, scope)

    def cancel(self, upstream_id: int) -> None:
        """Close this request's exchange; nothing more comes of it."""
        if scope := self._scopes.get(upstream_id):
            scope.cancel()

    async def _run(
        self, outgoing: Outgoing, behind: trio.Event | None, scope: trio.CancelScope
    ) -> None:
        with scope:
            if behind is not None:
                await behind.wait()
            if outgoing.upstream_id is None:
                await self._unanswered(outgoing)
            else:
                await self._request(outgoing, outgoing.upstream_id)
        self._running -= 1
        if outgoing.upstream_id is not None:
            del self._scopes[outgoing.upstream_id]

    async def _request(self, outgoing: Outgoing, upstream_id: int) -> None:
        try:
            await self._post(outgoing)
        except (LinkError, ProtocolError) as error:
            await self._inbox.put(
                RequestFailed(upstream_id=upstream_id, error=_as_link_error(error))
            )

    async def _unanswered(self, outgoing: Outgoing) -> None:
        ends_handshake = outgoing.frame.method == _INITIALIZED
        try:
            with trio.fail_after(_UNANSWERED_DEADLINE):
                await self._post(outgoing)
        except trio.TooSlowError:
            self._failed(LinkLost("a message was not taken"), fatal=ends_handshake)
        except (LinkError, ProtocolError) as error:
            self._failed(_as_link_error(error), fatal=ends_handshake)
        if ends_handshake and self._handshake is not None:
            self._handshake.set()

    def _failed(self, error: LinkError, *, fatal: bool) -> None:
        if fatal:
            self._inbox.fail(error)
        elif self._allowance.take():
            self._log.emit(
                events.UPSTREAM_POST_FAILED,
                error=error.public,
                suppressed=self._allowance.suppressed(),
            )


def _as_link_error(error: LinkError | ProtocolError) -> LinkError:
    match error:
        case LinkError():
            return error
        case FrameInvalid():
            return AnswerUnreadable(error.public)
        case _:
            return LinkError(error.public)
