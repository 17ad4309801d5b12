"""People who log in at a `StrictProvider`: they read its page and follow its redirect.

`SimulatedBrowser(person=Person(network))`, or ``await sign_in(network, url)``.
"""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

import trio

from kit.browser import Browser, Reply
from kit.network import SimulatedNetwork
from kit.provider_http import FORM

_TICKET = re.compile(r'name="ticket" value="([^"]+)"')
_SECONDS_TO_READ = 1.0


async def visit(
    network: SimulatedNetwork, url: str, *, form: dict[str, str] | None = None
) -> Reply:
    """One page: a GET, or a POST of ``form``. Redirects are answers."""
    parts = urlsplit(url)
    stream = await network.connect(parts.hostname or "", parts.port or 80)
    browser = Browser(stream, host=parts.netloc)
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    async with stream:
        if form is None:
            return await browser.ask("GET", target)
        return await browser.ask(
            "POST",
            target,
            headers=[("Content-Type", FORM)],
            body=urlencode(form).encode(),
        )


async def decide(network: SimulatedNetwork, url: str, *, choice: str = "allow") -> str:
    """Answer the provider's page; the address it sends the browser to.

    Empty: there is nowhere to go, the provider showed an error.
    """
    reply = await visit(network, url)
    if found := _TICKET.search(reply.body.decode()):
        await trio.sleep(_SECONDS_TO_READ)
        parts = urlsplit(url)
        path = parts.path.removesuffix("/authorize") + "/consent"
        form = {"ticket": found[1], "choice": choice}
        reply = await visit(
            network, f"{parts.scheme}://{parts.netloc}{path}", form=form
        )
    return reply.headers.get("location", "")


async def sign_in(network: SimulatedNetwork, url: str) -> None:
    """Log in, allow, and come back to the one who asked."""
    await visit(network, await decide(network, url))


def query_of(url: str) -> dict[str, str]:
    """The query parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query))


def tampered(url: str, **changes: str) -> str:
    """The address with query parameters changed; an empty one is left out."""
    parts = urlsplit(url)
    query = query_of(url) | changes
    kept = {name: value for name, value in query.items() if value}
    return parts._replace(query=urlencode(kept)).geturl()


class Person:
    """Somebody at a browser. ``pages`` are the answers their browser got in the end.

    ``choice``: ``allow`` or ``deny``. ``changes``: what an attacker made of the
    redirect's query (``state``, ``iss``, ``code``; empty: removed). ``visits``: how
    often the redirect is followed; 0: the login is never finished. ``patience``: how
    long the person thinks before the page is even read, in s.
    """

    def __init__(
        self,
        network: SimulatedNetwork,
        *,
        choice: str = "allow",
        changes: dict[str, str] | None = None,
        visits: int = 1,
        patience: float = 0.0,
    ) -> None:
        self.network = network
        self.choice = choice
        self.changes = changes or {}
        self.visits = visits
        self.patience = patience
        self.redirects: list[str] = []
        self.pages: list[Reply] = []

    async def __call__(self, url: str) -> None:
        await trio.sleep(self.patience)
        back = await decide(self.network, url, choice=self.choice)
        if not back:
            return
        back = tampered(back, **self.changes)
        self.redirects.append(back)
        for _ in range(self.visits):
            self.pages.append(await visit(self.network, back))


def denies(network: SimulatedNetwork) -> Person:
    """Says no."""
    return Person(network, choice="deny")


def never_finishes(network: SimulatedNetwork) -> Person:
    """Allows it, and closes the window before the redirect."""
    return Person(network, visits=0)


def comes_twice(network: SimulatedNetwork) -> Person:
    """Reloads the last page."""
    return Person(network, visits=2)


def with_state(network: SimulatedNetwork, state: str = "f" * 64) -> Person:
    """Comes back with another ``state`` (empty: none)."""
    return Person(network, changes={"state": state})


def with_iss(network: SimulatedNetwork, iss: str = "https://evil.example") -> Person:
    """Comes back with another ``iss`` (empty: none)."""
    return Person(network, changes={"iss": iss})
