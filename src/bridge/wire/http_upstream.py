"""What the transports to an address know of their upstream."""

import ssl

from bridge.http import ClientPool, HttpClient, HttpClients
from bridge.observe.logging import Log
from bridge.wire.link import HeaderSource


class HttpUpstream:
    """Where an upstream is and what every request to it carries."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        clients: HttpClients,
        headers: HeaderSource,
        log: Log,
        frame_bytes: int,
        verify: bool = True,
        max_in_flight: int = 64,
    ) -> None:
        self.url = url
        self.name = name
        self.headers = headers
        self.log = log
        self.frame_bytes = frame_bytes
        self.max_in_flight = max_in_flight
        self._clients = clients
        self._verify = verify

    def client(self) -> HttpClient:
        return self._clients.client(verify=self._verify)

    def context(self) -> ssl.SSLContext:
        """The TLS context, shared with the clients of all upstreams."""
        return self._clients.context(verify=self._verify)

    def pool(self, *, bound: int) -> ClientPool:
        return self._clients.pool(bound=bound, verify=self._verify)
