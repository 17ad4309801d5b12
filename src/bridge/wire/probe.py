"""An address without a named transport: streamable HTTP first, then HTTP+SSE.

The verdict is the answer to ``initialize`` (protocol 3.3, step 4): 400, 404 or 405
without a JSON-RPC body means an older server. It is kept for later links and dropped
when the older transport fails to open.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus

import trio

from bridge.errors import LinkError, RequestRefused
from bridge.wire.background import background_tasks
from bridge.wire.link import Link, LinkEvent, Outgoing, RequestFailed, Transport

_OLDER = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
)


class ProbeTransport:
    """Opens ``newer`` links that fall back to ``older`` ones."""

    def __init__(self, newer: Transport, older: Transport) -> None:
        self._newer = newer
        self._older = older
        self._settled_on_older = False

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Link, None]:
        if self._settled_on_older:
            async with self._opened_older() as link:
                yield link
            return
        async with self._newer.open() as newer, background_tasks() as nursery:
            link = _ProbeLink(newer, self, nursery)
            yield link

    @asynccontextmanager
    async def _opened_older(self) -> AsyncGenerator[Link, None]:
        opened = False
        try:
            async with self._older.open() as link:
                opened = True
                yield link
        finally:
            self._settled_on_older = opened

    async def keep_older_open(self, opened: "_Fallback") -> None:
        """Open the older transport for as long as this task runs."""
        try:
            async with self._opened_older() as link:
                opened.resolve(link)
                await trio.sleep_forever()
        except LinkError as error:
            opened.resolve(error)


class _Fallback:
    """The older link, or why there is none; one task opens, another waits."""

    def __init__(self) -> None:
        self._event = trio.Event()
        self._outcome: Link | LinkError | None = None

    def resolve(self, outcome: Link | LinkError) -> None:
        self._outcome = outcome
        self._event.set()

    async def wait(self) -> Link:
        """The link. Raises its `LinkError`; the transport bounds the wait."""
        await self._event.wait()
        assert self._outcome is not None
        if isinstance(self._outcome, LinkError):
            raise self._outcome
        return self._outcome


class _ProbeLink:
    def __init__(
        self, newer: Link, transport: ProbeTransport, nursery: trio.Nursery
    ) -> None:
        self._link = newer
        self._transport = transport
        self._nursery = nursery
        self._initialize: Outgoing | None = None
        self._fallback: _Fallback | None = None
        self._refusal: LinkEvent | None = None

    def send(self, outgoing: Outgoing) -> None:
        if outgoing.frame.method == "initialize":
            self._initialize = outgoing
        self._link.send(outgoing)

    def cancel(self, upstream_id: int) -> None:
        self._link.cancel(upstream_id)

    def agreed(self, revision: str) -> None:
        self._initialize = None
        self._link.agreed(revision)

    async def receive(self) -> LinkEvent:
        if self._fallback is None:
            event = await self._link.receive()
            if self._initialize is None or not _refuses(event, self._initialize):
                return event
            self._refusal = event
            self._fallback = _Fallback()
            self._nursery.start_soon(self._transport.keep_older_open, self._fallback)
        return await self._fall_back(self._fallback)

    async def _fall_back(self, fallback: _Fallback) -> LinkEvent:
        """May be cancelled and called again: nothing is lost before the swap."""
        initialize, refusal = self._initialize, self._refusal
        assert initialize is not None
        assert refusal is not None
        try:
            link = await fallback.wait()
        except LinkError:
            self._fallback = None
            return refusal  # neither: the first refusal says what this address is
        self._link, self._fallback, self._initialize = link, None, None
        link.send(Outgoing(initialize.frame, upstream_id=initialize.upstream_id))
        return await link.receive()


def _refuses(event: LinkEvent, initialize: Outgoing) -> bool:
    return (
        isinstance(event, RequestFailed)
        and event.upstream_id == initialize.upstream_id
        and isinstance(event.error, RequestRefused)
        and event.error.status in _OLDER
    )
