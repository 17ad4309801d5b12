"""A server, and a provider that answers without a page, try to keep a browser busy."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.upstream import Reauthorize
from bridge.errors import LoginNeeded
from bridge.observe import catalogue as events
from bridge.upstream.login_allowance import MOST, PERIOD
from kit.login_room import LoginRoom, login_room
from kit.provider_rules import Rules
from kit.scripted_http import Exchange

#: ``refuses(method)``: of a request that carries a token.
Refuses = Callable[[str], bool]


def without_a_page(*, access_lifetime: float = 3 * PERIOD) -> Rules:
    """The provider knows the person: it sends every browser back at once."""
    return Rules(consent=False, refresh_tokens=False, access_lifetime=access_lifetime)


def refuse(room: LoginRoom, refuses: Refuses) -> None:
    """The server takes a good token for some methods only."""
    server = room.server
    honest = server.handle

    async def handle(exchange: Exchange) -> None:
        asked = exchange.asked
        method = "GET"
        if asked.method == "POST" and "authorization" in asked.headers:
            method = str(asked.message.get("method"))
        if refuses(method):
            server.traffic.unauthorized += 1
            await exchange.answer(401, b"", {"WWW-Authenticate": "Bearer"})
        else:
            await honest(exchange)

    server.server.script = handle


@pytest.mark.requirement("R91")
async def test_a_server_that_refuses_every_call_opens_a_few_pages_and_no_more(
    autojump_clock: MockClock,
) -> None:
    async with login_room(rules=without_a_page()) as room, room.running() as upstream:
        refuse(room, lambda method: method == "tools/call")
        await upstream.keep_calling(every=10.0, until=2 * PERIOD)
        assert len(room.browser.opened) == MOST
        said = await upstream.call()
        assert isinstance(said, LoginNeeded)
        assert "run 'bridge oauth login example'" in said.public
        assert "more than 5 logins within 60 minutes" in said.public
        (told,) = [
            line
            for line in room.said(events.OAUTH_LOGIN_FAILED)
            if "more than" in str(line["error"])
        ]
        assert "bridge oauth login example" in str(told["advice"])


async def test_a_server_whose_tokens_live_for_a_second_opens_a_few_pages_and_no_more(
    autojump_clock: MockClock,
) -> None:
    rules = without_a_page(access_lifetime=1.0)
    async with login_room(rules=rules) as room, room.running() as upstream:
        await upstream.reach_login("login_required")
        await trio.sleep(PERIOD * 2)
        assert len(room.browser.opened) == MOST


async def test_an_operator_begins_the_next_login_and_is_asked_as_often_as_before(
    autojump_clock: MockClock,
) -> None:
    rules = without_a_page(access_lifetime=1.0)
    async with login_room(rules=rules) as room, room.running() as upstream:
        await upstream.reach_login("login_required")
        upstream.post(Reauthorize(reason="an operator"))
        await trio.sleep(PERIOD)
        assert len(room.browser.opened) == 2 * MOST
        room.provider.rules.access_lifetime = 3600.0
        upstream.post(Reauthorize(reason="an operator"))
        await upstream.reach("ready")
        assert await upstream.echo("hello") == "hello"


async def test_logins_with_hours_between_them_are_not_counted_together(
    autojump_clock: MockClock,
) -> None:
    rules = without_a_page(access_lifetime=PERIOD / 2)
    async with login_room(rules=rules) as room, room.running() as upstream:
        await upstream.reach("ready")
        await trio.sleep(PERIOD * 6.2)
        assert len(room.browser.opened) > 2 * MOST
        assert await upstream.echo("hello") == "hello"
