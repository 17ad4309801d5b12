"""A link over a WebSocket: subprotocol ``mcp``, one JSON message per text frame.

The library's reader runs in a task of its own, `_run_reader`; one task takes its
messages, one writes ours, one pings. The end of the connection is the link's end.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import h11
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from bridge.errors import ConnectFailed, LinkError, LinkLost, Unauthorized
from bridge.ports import Network
from bridge.wire.background import background_tasks
from bridge.wire.guarded_stream import GuardedStream
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.inbox import Inbox
from bridge.wire.intake import Intake
from bridge.wire.link import Link, LinkEvent, Outgoing
from bridge.wire.upgrade import SocketAddress, address_of, handshake_headers
from bridge.wire.writer import WriteQueue

SUBPROTOCOL = "mcp"
_CONNECT_DEADLINE = 10.0
_CLOSE_DEADLINE = 2.0
#: Often enough for the middle boxes that forget a silent connection after a minute.
_PING_EVERY = 20.0
_PONG_DEADLINE = 10.0
_REASON_LENGTH = 200
_READ_OCTETS = 64 * 2**10


class WebSocketTransport:
    """Opens links to one ws:// or wss:// address."""

    def __init__(self, upstream: HttpUpstream, *, network: Network) -> None:
        self._upstream = upstream
        self._network = network

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Link, None]:
        """Connect and shake hands.

        Raises `ConnectFailed`, `Unauthorized`, `Forbidden`.
        """
        address = address_of(self._upstream.url, name=self._upstream.name)
        async with background_tasks() as nursery:
            link = _WebSocketLink(self._upstream)
            try:
                await self._connect(link, address, nursery=nursery)
                link.start(nursery)
                yield link
            finally:
                await link.aclose()

    async def _connect(
        self, link: "_WebSocketLink", address: SocketAddress, *, nursery: trio.Nursery
    ) -> None:
        generation = self._upstream.bearer.generation
        try:
            with trio.move_on_after(_CONNECT_DEADLINE) as scope:
                await link.connect(address, self._network, nursery=nursery)
        except Unauthorized as error:
            error.generation = generation
            raise
        if scope.cancelled_caught:
            raise ConnectFailed(
                f"'{self._upstream.name}' did not answer the handshake"
                f" within {_CONNECT_DEADLINE:g} s"
            )
        self._upstream.bearer.accepted(generation)


class _WebSocketLink:
    def __init__(self, upstream: HttpUpstream) -> None:
        self._upstream = upstream
        self._name = upstream.name
        self._inbox = Inbox()
        self._queue = WriteQueue()
        self._intake = Intake(self._inbox)
        self._stream: GuardedStream | None = None
        self._connection: WebSocketConnection | None = None
        self._reading = trio.Event()
        # Both end with the reader: without it nothing comes of them.
        self._opening = trio.CancelScope()
        self._closing = trio.CancelScope(shield=True)  # `aclose` sets the deadline

    # -- the link ------------------------------------------------------------------

    def send(self, outgoing: Outgoing) -> None:
        self._inbox.check()
        self._queue.put(outgoing)

    def cancel(self, upstream_id: int) -> None:
        """Nothing to do: answers of all requests come through one connection."""

    async def receive(self) -> LinkEvent:
        return await self._inbox.receive()

    def agreed(self, revision: str) -> None:
        """Nothing to do: the handshake, with its headers, is over."""

    # -- open and close --------------------------------------------------------------

    async def connect(
        self, address: SocketAddress, network: Network, *, nursery: trio.Nursery
    ) -> None:
        stream = await self._connected(address, network)
        self._stream = GuardedStream(stream, name=self._name)
        readers = await nursery.start(self._run_reader, self._stream)
        with self._opening:
            await self._shake_hands(address, self._stream, readers=readers)
        if self._connection is None:
            self._fail()
        self._inbox.check()

    def start(self, nursery: trio.Nursery) -> None:
        assert self._connection is not None
        for task in (self._write, self._read, self._keep_alive):
            nursery.start_soon(task, self._connection)

    async def aclose(self) -> None:
        """Say goodbye, within a deadline, and close."""
        if self._stream is None:
            return
        self._closing.deadline = trio.current_time() + _CLOSE_DEADLINE
        with self._closing:
            if self._connection is not None and not self._stream.torn:
                await self._connection.aclose()
        await self._stream.aclose()

    async def _connected(
        self, address: SocketAddress, network: Network
    ) -> trio.abc.Stream:
        try:
            stream = await network.connect(address.host, address.port)
        except OSError as error:
            raise ConnectFailed(
                f"cannot connect to '{self._name}': {error.strerror or error}"
            ) from error
        return await self._secured(stream, address) if address.secure else stream

    async def _secured(
        self, stream: trio.abc.Stream, address: SocketAddress
    ) -> trio.abc.Stream:
        context = self._upstream.context()
        # The context is shared with HTTP clients that offer h2; TLS copies the offer
        # when the next line wraps the stream, and httpcore sets its own each time.
        context.set_alpn_protocols(["http/1.1"])
        secured = trio.SSLStream(
            stream, context, server_hostname=address.host, https_compatible=True
        )
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError as error:
            await trio.aclose_forcefully(secured)
            raise ConnectFailed(
                f"no secure connection to '{self._name}': {error.__cause__ or error}"
            ) from error
        except BaseException:
            await trio.aclose_forcefully(secured)
            raise
        return secured

    async def _shake_hands(
        self, address: SocketAddress, stream: GuardedStream, *, readers: trio.Nursery
    ) -> None:
        try:
            headers = handshake_headers(self._upstream.headers())
        except UnicodeError as error:
            raise ConnectFailed(
                f"'{self._name}' has a header that cannot be sent"
            ) from error
        self._reading.set()  # the next call starts the reader before it waits
        self._connection = await wrap_client_stream(
            readers,
            cast("trio.SocketStream", stream),  # any stream will do, says its manual
            address.netloc,
            address.target,
            subprotocols=[SUBPROTOCOL],
            extra_headers=headers,
            max_message_size=self._upstream.frame_bytes,
            receive_buffer_size=_READ_OCTETS,
        )

    async def _run_reader(
        self,
        stream: GuardedStream,
        *,
        task_status: trio.TaskStatus[trio.Nursery] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """The library's reader, to its end: it may come in any of these ways."""
        try:
            async with trio.open_nursery() as readers:
                task_status.started(readers)
                await self._reading.wait()
        except* LinkError:
            pass  # the stream's; it is its `fault`
        except* (LocalProtocolError, RemoteProtocolError, h11.ProtocolError) as group:
            stream.fault = ConnectFailed(
                f"the handshake with '{self._name}' failed:"
                f" {_clean(_first_reason(group))}"
            )
        finally:
            self._opening.cancel()
            self._closing.cancel()

    def _fail(self) -> None:
        fault = self._stream.fault if self._stream is not None else None
        self._inbox.fail(fault or LinkLost(self._described()))

    def _described(self) -> str:
        reason = self._connection.closed if self._connection is not None else None
        if reason is None:
            return f"'{self._name}' broke the WebSocket protocol"
        said = _clean(reason.reason or "")
        return (
            f"the connection to '{self._name}' was closed:"
            f" {reason.code} {reason.name}{f', {said!r}' if said else ''}"
        )

    # -- the tasks -------------------------------------------------------------------

    async def _write(self, connection: WebSocketConnection) -> None:
        try:
            while True:
                message = await self._queue.take()
                await connection.send_message(message.decode())
        except ConnectionClosed:
            return  # the reader comes to the same end, after what was said before it
        except LinkError:
            self._fail()

    async def _keep_alive(self, connection: WebSocketConnection) -> None:
        assert self._stream is not None
        alive = True
        while alive:
            await trio.sleep(self._upstream.spread(_PING_EVERY))
            asked = trio.current_time()
            with trio.move_on_after(_PONG_DEADLINE) as scope:
                try:
                    await connection.ping(str(asked).encode())
                except (ConnectionClosed, LinkError):
                    return  # as in `_write`
            # No pong gets through in the middle of a large message.
            alive = not scope.cancelled_caught or self._stream.lives_since(asked)
        self._inbox.fail(
            LinkLost(f"'{self._name}' did not answer a ping in {_PONG_DEADLINE:g} s")
        )

    async def _read(self, connection: WebSocketConnection) -> None:
        try:
            while True:
                await self._take(await connection.get_message())
        except ConnectionClosed:
            self._fail()

    async def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._intake.refuse("binary", size=len(message))
            self._check_junk()
            return
        data = message.encode()
        if len(data) > self._upstream.frame_bytes:  # the library counts characters
            self._inbox.fail(
                LinkLost(
                    f"'{self._name}' is given up: a message is larger than"
                    f" {self._upstream.frame_bytes} bytes"
                )
            )
            return
        await self._intake.take(data)
        self._check_junk()

    def _check_junk(self) -> None:
        if self._intake.hopeless:
            self._inbox.fail(
                LinkLost(f"'{self._name}' sends junk where messages are expected")
            )


def _first_reason(group: BaseExceptionGroup[Exception]) -> str:
    """The library stumbles over its own answer to a bad handshake."""
    error: BaseException | None = group.exceptions[0]
    while error is not None and not isinstance(error, RemoteProtocolError):
        error = error.__context__
    return str(error or group.exceptions[0])


def _clean(text: str) -> str:
    """A peer's words, fit for a log line."""
    return "".join(c for c in text if c.isprintable())[:_REASON_LENGTH]
