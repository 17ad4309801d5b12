"""Where HTTP clients come from: one factory, and a free list per upstream."""

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx
import trio

from bridge import __version__
from bridge.http.client import HttpClient
from bridge.http.fetcher import Fetcher
from bridge.http.guarded import GuardedNetwork
from bridge.ports import Network

#: Idle connections kept per upstream (R65).
_KEPT = 10


class ClientPool:
    """A free list of clients: one connection and one exchange each.

    One wide pool rescans all its connections on every request: at 32 in flight that
    costs five times the CPU of this.
    """

    def __init__(self, make: Callable[[], HttpClient], *, bound: int) -> None:
        self._make = make
        self._slots = trio.Semaphore(bound)
        self._free: list[HttpClient] = []

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[HttpClient, None]:
        """A client for one exchange at a time; waits while all are in use."""
        async with self._slots:
            client = self._free.pop() if self._free else self._make()
            try:
                yield client
            finally:
                if len(self._free) < _KEPT:
                    self._free.append(client)
                else:
                    await client.aclose()

    async def aclose(self) -> None:
        """Close the idle clients."""
        while self._free:
            await self._free.pop().aclose()


class HttpClients:
    """Builds clients over one Network port; the TLS contexts are shared."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def client(self, *, verify: bool = True) -> HttpClient:
        """A client of its own, for a long-lived stream or one exchange at a time.

        ``verify=False`` accepts any certificate: per server only, and said aloud by
        whoever asks for it (R149).
        """
        return HttpClient(
            self._network,
            context=self.context(verify=verify),
            user_agent=f"mcp-trio-bridge/{__version__}",
        )

    def guarded(
        self, *, server_host: str, trusted_hosts: frozenset[str]
    ) -> "HttpClients":
        """Clients that go only where the upstream at ``server_host`` may send us.

        For all of OAuth (`GuardedNetwork`). What they refuse to connect to raises
        `DestinationRefused`; the TLS contexts are these.
        """
        network = GuardedNetwork(
            self._network, server_host=server_host, trusted_hosts=trusted_hosts
        )
        sibling = HttpClients(network)
        sibling._contexts = self._contexts
        return sibling

    def pool(self, *, bound: int, verify: bool = True) -> ClientPool:
        """Clients for up to ``bound`` exchanges at once."""
        return ClientPool(lambda: self.client(verify=verify), bound=bound)

    def fetcher(self, *, verify: bool = True) -> Fetcher:
        """Small requests with a deadline: key sets, metadata, tokens."""
        return Fetcher(lambda: self.client(verify=verify))

    def context(self, *, verify: bool = True) -> ssl.SSLContext:
        """The TLS context of this setting (building one takes 40 ms)."""
        if verify not in self._contexts:
            self._contexts[verify] = httpx.create_ssl_context(
                verify=verify, trust_env=False
            )
        return self._contexts[verify]
