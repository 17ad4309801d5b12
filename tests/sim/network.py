"""The simulated network: bounded connections with latency, counted while open."""

import random
from typing import Any, cast

from kit.network import Address, SimulatedNetwork, SimulatedStream
from kit.pipe import duplex_pair

#: Small, so that a reader who stops is felt soon.
CAPACITY = 16 * 1024
SLOWEST = 0.03


class Connection:
    """Both halves of one connection."""

    def __init__(self, client: SimulatedStream, server: SimulatedStream) -> None:
        self.client = client
        self.server = server

    @property
    def open_at_client(self) -> bool:
        return not self.server.peer_has_left

    @property
    def open_at_server(self) -> bool:
        return not self.client.peer_has_left


class SimulatedInternet(SimulatedNetwork):
    """Connections of a run, by the address they were made to."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self.made: dict[Address, list[Connection]] = {}

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

    def _pair(self, address: Address) -> tuple[SimulatedStream, SimulatedStream]:
        one, other = duplex_pair(CAPACITY)
        own = ("127.0.0.1", self._next_port())
        latency = self._rng.uniform(0, SLOWEST)
        # a pipe's ends close like memory streams, which is all the stream asks of them
        client = SimulatedStream(
            cast("Any", one), own=own, peer=address, latency=latency
        )
        server = SimulatedStream(
            cast("Any", other), own=address, peer=own, latency=latency
        )
        client.join(server)
        self.made.setdefault(address, []).append(Connection(client, server))
        return client, server
