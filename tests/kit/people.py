"""People at their browsers, for tests of logins."""

import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin, urlsplit

import trio

from bridge.ports import Network
from kit.browser import Browser, Reply

#: What happens to an address that a browser shows.
Visitor = Callable[[str], Awaitable[object]]
REDIRECTS = 10


class SimulatedBrowser:
    """The Browser port. ``opened`` keeps every address it was handed.

    ``present=False`` is a machine without a screen. ``person`` gets each address in a
    task of ``nursery``, since no window waits for another. ``delay`` is how long the
    command takes (``math.inf``: it never returns).
    """

    def __init__(
        self,
        *,
        present: bool = True,
        person: Visitor | None = None,
        nursery: trio.Nursery | None = None,
        delay: float = 0.0,
    ) -> None:
        self.present = present
        self.person = person
        self.nursery = nursery
        self.delay = delay
        self.opened: list[str] = []

    async def open(self, url: str) -> bool:
        await trio.sleep(self.delay)
        self.opened.append(url)
        if self.present and self.person is not None:
            assert self.nursery is not None, "a person lives in a nursery"
            self.nursery.start_soon(self.person, url)
        return self.present


class Person:
    """Goes to an address and wherever its redirects lead, over any network.

    ``visited`` are the addresses in order, ``pages`` what they answered. ``context`` is
    for https; ``hesitates`` the seconds before each request.
    """

    def __init__(
        self,
        network: Network,
        *,
        context: ssl.SSLContext | None = None,
        hesitates: float = 0.0,
    ) -> None:
        self._network = network
        self._context = context
        self.hesitates = hesitates
        self.visited: list[str] = []
        self.pages: list[Reply] = []

    @property
    def shown(self) -> str:
        """The page the person looks at."""
        return self.pages[-1].body.decode()

    async def __call__(self, url: str) -> Reply:
        for _ in range(REDIRECTS):
            reply = await self.visit(url)
            if "location" not in reply.headers:
                return reply
            url = urljoin(url, reply.headers["location"])
        raise AssertionError(f"more than {REDIRECTS} redirects")

    async def visit(self, url: str, *, method: str = "GET") -> Reply:
        """One request on a connection of its own."""
        await trio.sleep(self.hesitates)
        self.visited.append(url)
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        async with await self._connect(url) as stream:
            reply = await Browser(stream, host=parts.netloc).ask(method, path)
        self.pages.append(reply)
        return reply

    async def _connect(self, url: str) -> trio.abc.Stream:
        parts = urlsplit(url)
        host = parts.hostname or ""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        stream = await self._network.connect(host, port)
        if not secure:
            return stream
        assert self._context is not None, "https needs a context"
        return trio.SSLStream(stream, self._context, server_hostname=host)
