"""The whole downstream side as one handler: authority, route, guard, page.

Every request passes in this order, so that nothing is read or opened for a caller who
has not been let in. `Parts` is what the composition root gives.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
import trio

from bridge.config.model import BridgeConfig
from bridge.contract.control import Control
from bridge.downstream.answer import method_not_allowed, not_found, refusal
from bridge.downstream.authority import AuthorityPolicy
from bridge.downstream.challenge import challenge
from bridge.downstream.client_metadata import client_metadata
from bridge.downstream.event_stream import Lifetime
from bridge.downstream.guard import Admission, Door
from bridge.downstream.health import Health, Management
from bridge.downstream.mcp_endpoint import McpEndpoint
from bridge.downstream.message import Answer, Request, Response
from bridge.downstream.metadata import ResourceMetadata
from bridge.downstream.routes import Page, Route, find
from bridge.downstream.sse_endpoint import SseEndpoint
from bridge.errors import GuardError
from bridge.ports import WallClock
from bridge.router.dispatch import Dispatcher
from bridge.router.policy import View
from bridge.router.session import Session, Sessions

#: Idle sessions are looked for this often; they may live that much longer.
SWEEP = 15.0


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the downstream side stands on.

    ``knows`` tells whether a view has any upstream (`Board.knows`). ``metadata`` is
    None when there is no issuer to name (authentication is off).
    """

    bridge: BridgeConfig
    authority: AuthorityPolicy
    door: Door
    metadata: ResourceMetadata | None
    sessions: Sessions
    dispatcher: Dispatcher
    control: Control
    knows: Callable[[View], bool]
    clock: WallClock
    metrics: Callable[[], bytes] | None = None
    refused: Callable[[str], None] = lambda _code: None


#: Pages that show a view; of one without any upstream they would show nothing.
_VIEWS = frozenset({Page.SSE, Page.MCP, Page.TOOLS})
#: Pages that show to each client what it may see; all others are of the whole bridge.
_FOR_EVERYBODY = _VIEWS | {
    *(Page.MESSAGES, Page.STATUS, Page.SERVERS, Page.TAGS, Page.SERVER_STATUS)
}


class Gateway:
    """Answers requests; owns the idle sweep and the end of all streams."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        limits = parts.bridge.limits
        lifetime = Lifetime(parts.clock, leeway=parts.bridge.auth.leeway)
        self._health = Health(parts.control)
        self._client = client_metadata(parts.bridge)
        self._managed = managed_pages(
            Management(
                control=parts.control,
                dispatcher=parts.dispatcher,
                metrics=parts.metrics,
            )
        )
        self._sse = SseEndpoint(
            sessions=parts.sessions,
            dispatcher=parts.dispatcher,
            control=parts.control,
            lifetime=lifetime,
            keep_alive=limits.keep_alive,
            root_path=urlsplit(parts.bridge.public_url).path.rstrip("/"),
        )
        self._mcp = McpEndpoint(
            sessions=parts.sessions,
            dispatcher=parts.dispatcher,
            control=parts.control,
            lifetime=lifetime,
            keep_alive=limits.keep_alive,
            sink_bytes=limits.outbox_bytes,
        )

    async def handle(self, request: Request) -> Answer:
        """The answer to one request. Raises what reading its body raises."""
        try:
            self._check_authority(request)
            route = find(request.path)
            if route is None:
                return not_found()
            if route.page.public:
                return self._public(request, route.page)
            admission = await self._parts.door.admit(request)
            return await self._admitted(request, route, admission)
        except GuardError as error:
            return self._refuse(request, error)

    async def _admitted(
        self, request: Request, route: Route, admission: Admission
    ) -> Answer:
        """The page, as far as this client may see it. Raises `GuardError`."""
        page = route.page
        if request.method not in page.methods:
            return method_not_allowed(page.methods)
        board = self._parts.dispatcher.board
        view = board.view_for(route.view, admission.entitlement)
        if page in _VIEWS and not self._parts.knows(view):
            return not_found("there is no server for this address")
        if page not in _FOR_EVERYBODY and not view.access.is_full:
            return refusal(
                403, "forbidden", "this is for those who may see every server"
            )
        return await self._page(request, Route(page, view), admission)

    async def sweep(self) -> None:
        """End `/mcp` sessions nobody uses, for ever."""
        while True:
            await trio.sleep(SWEEP)
            self._end_idle(trio.current_time())

    def end_sessions(self, reason: str) -> None:
        """Every stream gets its proper end; to be called before the server stops."""
        for session in self._parts.sessions.all():
            self._parts.sessions.close(session, reason)

    def _check_authority(self, request: Request) -> None:
        self._parts.authority.check(
            hosts=[value for name, value in request.headers if name == "host"],
            origins=[value for name, value in request.headers if name == "origin"],
        )

    def _refuse(self, request: Request, error: GuardError) -> Answer:
        self._parts.refused(error.code)
        metadata = self._parts.metadata
        return challenge(
            error,
            resource_metadata=metadata.url_for(request) if metadata else "",
            scopes=self._parts.bridge.auth.required_scopes,
        )

    def _public(self, request: Request, page: Page) -> Answer:
        if request.method not in page.methods:
            return method_not_allowed(page.methods)
        match page:
            case Page.HEALTH:
                return self._health.alive()
            case Page.READY:
                return self._health.ready()
            case Page.CLIENT:
                return self._client or not_found()
            case _:
                metadata = self._parts.metadata
                found = metadata.answer(request) if metadata is not None else None
                return found or not_found()

    async def _page(
        self, request: Request, route: Route, admission: Admission
    ) -> Answer:
        match route.page:
            case Page.SSE:
                return await self._sse.open(admission, route.view)
            case Page.MESSAGES:
                return await self._sse.post(request, admission)
            case Page.MCP if request.method == "POST":
                return await self._mcp.post(request, admission, view=route.view)
            case Page.MCP if request.method == "GET":
                return await self._mcp.listen(request, admission, view=route.view)
            case Page.MCP:
                return await self._mcp.end(request, admission, view=route.view)
            case _:
                return self._managed[route.page](route)

    def _end_idle(self, now: float) -> None:
        for session in self._parts.sessions.all():
            if _is_used(session):
                session.last_used = now
            elif now - session.last_used > self._parts.bridge.limits.session_idle:
                self._parts.sessions.close(session, "idle")


def _is_used(session: Session) -> bool:
    return session.streaming or bool(session.in_flight)


def managed_pages(
    management: Management,
) -> dict[Page, Callable[[Route], Response]]:
    return {
        Page.STATUS: lambda route: management.status(route.view),
        Page.SERVERS: lambda route: management.servers(route.view),
        Page.TAGS: lambda route: management.tags(route.view),
        Page.TOOLS: lambda route: management.tools(route.view),
        Page.SERVER_STATUS: lambda route: management.server(route.view),
        Page.RECONNECT: lambda route: management.reconnect(route.view.server or ""),
        Page.RESCAN: lambda _: management.rescan(),
        Page.METRICS: lambda _: management.metrics(),
        Page.TREE: lambda route: management.tree(route.view),
    }
