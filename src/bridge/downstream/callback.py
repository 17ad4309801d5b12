"""The one login listener: browsers come back to it from the providers (R85 to R87).

It listens on loopback only, whatever the bridge itself listens on, and only while a
login is pending. All upstreams share it: the ``state`` tells the logins apart. Nothing
a stranger sends ends a login, and no page says anything but our own words.

RFC 8252 would let a native app take any free port (section 7.3). Ours is fixed, because
many providers compare the registered redirect address with its port. ``127.0.0.1`` is
the default for its section 8.3: the name ``localhost`` may resolve to something else.
"""

import errno
import math
from collections import deque
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager

import trio

from bridge.config.client_identity import CALLBACK_PATH, redirect_uri
from bridge.contract.login import Attendance
from bridge.downstream import callback_page as pages
from bridge.downstream.asgi import AsgiApplication
from bridge.downstream.authority import LOOPBACK_NAMES, Authority, parse_authority
from bridge.downstream.forwarded import TrustedProxies
from bridge.downstream.front import bound_to
from bridge.downstream.message import Request, Response
from bridge.downstream.pending_login import PendingLogin, login_of, parse_redirect
from bridge.downstream.request import Reader
from bridge.downstream.server import HttpServer
from bridge.errors import CallbackUnavailable
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import Network, WallClock

Listener = trio.abc.Listener[trio.abc.Stream]

#: After the last login the answered pages still have to reach their browsers.
GRACE = 1.0
LAST_WORDS = 2.0
#: Closing a socket does not wait; this is for one that is broken.
CLEAN_UP = 1.0
#: A browser opens a few; whoever leaves connections open harms nobody else.
CONNECTIONS = 32
SMALL = 16 * 2**10
#: States that are over, for a page that says so to whoever reloads it.
REMEMBERED = 64
#: A page in a browser can make it ask us as often as it likes.
QUIET = 10.0
_HTTP = 80
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class _Opening:
    """The listeners while they are open; ``scope`` ends after the last login."""

    def __init__(
        self, listeners: Sequence[Listener], *, port: int, server: HttpServer
    ) -> None:
        self.listeners = listeners
        self.port = port
        self.server = server
        self.scope = trio.CancelScope()

    async def aclose(self) -> None:
        """Give the port back, at once; the requests that came are still answered."""
        await self.server.stop()
        await _close_all(self.listeners)


class CallbackDesk:
    """Is the `LoginDesk`. ``run`` serves it, as a child of its own.

    ``hosts`` are the ``redirect_host`` values in use: with ``localhost`` among them it
    listens on ``::1`` too, where browsers may look first. Port 0 takes a free one, with
    the first login.
    """

    def __init__(
        self,
        *,
        network: Network,
        clock: WallClock,
        log: Log,
        port: int,
        hosts: Collection[str] = ("127.0.0.1",),
    ) -> None:
        self._network = network
        self._clock = clock
        self._log = log
        self._port = port
        #: Counts from the next login on.
        self.hosts = frozenset(hosts)
        self._logins: list[PendingLogin] = []
        self._over: deque[PendingLogin] = deque(maxlen=REMEMBERED)
        self._moving = trio.Lock()  # listeners are opened or closed
        self._opening: _Opening | None = None
        self._nursery: trio.Nursery | None = None
        self._running = trio.Event()
        self._quiet_until = -math.inf
        self._suppressed = 0

    @property
    def listening(self) -> bool:
        return self._opening is not None

    def redirect_uri(self, host: str) -> str:
        """``http://<host>:<port>/oauth/callback``."""
        return redirect_uri(host, self._port)

    async def run(
        self,
        stopping: trio.Event,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve whatever is opened, until ``stopping``; then cut it."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._running.set()
                task_status.started()
                await stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._nursery, self._opening = None, None
            self._running = trio.Event()

    @asynccontextmanager
    async def attend(self, state: str) -> AsyncGenerator[Attendance, None]:
        """Listen for the redirect that carries ``state``, while the block runs.

        Raises `CallbackUnavailable`. A block that ends without an answer has failed.
        """
        login = PendingLogin(state)
        self._logins.append(login)
        try:
            await self._open()
            yield login
        finally:
            login.answer(success=False)
            self._logins.remove(login)
            if login.used:
                self._over.append(login)
            if not self._logins and self._opening is not None:
                self._opening.scope.deadline = trio.current_time() + GRACE

    async def deliver(self, query: str) -> bool | None:
        """How the login ended that this redirect is for; None: there is none.

        False as well when its end does not come in good time.
        """
        parameters = parse_redirect(query)
        login = login_of(self._logins, parameters or {})
        if login is None or parameters is None:
            return None
        login.arrive(parameters)
        return await login.ending() or False

    # --- the listeners ---

    async def _open(self) -> None:
        async with self._moving:
            opening = self._opening
            if opening is not None and not opening.scope.cancel_called:
                opening.scope.deadline = math.inf
                return
            if opening is not None:
                await self._close(opening)
            while self._nursery is None:
                await self._running.wait()
            opening = await self._listen()
            try:
                await self._nursery.start(self._serve, opening)
            except BaseException:
                opening.scope.cancel()  # it may have been started all the same
                await opening.aclose()
                raise
            self._opening = opening

    async def _close(self, opening: _Opening) -> None:
        await opening.aclose()
        if self._opening is opening:
            self._opening = None

    async def _listen(self) -> _Opening:
        listeners = await self._bind("127.0.0.1", self._port)
        self._port = bound_to(listeners[0], ("127.0.0.1", self._port))[1]
        if "localhost" in self.hosts:
            try:
                listeners = [*listeners, *await self._bind("::1", self._port)]
            except BaseException:
                await _close_all(listeners)
                raise
        return _Opening(listeners, port=self._port, server=self._make_server())

    async def _bind(self, host: str, port: int) -> Sequence[Listener]:
        try:
            return await self._network.listen(host, port)
        except OSError as error:
            # Without IPv6 nobody can be there instead of us.
            if host == "::1" and error.errno in _NO_SUCH_ADDRESS:
                return ()
            raise CallbackUnavailable(
                f"the login callback cannot listen on port {port} of {host}: "
                f"{error.strerror or error}",
                asked=f"listen on {host}, port {port} (bridge.oauth_port)",
                advice="End the program that has the port, which may be another "
                "bridge or a login on the command line; or set bridge.oauth_port to a "
                "free port, and change the redirect address where the client was "
                "registered by hand. The next login tries it again.",
            ) from error

    def _make_server(self) -> HttpServer:
        none = TrustedProxies(())
        reader = Reader(body_bytes=SMALL, header_bytes=SMALL, proxies=none)
        return HttpServer(
            AsgiApplication(self._handle, reader=reader, log=self._log),
            clock=self._clock,
            log=self._log,
            connections=CONNECTIONS,
        )

    async def _serve(
        self,
        opening: _Opening,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(opening.server.serve, opening.listeners)
            self._log.emit(events.OAUTH_CALLBACK_OPENED, port=opening.port)
            task_status.started()
            with opening.scope:
                await trio.sleep_forever()
            async with self._moving:
                await self._close(opening)
            with trio.move_on_after(LAST_WORDS):
                while opening.server.connections:  # noqa: ASYNC110 - only while closing
                    await trio.sleep(LAST_WORDS / 20)
            nursery.cancel_scope.cancel()
        self._log.emit(events.OAUTH_CALLBACK_CLOSED, port=opening.port)

    # --- requests ---

    async def _handle(self, request: Request) -> Response:
        """The page of one request: a refusal at once, or the end of its login."""
        if not self._is_ours(request):
            return self._refuse("host", pages.WRONG_HOST)
        if request.path == "/favicon.ico":  # browsers ask by themselves
            return pages.NOT_FOUND
        if request.path != CALLBACK_PATH:
            return self._refuse("path", pages.NOT_FOUND)
        if request.method != "GET":
            return self._refuse("method", pages.ONLY_GET)
        return await self._take(request)

    async def _take(self, request: Request) -> Response:
        parameters = parse_redirect(request.query)
        if parameters is None:
            return self._refuse("malformed", pages.MALFORMED)
        login = login_of(self._logins, parameters)
        if login is not None and login.arrive(parameters):
            return _PAGES[await login.ending()]
        if login is not None or login_of(self._over, parameters) is not None:
            return self._refuse("used state", pages.USED)
        return self._refuse("unknown state", pages.UNKNOWN)

    def _is_ours(self, request: Request) -> bool:
        """A page elsewhere can give any name our address, but not send our Host."""
        hosts = [value for name, value in request.headers if name == "host"]
        found = parse_authority(hosts[0]) if len(hosts) == 1 else None
        ports = {self._port, None} if self._port == _HTTP else {self._port}
        ours = {Authority(name, port) for name in LOOPBACK_NAMES for port in ports}
        return found in ours

    def _refuse(self, reason: str, response: Response) -> Response:
        now = trio.current_time()
        if now < self._quiet_until:
            self._suppressed += 1
            return response
        self._log.emit(
            events.OAUTH_CALLBACK_REFUSED, reason=reason, suppressed=self._suppressed
        )
        self._quiet_until, self._suppressed = now + QUIET, 0
        return response


_PAGES = {True: pages.SUCCEEDED, False: pages.FAILED, None: pages.UNFINISHED}


async def _close_all(listeners: Sequence[Listener]) -> None:
    # Cancelled after the first, the others would keep the port.
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEAN_UP):
        for listener in listeners:
            await listener.aclose()
