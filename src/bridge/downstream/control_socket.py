"""The management pages on a unix socket, for the command line on this machine.

Who may open the socket's file (mode 0600) is its owner, and needs no token for it.
Only management and health are served here: tools are called through the front door.
"""

from collections.abc import Callable

import trio

from bridge.actor.child import ChildContext
from bridge.downstream.answer import method_not_allowed, not_found
from bridge.downstream.asgi import AsgiApplication
from bridge.downstream.forwarded import TrustedProxies
from bridge.downstream.gateway import managed_pages
from bridge.downstream.health import Health, Management
from bridge.downstream.message import Answer, Request
from bridge.downstream.oauth_pages import OAuthPages
from bridge.downstream.pin_pages import PinPages
from bridge.downstream.reload_pages import ReloadPages
from bridge.downstream.request import Reader
from bridge.downstream.routes import Page, find
from bridge.downstream.server import HttpServer
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import WallClock
from bridge.router.policy import View

Listener = trio.abc.Listener[trio.abc.Stream]
#: Opens the socket of the bridge on this port. Raises OSError.
ListenControl = Callable[[int], Listener]

#: A person and a script or two; whoever leaves connections open harms nobody else.
CONNECTIONS = 32
#: What is posted here is nothing, or an address; heads are those of our own command.
SMALL = 64 * 2**10


class ControlPages:
    """Answers what the command line asks."""

    def __init__(
        self,
        *,
        health: Health,
        management: Management,
        knows: Callable[[View], bool],
        oauth: OAuthPages,
        reload: ReloadPages,
        pins: PinPages,
    ) -> None:
        self._health = health
        self._oauth = oauth
        self._reload = reload
        self._pins = pins
        self._knows = knows
        self._managed = managed_pages(management)

    async def handle(self, request: Request) -> Answer:
        """The page, or 404: MCP itself is not spoken here."""
        for pages in (self._oauth, self._reload, self._pins):
            if (answer := await pages.handle(request)) is not None:
                return answer
        route = find(request.path)
        if route is None or (page := route.page) not in {*self._managed, Page.READY}:
            return not_found()
        if request.method not in page.methods:
            return method_not_allowed(page.methods)
        if page is Page.TOOLS and not self._knows(route.view):
            return not_found("there is no such server or tag")
        if page is Page.READY:
            return self._health.ready()
        return self._managed[page](route)


async def serve_control(
    pages: ControlPages,
    context: ChildContext,
    *,
    listen: Callable[[], Listener],
    clock: WallClock,
    log: Log,
) -> None:
    """Serve until ``context.stopping``; then cut, since every answer is short.

    Where the socket cannot be opened the bridge does without, and says so.
    """
    try:
        listener = listen()
    except OSError as error:
        log.emit(events.CONTROL_UNAVAILABLE, error=error.strerror or str(error))
        return
    reader = Reader(body_bytes=SMALL, header_bytes=SMALL, proxies=TrustedProxies(()))
    server = HttpServer(
        AsgiApplication(pages.handle, reader=reader, log=log),
        clock=clock,
        log=log,
        connections=CONNECTIONS,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [listener])
        context.started()
        await context.stopping.wait()
        nursery.cancel_scope.cancel()
