"""People at the simulated provider: what reaches the callback of each."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from kit.network import SimulatedNetwork
from kit.oauth_scene import Scene, scene
from kit.people import SimulatedBrowser
from kit.provider_http import Site
from kit.provider_rules import Rules
from kit.scripted_http import Exchange, ScriptedServer
from kit.sign_in import (
    Person,
    comes_twice,
    denies,
    never_finishes,
    query_of,
    sign_in,
    with_iss,
    with_state,
)


class Callback:
    """Listens where the bridge would, and keeps the queries."""

    def __init__(self) -> None:
        self.queries: list[dict[str, str]] = []
        self.server = ScriptedServer(self.script)

    async def script(self, exchange: Exchange) -> None:
        self.queries.append(query_of(exchange.asked.target))
        await exchange.answer(200, b"You may close this window.")


@asynccontextmanager
async def waiting(rules: Rules | None = None) -> AsyncGenerator[tuple[Scene, Callback]]:
    async with scene(rules) as s, trio.open_nursery() as nursery:
        callback = Callback()
        site = Site("http://127.0.0.1:8090")
        await site.serve(callback.server, s.network, nursery)
        await s.client.register()
        yield s, callback
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("rules", [Rules(), Rules(consent=False)])
async def test_a_person_signs_in_and_comes_back(
    autojump_clock: MockClock, rules: Rules
) -> None:
    async with waiting(rules) as (s, callback):
        url = s.client.authorization_url()
        await sign_in(s.network, url)
        (query,) = callback.queries
        assert query["state"] == query_of(url)["state"]
        assert query["iss"] == s.provider.issuer
        assert (await s.client.exchange(query["code"])).status == 200
        assert s.broken == []


async def test_a_browser_shows_the_page_to_the_person(
    autojump_clock: MockClock,
) -> None:
    async with waiting(Rules(sends_iss=False)) as (s, callback):
        async with trio.open_nursery() as nursery:
            person = Person(s.network, patience=30)
            browser = SimulatedBrowser(person=person, nursery=nursery)
            assert await browser.open(s.client.authorization_url())
            assert callback.queries == []
        assert "iss" not in callback.queries[0]
        assert person.pages[0].body == b"You may close this window."
        assert trio.current_time() > 30


async def test_nowhere_to_go_back_to(autojump_clock: MockClock) -> None:
    async with waiting() as (s, callback):
        person = Person(s.network)
        await person(s.client.authorization_url(client_id="stranger"))
        assert callback.queries == person.pages == person.redirects == []


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (denies, [{"error": "access_denied"}]),
        (never_finishes, []),
        (comes_twice, [{"iss": "http://127.0.0.1:9400"}] * 2),
        (with_state, [{"state": "f" * 64}]),
        (with_iss, [{"iss": "https://evil.example"}]),
    ],
)
async def test_other_people_come_back_otherwise(
    autojump_clock: MockClock,
    make: Callable[[SimulatedNetwork], Person],
    expected: list[dict[str, str]],
) -> None:
    async with waiting() as (s, callback):
        await make(s.network)(s.client.authorization_url())
        assert len(callback.queries) == len(expected)
        for query, wanted in zip(callback.queries, expected, strict=True):
            assert query.items() >= wanted.items()


async def test_a_tampered_redirect_may_lack_its_state(
    autojump_clock: MockClock,
) -> None:
    async with waiting() as (s, callback):
        await with_state(s.network, "")(s.client.authorization_url())
        assert callback.queries[0].keys() == {"code", "iss"}


async def test_a_page_answers_once(autojump_clock: MockClock) -> None:
    async with waiting() as (s, _):
        form: dict[str, str | None] = {"ticket": "gone", "choice": "allow"}
        assert (await s.client.post("/consent", form)).status == 400
