"""The downstream side as one child: what it listens on, who it lets in, how it drains.

Draining has a fixed order (architecture 12): calls in flight finish, every stream gets
its proper end, and only then is the HTTP server told to stop.
"""

from collections.abc import Callable, Sequence

import trio

from bridge.actor.child import ChildContext
from bridge.config.model import BridgeConfig
from bridge.contract.control import Control
from bridge.downstream.asgi import AsgiApplication
from bridge.downstream.authority import AuthorityPolicy
from bridge.downstream.forwarded import TrustedProxies
from bridge.downstream.gateway import Gateway, Parts
from bridge.downstream.guard import Door, Guard, NoGuard
from bridge.downstream.metadata import ResourceMetadata
from bridge.downstream.request import Reader
from bridge.downstream.server import HttpServer
from bridge.http import HttpClients
from bridge.identity.fetch import FetchResult
from bridge.identity.keys import KeyCache
from bridge.identity.policy import TokenPolicy
from bridge.observe.logging import Log
from bridge.observe.metrics import Metrics
from bridge.ports import Ports
from bridge.router.board import Board
from bridge.router.dispatch import Dispatcher
from bridge.router.session import Sessions

Listener = trio.abc.Listener[trio.abc.Stream]

#: What answers already given need to leave, once their streams have ended.
LAST_WORDS = 2.0
#: Calls in flight are looked for this often while draining.
DRAIN_POLL = 0.05


class Front:
    """Builds guard, gateway and server; runs them as the child ``server``."""

    def __init__(
        self,
        *,
        config: BridgeConfig,
        ports: Ports,
        log: Log,
        http: HttpClients,
        board: Board,
        sessions: Sessions,
        dispatcher: Dispatcher,
        control: Control,
        metrics: Metrics,
    ) -> None:
        self._config = config
        self._ports = ports
        self._log = log
        self._board = board
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._control = control
        self._metrics = metrics
        self._listeners: Sequence[Listener] = ()
        self._server: HttpServer | None = None
        self._bound: tuple[tuple[str, int], ...] = ()
        self.keys = self._key_cache(http) if config.auth.mode == "jwt" else None
        self._door = self._make_door()

    @property
    def url(self) -> str:
        """The base address clients reach us at."""
        if self._config.public_url:
            return self._config.public_url.rstrip("/")
        return f"http://{self._authority}"

    @property
    def port(self) -> int:
        """The port it is bound to, once `listen` was called."""
        return self._bound[0][1]

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return 0 if self._server is None else self._server.connections

    async def listen(self) -> None:
        """Bind. Raises OSError; a restarted child binds the same port again."""
        host = self._config.host
        port = self._bound[0][1] if self._bound else self._config.port
        self._listeners = await self._ports.network.listen(host, port)
        self._bound = tuple(bound_to(each, (host, port)) for each in self._listeners)

    async def aclose(self) -> None:
        """Give up what `listen` bound and nobody serves."""
        listeners, self._listeners = self._listeners, ()
        for listener in listeners:
            await listener.aclose()

    async def run(
        self,
        context: ChildContext,
        *,
        patience: float,
        draining: Callable[[], None],
    ) -> None:
        """Serve until ``context.stopping``, then drain for ``patience`` seconds.

        ``draining`` is told that it begins, whoever gave the order.
        """
        if not self._listeners:
            await self.listen()
        listeners, self._listeners = self._listeners, ()
        gateway = self._gateway()
        server = HttpServer(
            self._application(gateway),
            clock=self._ports.clock,
            log=self._log,
            connections=self._config.limits.connections,
        )
        self._server = server
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateway.sweep)
            await nursery.start(server.serve, listeners)
            context.started()
            await context.stopping.wait()
            draining()
            await self._drain(gateway, server, patience=patience)
            nursery.cancel_scope.cancel()

    async def _drain(
        self, gateway: Gateway, server: HttpServer, *, patience: float
    ) -> None:
        with trio.move_on_after(patience):
            while self._dispatcher.in_flight:  # noqa: ASYNC110 - an event per call costs more
                await trio.sleep(DRAIN_POLL)
        self._dispatcher.end_calls("the bridge stopped")
        gateway.end_sessions("the bridge is stopping")
        await server.stop()
        with trio.move_on_after(LAST_WORDS):
            while server.connections:  # noqa: ASYNC110 - only while stopping
                await trio.sleep(DRAIN_POLL)

    @property
    def _authority(self) -> str:
        host, port = self._bound[0]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _key_cache(self, http: HttpClients) -> KeyCache:
        auth = self._config.auth
        fetcher = http.fetcher()

        async def fetch(url: str) -> FetchResult:
            fetched = await fetcher.fetch(url)
            return FetchResult(
                status=fetched.status,
                body=fetched.body,
                content_type=fetched.headers.get("content-type", ""),
            )

        return KeyCache(auth.issuer, auth.jwks_url, fetch=fetch, log=self._log)

    def _make_door(self) -> Door:
        if self.keys is None:
            return NoGuard()
        return Guard(
            policy=TokenPolicy.from_config(self._config.auth),
            keys=self.keys,
            clock=self._ports.clock,
            log=self._log,
        )

    def _gateway(self) -> Gateway:
        keys = self.keys
        metadata = keys and ResourceMetadata(
            public_url=self._config.public_url,
            listening=self._authority,
            issuer=lambda: keys.issuer,
            scopes=self._config.auth.required_scopes,
        )
        return Gateway(
            Parts(
                bridge=self._config,
                authority=AuthorityPolicy.from_config(self._config, bound=self._bound),
                door=self._door,
                metadata=metadata,
                sessions=self._sessions,
                dispatcher=self._dispatcher,
                control=self._control,
                knows=self._board.knows,
                clock=self._ports.clock,
                metrics=self._metrics.text,
                refused=self._metrics.refused,
            )
        )

    def _application(self, gateway: Gateway) -> AsgiApplication:
        limits = self._config.limits
        return AsgiApplication(
            gateway.handle,
            reader=Reader(
                body_bytes=limits.body_bytes,
                header_bytes=limits.header_bytes,
                proxies=TrustedProxies(self._config.trusted_proxies),
            ),
            log=self._log,
        )


def bound_to(listener: Listener, asked: tuple[str, int]) -> tuple[str, int]:
    """The address a listener really has: port 0 asks for any."""
    socket = getattr(listener, "socket", None)
    if socket is None:
        return asked
    host, port, *_ = socket.getsockname()
    return host, port
