"""The simulated network: bounded connections with latency, and everything that fails.

A connection may be reset, cut in the middle of what is said (truncation), fall silent
in both directions (half-open) or in one (split). Whoever speaks into silence is told by
its own system some time later, as TCP does it.
"""

import random
from typing import Any, cast

import trio

from kit.network import Address, SimulatedNetwork, SimulatedStream
from kit.pipe import duplex_pair

#: Small, so that a reader who stops is felt soon.
CAPACITY = 16 * 1024
SLOWEST = 0.03
#: How long the system sends the same again before it gives a connection up.
GIVES_UP = 12.0


class FaultyStream(SimulatedStream):
    """One half of a connection. ``muted``: what is sent here arrives nowhere."""

    nursery: trio.Nursery
    muted = False
    #: Something was sent into the silence: this connection can never be whole again.
    lost = False
    _half = False

    def fall_silent(self) -> None:
        """The line is dead in both directions; nobody is told."""
        self.muted = True
        if isinstance(self._other, FaultyStream):
            self._other.muted = True

    def halve(self) -> None:
        """The next thing said here arrives by half, and then nothing ever."""
        self._half = True

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.muted:
            await self._speak_into_silence()
        elif self._half:
            await super().send_all(bytes(data)[: len(data) // 2])
            self.reset()
            self._check()
        else:
            await super().send_all(data)

    async def aclose(self) -> None:
        if not self.muted:
            await super().aclose()
            return
        self._left = True  # the other side does not hear of it
        await trio.lowlevel.checkpoint()

    async def _speak_into_silence(self) -> None:
        await trio.lowlevel.checkpoint()
        self._check()
        if not self.lost:
            self.lost = True
            self.nursery.start_soon(self._give_up)

    async def _give_up(self) -> None:
        await trio.sleep(GIVES_UP)
        self.reset()


class Connection:
    """Both halves of one connection."""

    def __init__(self, client: FaultyStream, server: FaultyStream) -> None:
        self.client = client
        self.server = server

    @property
    def open_at_client(self) -> bool:
        return not self.server.peer_has_left

    @property
    def open_at_server(self) -> bool:
        return not self.client.peer_has_left

    def heal(self) -> None:
        """The line is good again; what was lost on it is a reset."""
        broken = self.client.lost or self.server.lost
        self.client.muted = self.server.muted = False
        if broken:
            self.client.reset()


class SimulatedInternet(SimulatedNetwork):
    """Connections of a run, by the address they were made to.

    ``swallowed`` addresses take connections and never say a word.
    """

    def __init__(self, rng: random.Random, nursery: trio.Nursery) -> None:
        super().__init__()
        self._rng = rng
        self._nursery = nursery
        self.swallowed: set[Address] = set()
        self.made: dict[Address, list[Connection]] = {}

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        if (host, port) not in self.swallowed:
            return await super().connect(host, port)
        await trio.lowlevel.checkpoint()
        client, server = self._pair((host, port))
        client.muted = server.muted = True
        return client

    def open_to(self, address: Address) -> list[Connection]:
        """What is still open, on either side, to ``address``."""
        alive = [
            each
            for each in self.made.get(address, [])
            if each.open_at_client or each.open_at_server
        ]
        self.made[address] = alive
        return alive

    def cut(self, address: Address) -> int:
        """Reset every connection to ``address``; how many there were."""
        found = self.open_to(address)
        for each in found:
            each.client.reset()
        return len(found)

    def truncate(self, address: Address) -> int:
        """The next thing each server there says arrives by half."""
        found = self.open_to(address)
        for each in found:
            each.server.halve()
        return len(found)

    def silence(self, address: Address, *, answers_only: bool = False) -> int:
        """Nothing arrives any more, or no answer; nobody is told."""
        found = self.open_to(address)
        for each in found:
            each.server.muted = True
            each.client.muted = not answers_only
        return len(found)

    def heal(self, address: Address) -> None:
        """Every line to ``address`` is good again."""
        self.refused.discard(address)
        self.swallowed.discard(address)
        for each in self.open_to(address):
            each.heal()

    def _pair(self, address: Address) -> tuple[FaultyStream, FaultyStream]:
        one, other = duplex_pair(CAPACITY)
        own = ("127.0.0.1", self._next_port())
        latency = self._rng.uniform(0, SLOWEST)
        # a pipe's ends close like memory streams, which is all the stream asks of them
        client = FaultyStream(cast("Any", one), own=own, peer=address, latency=latency)
        server = FaultyStream(
            cast("Any", other), own=address, peer=own, latency=latency
        )
        client.nursery = server.nursery = self._nursery
        client.join(server)
        self.made.setdefault(address, []).append(Connection(client, server))
        return client, server
