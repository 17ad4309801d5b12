"""A provider, a server it guards, and an honest client, on one simulated network."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from kit.network import SimulatedNetwork
from kit.plain_client import PlainClient
from kit.protected import ProtectedServer
from kit.provider import ISSUER, StrictProvider
from kit.provider_rules import Rules


class Scene:
    """What a test of the kit plays with."""

    def __init__(
        self, rules: Rules | None = None, *, seed: int = 0, issuer: str = ISSUER
    ) -> None:
        self.network = SimulatedNetwork()
        self.provider = StrictProvider(issuer, rules=rules, seed=seed)
        self.server = ProtectedServer(self.provider)
        self.client = PlainClient(
            self.network, self.provider, resource=self.server.resource
        )

    @property
    def broken(self) -> list[str]:
        """The rules broken so far."""
        return self.provider.breaches.rules


@asynccontextmanager
async def scene(
    rules: Rules | None = None, *, seed: int = 0, issuer: str = ISSUER
) -> AsyncGenerator[Scene]:
    """Everything listens while the block runs."""
    async with trio.open_nursery() as nursery:
        made = Scene(rules, seed=seed, issuer=issuer)
        await made.provider.serve(made.network, nursery)
        await made.server.serve(made.network, nursery)
        yield made
        nursery.cancel_scope.cancel()
