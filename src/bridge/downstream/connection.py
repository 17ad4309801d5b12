"""One HTTP/1.1 connection: hypercorn's protocol engine over one byte stream.

The only module that touches what hypercorn (0.18) does not document: `H11Protocol`, its
events, and the shape of its task group. `tests/clock/downstream/test_connection.py`
fails when an upgrade changes them. What differs from hypercorn's own server:

- a deadline instead of a task for idle connections, and one for slow request heads;
- one write per whole answer and per chunk of a stream;
- every write has a deadline (`bridge.downstream.stream`);
- no upgrade: neither HTTP/2 over cleartext nor WebSocket;
- the peer's last bytes are read before closing, so that a refusal given before the
  body was read arrives instead of a reset.
"""

from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, cast
from wsgiref.handlers import format_date_time

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Request as RequestStarted
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    ConnectionState,
    H11SendableEvent,
    HTTPScope,
    Scope,
)

from bridge.downstream.inbox import Inbox
from bridge.downstream.stream import DeadlineStream
from bridge.ports import WallClock

if TYPE_CHECKING:
    from hypercorn.typing import TaskGroup

Application = Callable[
    [HTTPScope, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]
]

#: Enough for a request head on a bad line, too little to hold connections cheaply.
HEAD_DEADLINE = 15.0
#: A client that polls once a minute keeps its connection.
IDLE_DEADLINE = 75.0
#: How long the peer may take to notice that we have closed our side.
LINGER_DEADLINE = 2.0
#: What one read takes from the socket.
MAX_READ = 2**16
#: Bounds the life of a connection, so that a balancer can move it one day.
MAX_REQUESTS = 100_000
MAX_HEAD = 16 * 2**10


class Settings(Config):
    """hypercorn's settings: no log of its own, no name, our clock in the date."""

    accesslog = None
    errorlog = None
    include_server_header = False
    keep_alive_max_requests = MAX_REQUESTS
    h11_max_incomplete_size = MAX_HEAD

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """Only the date; every other header is the application's."""
        del protocol
        return [(b"date", format_date_time(self._clock.now()).encode("ascii"))]


class _Engine(H11Protocol):
    """hypercorn's HTTP/1.1 without upgrades, and with whole answers in one write."""

    _head = b""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Every request is served as what it is: HTTP/1.1."""

    async def _create_stream(self, request: h11.Request) -> None:
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            RequestStarted(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode("ascii"),
                method=request.method.decode("ascii"),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        if isinstance(event, h11.Response) and self._answers_early():
            event = _as_the_last(event)
        try:
            data = self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            self._head = data  # until the first part of the body, or its end
            return
        data, self._head = self._head + data, b""
        if data:
            await self.send(RawData(data=data))

    def _answers_early(self) -> bool:
        """The body has not come: the engine will close, and the peer is to know."""
        return self.connection.their_state is h11.SEND_BODY

    @property
    def unread(self) -> bool:
        """The peer is or may be sending more: closing now would reset the answer."""
        read = self.connection.their_state in {h11.DONE, h11.MUST_CLOSE, h11.CLOSED}
        return not read or bool(self.connection.trailing_data[0])

    async def time_out(self) -> None:
        """Answer a head that did not arrive in time."""
        if self.connection.our_state is h11.IDLE:
            await self._send_error_response(408)


def _as_the_last(response: h11.Response) -> h11.Response:
    others = [pair for pair in response.headers if pair[0] != b"connection"]
    return h11.Response(
        status_code=response.status_code,
        headers=[*others, (b"connection", b"close")],
        reason=response.reason,
    )


class _Tasks:
    """hypercorn's task group: starts the application for one request."""

    def __init__(self, nursery: trio.Nursery, app: Application) -> None:
        self._nursery = nursery
        self._app = app

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        del app, config
        inbox = Inbox()
        self._nursery.start_soon(self._run, cast("HTTPScope", scope), inbox, send)
        return inbox.put

    async def _run(
        self,
        scope: HTTPScope,
        inbox: Inbox,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> None:
        try:
            await self._app(scope, inbox.receive, send)
        finally:
            inbox.close()
            await send(None)


class Connection:
    """Serves one stream until either side closes it."""

    def __init__(
        self,
        app: Application,
        stream: trio.abc.Stream,
        *,
        settings: Settings,
        context: WorkerContext,
    ) -> None:
        self._app = app
        self._stream = DeadlineStream(stream)
        self._peer, self._here = _addresses(stream)
        self._settings = settings
        self._context = context
        self._send_lock = trio.Lock()
        self._reading = trio.CancelScope(deadline=trio.current_time() + HEAD_DEADLINE)
        self._head_begun = False
        self._busy = False
        self._idle_since = trio.current_time()
        self._closing = False

    async def run(self) -> None:
        """Serve. Returns when the connection has ended, and has closed it."""
        try:
            async with trio.open_nursery() as nursery:
                self._engine = self._new_engine(_Tasks(nursery, self._app))
                await self._serve()
        finally:
            await self._stream.break_off()

    @property
    def idle_since(self) -> float:
        """Since when no request is on its way; ``inf`` while one is."""
        return inf if self._busy or self._head_begun else self._idle_since

    def retire(self) -> None:
        """Close as soon as no request is in progress."""
        if not self._busy and not self._head_begun:
            self._reading.deadline = trio.current_time()

    def _new_engine(self, tasks: _Tasks) -> _Engine:
        return _Engine(
            cast("AppWrapper", self._app),
            self._settings,
            self._context,
            cast("TaskGroup", tasks),
            ConnectionState({}),
            ssl=False,
            client=self._peer,
            server=self._here,
            send=self._on_event,
        )

    async def _serve(self) -> None:
        try:
            with self._reading:
                await self._read()
        except trio.Cancelled:
            # Our own nursery is cancelled: a write of a sibling may be stuck in its
            # shield, and only the end of the stream can wake it.
            await self._stream.break_off()
            raise
        if self._reading.cancelled_caught and self._head_begun:
            await self._engine.time_out()
        await self._engine.handle(Closed())

    async def _read(self) -> None:
        while data := await self._stream.receive_some(MAX_READ):
            if self._closing:
                continue
            self._note_head()
            await self._engine.handle(RawData(data=data))
        if not self._closing:
            await self._engine.handle(RawData(data=b""))

    def _note_head(self) -> None:
        if not self._busy and not self._head_begun:
            self._head_begun = True
            self._wait_at_most(HEAD_DEADLINE)

    async def _on_event(self, event: Event) -> None:
        """What the engine wants done (its ``send``)."""
        match event:
            case RawData():
                await self._write(event.data)
            case Updated(idle=True):
                self._busy = self._head_begun = False
                self._idle_since = trio.current_time()
                self._wait_at_most(IDLE_DEADLINE)
            case Updated():
                self._busy, self._head_begun = True, False
                self._reading.deadline = inf
            case _:
                await self._say_goodbye()

    async def _write(self, data: bytes) -> None:
        async with self._send_lock:
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                broken = True
            else:
                broken = False
        if broken:
            self._wait_at_most(0)
            await self._engine.handle(Closed())

    async def _say_goodbye(self) -> None:
        """Close our side; the peer's last bytes are read and thrown away."""
        self._closing = True
        self._wait_at_most(LINGER_DEADLINE if self._engine.unread else 0)
        async with self._send_lock:
            await self._stream.send_eof()
        await self._engine.handle(Closed())

    def _wait_at_most(self, seconds: float) -> None:
        self._reading.deadline = trio.current_time() + seconds


def _addresses(
    stream: trio.abc.Stream,
) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
    """Both ends as (host, port), where the stream's socket knows them."""
    socket = getattr(stream, "socket", None)
    if socket is None:
        return None, None
    return _host_and_port(socket.getpeername), _host_and_port(socket.getsockname)


def _host_and_port(name: Callable[[], object]) -> tuple[str, int] | None:
    try:
        address = name()
    except OSError:  # the peer has gone between accept and here
        return None
    if isinstance(address, tuple) and len(cast("tuple[object, ...]", address)) >= 2:  # noqa: PLR2004 - host and port, and more for IPv6
        host, port = cast("tuple[object, object]", address[:2])
        return str(host), int(cast("int", port))
    return None
