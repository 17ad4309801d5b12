"""The Network port without sockets: memory streams, refusals, resets and latency.

A connection is a pair of `SimulatedStream`; each half carries what httpcore and
hypercorn ask of a socket stream.
"""

import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

import trio
import trio.testing

Address = tuple[str, int]
#: Serves one connection, as a server's handler does.
Handler = Callable[["SimulatedStream"], Awaitable[None]]


class SimulatedSocket:
    """What servers and clients ask of a stream's socket."""

    family = socket.AF_INET

    def __init__(self, stream: "SimulatedStream", own: Address, peer: Address) -> None:
        self._stream = stream
        self._own = own
        self._peer = peer

    def getsockname(self) -> Address:
        return self._own

    def getpeername(self) -> Address:
        return self._peer

    def is_readable(self) -> bool:
        return self._stream.peer_has_left


class SimulatedStream(trio.abc.Stream):
    """One half of a connection."""

    def __init__(
        self,
        halves: "trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]",  # noqa: E501 - trio's name
        *,
        own: Address,
        peer: Address,
        latency: float,
    ) -> None:
        self._halves = halves
        self._latency = latency
        self._other: SimulatedStream | None = None
        self._left = False
        self._broken = False
        self._deaf = False
        self.socket = SimulatedSocket(self, own, peer)

    def join(self, other: "SimulatedStream") -> None:
        """Make the two halves one connection."""
        self._other, other._other = other, self

    @property
    def has_left(self) -> bool:
        """Closed on this side, or reset."""
        return self._left

    @property
    def peer_has_left(self) -> bool:
        return self._other is not None and self._other._left

    def stop_reading(self) -> None:
        """From now on the other half's writes find no room."""
        self._deaf = True

    def reset(self) -> None:
        """Break the connection under both sides, at once."""
        for half in (self, self._other):
            if half is not None:
                half._broken = half._left = True
                half._halves.send_stream.close()
                half._halves.receive_stream.close()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._latency:
            await trio.sleep(self._latency)
        self._check()
        if self._other is not None and self._other._deaf:
            await trio.sleep_forever()
        await self._halves.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._halves.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        self._check()
        try:
            data = await self._halves.receive_some(max_bytes)
        except trio.ClosedResourceError:
            self._check()
            raise
        self._check()
        return data

    async def send_eof(self) -> None:
        await self._halves.send_eof()

    async def aclose(self) -> None:
        self._left = True
        await self._halves.aclose()

    def _check(self) -> None:
        if self._broken:
            raise trio.BrokenResourceError("connection reset")


class SimulatedListener(trio.abc.Listener[SimulatedStream]):
    """Accepts the connections made to its address."""

    def __init__(self, network: "SimulatedNetwork", address: Address) -> None:
        self._network = network
        self._address = address
        self._closed = False
        self.incoming, self._accepted = trio.open_memory_channel[SimulatedStream](100)
        self.socket = SimulatedSocketOfListener(address)

    async def accept(self) -> SimulatedStream:
        return await self._accepted.receive()

    async def aclose(self) -> None:
        self.abandon()
        self._accepted.close()
        await trio.lowlevel.checkpoint()

    def abandon(self) -> None:
        """Its process is gone: nobody accepts any more."""
        if not self._closed:  # by now another may listen there
            self._network.forget(self._address)
        self._closed = True
        while self._accepted.statistics().current_buffer_used:
            self._accepted.receive_nowait().reset()  # connected, and never served


class SimulatedSocketOfListener:
    """Where a listener listens."""

    family = socket.AF_INET

    def __init__(self, address: Address) -> None:
        self._address = address

    def getsockname(self) -> Address:
        return self._address


class SimulatedNetwork:
    """Connects by host and port to what listens there.

    ``refused`` addresses refuse; ``latency`` delays every write; ``connections`` are
    the client halves, newest last. ``names`` are the IP addresses of names; any other
    name has a public one of its own, and none in ``unknown`` exists.
    """

    def __init__(self) -> None:
        self.names: dict[str, Sequence[str]] = {"localhost": ("127.0.0.1",)}
        self.unknown: set[str] = set()
        self.refused: set[Address] = set()
        self.latency = 0.0
        self.connections: list[SimulatedStream] = []
        self._listeners: dict[Address, SimulatedListener] = {}
        self._ports = 40_000

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        await trio.sleep(self.latency)
        address = self._listening_at(host, port)
        if address is None or address in self.refused:
            raise ConnectionRefusedError(111, "Connection refused")
        client, server = self._pair(address)
        self.connections.append(client)
        await self._listeners[address].incoming.send(server)
        return client

    async def resolve(self, host: str) -> Sequence[str]:
        await trio.sleep(self.latency)
        if host in self.unknown:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._addresses(host)

    async def listen(self, host: str, port: int) -> Sequence[SimulatedListener]:
        await trio.lowlevel.checkpoint()
        address = (host, port or self._next_port())
        if address in self._listeners:
            raise OSError(98, "Address already in use")
        self._listeners[address] = SimulatedListener(self, address)
        return [self._listeners[address]]

    async def serve(
        self, nursery: trio.Nursery, address: Address, *, handler: Handler
    ) -> None:
        """Serve connections to ``address`` with ``handler``, each in a task."""
        (listener,) = await self.listen(*address)

        async def accept() -> None:
            while True:
                nursery.start_soon(handler, await listener.accept())

        nursery.start_soon(accept)

    def forget(self, address: Address) -> None:
        """Nothing listens there any more."""
        self._listeners.pop(address, None)

    def reset_all(self) -> None:
        """Break every connection."""
        for stream in self.connections:
            stream.reset()
        self.connections.clear()

    def _addresses(self, host: str) -> Sequence[str]:
        if host not in self.names and not _is_ip(host):
            self.names[host] = (f"8.8.0.{len(self.names)}",)
        return self.names.get(host, (host,))

    def _listening_at(self, host: str, port: int) -> Address | None:
        """What listens there: under this very name, or another one of its address."""
        if (host, port) in self._listeners:
            return (host, port)
        asked = set(self._addresses(host))
        for name, its_port in self._listeners:
            if its_port == port and asked & set(self._addresses(name)):
                return (name, its_port)
        return None

    def _pair(self, address: Address) -> tuple[SimulatedStream, SimulatedStream]:
        one, other = trio.testing.memory_stream_pair()
        own = ("127.0.0.1", self._next_port())
        client = SimulatedStream(one, own=own, peer=address, latency=self.latency)
        server = SimulatedStream(other, own=address, peer=own, latency=self.latency)
        client.join(server)
        return client, server

    def _next_port(self) -> int:
        self._ports += 1
        return self._ports


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
