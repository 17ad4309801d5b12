"""The simulated provider: an honest client passes, every planted breach is noticed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from kit.network import SimulatedNetwork
from kit.plain_client import PlainClient
from kit.protected import ProtectedServer
from kit.provider import StrictProvider
from kit.provider_rules import Rules


class Scene:
    """A provider, a server it guards, and an honest client."""

    def __init__(self, rules: Rules | None = None, *, seed: int = 0) -> None:
        self.network = SimulatedNetwork()
        self.provider = StrictProvider(rules=rules, seed=seed)
        self.server = ProtectedServer(self.provider)
        self.client = PlainClient(
            self.network, self.provider, resource=self.server.resource
        )

    @property
    def broken(self) -> list[str]:
        return self.provider.breaches.rules


@asynccontextmanager
async def scene(rules: Rules | None = None, *, seed: int = 0) -> AsyncGenerator[Scene]:
    async with trio.open_nursery() as nursery:
        made = Scene(rules, seed=seed)
        await made.provider.serve(made.network, nursery)
        await made.server.serve(made.network, nursery)
        yield made
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("kind", ["opaque", "jwt"])
async def test_an_honest_client_logs_in_calls_and_refreshes_without_a_breach(
    autojump_clock: MockClock, kind: str
) -> None:
    rules = Rules(access_lifetime=5)
    rules.access_tokens = "jwt" if kind == "jwt" else "opaque"
    async with scene(rules) as s:
        await s.client.log_in()
        assert (await s.client.call(s.server.url)).status == 200
        await trio.sleep(5)
        assert (await s.client.call(s.server.url)).status == 401
        assert (await s.client.refresh()).status == 200
        assert (await s.client.call(s.server.url)).status == 200
        assert s.provider.breaches == []
        assert s.provider.counts.logins == s.provider.counts.registrations == 1
        assert s.provider.counts.refreshes_of == {0: 1}
        assert (s.server.traffic.served, s.server.traffic.unauthorized) == (2, 1)
