"""WebSocket servers for tests, on simulated or real connections."""

from collections.abc import Awaitable, Callable

import msgspec
import trio
import trio_websocket
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    wrap_server_stream,
)

from kit.network import SimulatedNetwork, SimulatedStream

HOST, PORT = "feed.test", 80
URL = f"ws://{HOST}/mcp"

Talk = Callable[[WebSocketConnection], Awaitable[None]]
Secure = Callable[[trio.abc.Stream], trio.abc.Stream]


def plain(stream: trio.abc.Stream) -> trio.abc.Stream:
    return stream


def answer(number: object) -> str:
    return f'{{"jsonrpc":"2.0","id":{number},"result":{{}}}}'


async def obedient(connection: WebSocketConnection) -> None:
    """Answers every request with an empty result, until the client leaves."""
    while True:
        message = msgspec.json.decode(await connection.get_message())
        if "id" in message:
            await connection.send_message(answer(message["id"]))


class SocketServer:
    """A server of the library; ``talk`` is its conversation after the handshake.

    ``requests`` keeps the handshakes, ``closed`` how each connection ended.
    """

    def __init__(self, talk: Talk = obedient) -> None:
        self.talk = talk
        self.secure: Secure = plain
        self.subprotocol: str | None = "mcp"
        self.requests: list[WebSocketRequest] = []
        self.closed: list[trio_websocket.CloseReason | None] = []
        self.streams: list[SimulatedStream] = []

    async def serve(
        self, network: SimulatedNetwork, nursery: trio.Nursery, *, port: int = PORT
    ) -> None:
        await network.serve(nursery, (HOST, port), handler=self.handle)

    async def handle(self, stream: SimulatedStream) -> None:
        """Serve one connection."""
        self.streams.append(stream)
        try:
            async with trio.open_nursery() as nursery:
                await self._converse(self.secure(stream), nursery)
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # a client that leaves during the handshake

    async def _converse(self, stream: trio.abc.Stream, nursery: trio.Nursery) -> None:
        request = await wrap_server_stream(nursery, stream, max_message_size=2**30)
        self.requests.append(request)
        connection = await request.accept(subprotocol=self.subprotocol)
        try:
            await self.talk(connection)
        except ConnectionClosed:
            pass
        finally:
            await connection.aclose()
            self.closed.append(connection.closed)
