"""Opens and closes the links of one upstream, one at a time, in one task."""

from collections.abc import Callable

import msgspec
import trio

from bridge.errors import LinkError
from bridge.upstream.state import Admitted, Queued
from bridge.upstream.turns import Turn
from bridge.wire.link import Link, LinkEvent, Transport


class LinkHooks(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to tell. ``failed`` ends an attempt or a link; nothing comes after it.

    ``tell``: others come first, or not any more.
    """

    tell: Callable[[Queued | Admitted], None]
    opened: Callable[[Link], None]
    event: Callable[[LinkEvent], None]
    failed: Callable[[LinkError], None]


class LinkKeeper:
    """`open` and `close` only wish; the task in `run` carries it out.

    A new link is opened when the old one is closed, however long that takes its
    transport. After `close` nothing more is heard of the old link.
    """

    def __init__(self, transport: Transport, turn: Turn, hooks: LinkHooks) -> None:
        self._transport = transport
        self._turn = turn
        self._hooks = hooks
        self._wake = trio.Event()
        self._wanted = False
        self._busy = False
        self._idle = trio.Event()
        self._scope: trio.CancelScope | None = None  # what `close` ends

    def open(self) -> None:
        """Want a link."""
        self._wanted = True
        self._wake.set()

    def close(self) -> None:
        """Give up the link, or the attempt at one."""
        self._wanted = False
        if self._scope is not None:
            self._scope.cancel()

    async def closed(self) -> None:
        """Wait, after `close`, until the link is gone; its transport bounds it."""
        if self._busy:
            await self._idle.wait()

    async def run(self) -> None:
        """Serve the wishes until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            if self._wanted:
                self._wanted = False
                await self._one_link()

    async def _one_link(self) -> None:
        heard_all = False
        self._busy, self._idle = True, trio.Event()
        with trio.CancelScope() as opening:
            self._scope = opening
            try:
                await self._turn.take(self._queued)
                self._hooks.tell(Admitted())
                async with self._transport.open() as link:
                    # an opening that could not be interrupted was closed meanwhile
                    await trio.lowlevel.checkpoint_if_cancelled()
                    await self._pump(link)
                    heard_all = True
            except LinkError as error:
                # what goes wrong while closing is of no interest any more
                if not (heard_all or opening.cancel_called):
                    self._hooks.failed(error)
        self._scope = None
        self._busy = False
        self._idle.set()

    def _queued(self, until: float, reason: str) -> None:
        self._hooks.tell(Queued(reason, until))

    async def _pump(self, link: Link) -> None:
        """Tell every event. Closing ends only this, so that a link can end well."""
        with trio.CancelScope() as scope:
            self._scope = scope
            self._hooks.opened(link)
            while True:
                try:
                    event = await link.receive()
                except LinkError as error:
                    self._hooks.failed(error)
                    break
                self._hooks.event(event)
                del event  # the next one may be long in coming, and this one large
        self._scope = None
