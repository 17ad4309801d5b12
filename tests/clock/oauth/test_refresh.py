"""Tokens that are renewed in time, once, whatever clocks, calls and restarts do."""

from math import inf

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.upstream import Answered, Reauthorize
from bridge.errors import LoginNeeded
from bridge.observe import catalogue as events
from bridge.upstream import credentials
from kit.login_room import LoginRoom, Upstream, login_room
from kit.provider_rules import Rules

DAY = 86_400.0
TRANSPORTS = pytest.mark.parametrize("transport", ["streamablehttp", "sse"])


async def calls_at_once(upstream: Upstream, number: int) -> list[object]:
    """Their outcomes."""
    outcomes: list[object] = []

    async def call() -> None:
        outcomes.append(await upstream.call())

    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(call)
    return outcomes


def once(room: LoginRoom) -> bool:
    """Nobody logged in a second time."""
    counts = room.provider.counts
    return (counts.logins, counts.registrations) == (1, 1)


@pytest.mark.requirement("R105", "R106", "R109")
@pytest.mark.parametrize(
    ("transport", "grace"), [("streamablehttp", 0.0), ("sse", 30.0)]
)
async def test_ninety_days_of_hourly_tokens_and_restarts_need_one_login(
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
    grace: float,
) -> None:
    monkeypatch.setattr(credentials, "LOOK_EVERY", 600.0)  # to spare the test's time
    async with login_room(transport=transport, rules=Rules(grace=grace)) as room:
        failed: list[object] = []
        for week in range(1, 14):
            async with room.running() as upstream:
                await upstream.reach("ready")
                until = min(week * 7, 90) * DAY
                failed += await upstream.keep_calling(every=7000.0, until=until)
        assert failed == []
        assert once(room)
        lifetimes = 90 * 24
        refreshes = room.provider.counts.refreshes
        assert lifetimes <= refreshes <= lifetimes / 0.7 + 13
        assert room.provider.counts.graced == 0


@TRANSPORTS
@pytest.mark.requirement("R105", "R106", "R107")
async def test_tokens_of_five_seconds_serve_ten_minutes_of_calls(
    autojump_clock: MockClock, transport: str
) -> None:
    rules = Rules(access_lifetime=5)
    async with login_room(transport=transport, rules=rules) as room:
        async with room.running() as upstream:
            await upstream.reach("ready")
            until = trio.current_time() + 600
            assert await upstream.keep_calling(every=0.3, until=until) == []
        assert once(room)
        assert 120 <= room.provider.counts.refreshes <= 600 / 3.5 + 1


@pytest.mark.requirement("R105")
async def test_an_idle_upstream_keeps_its_token_fresh_too(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        await trio.sleep(DAY)
        assert 24 <= room.provider.counts.refreshes <= 24 / 0.7
        refused = room.server.traffic.unauthorized
        await upstream.echo()
        assert room.server.traffic.unauthorized == refused


@TRANSPORTS
@pytest.mark.requirement("R107", "D10", "C21")
async def test_a_hundred_calls_refused_at_once_cost_one_refresh(
    autojump_clock: MockClock, transport: str
) -> None:
    async with login_room(transport=transport) as room, room.running() as upstream:
        await upstream.reach("ready")
        await trio.sleep(60)
        room.provider.tokens.reject_access()
        outcomes = await calls_at_once(upstream, 100)
        assert all(isinstance(said, Answered) for said in outcomes)
        assert room.provider.counts.refreshes == 1
        assert once(room)


@pytest.mark.requirement("R107", "D10", "C21")
async def test_a_server_that_takes_no_token_gets_one_refresh_one_login_then_silence(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        await upstream.echo()
        await trio.sleep(60)
        room.server.guard.refuses_all = True
        await calls_at_once(upstream, 10)
        over = await upstream.reach_login("login_required")
        await trio.sleep(60)
        counts = room.provider.counts
        assert counts.refreshes == 1
        assert counts.logins == 2
        assert "audience" in over.last_error
        assert room.said(events.OAUTH_LOGIN_LOST)
        before = room.requests
        for _ in range(60):
            assert isinstance(await upstream.call(), LoginNeeded)
            await trio.sleep(60)
        assert room.requests == before
        room.server.guard.refuses_all = False
        upstream.post(Reauthorize(reason="an operator"))
        await upstream.reach("ready")
        await upstream.echo()


async def test_a_token_renewed_while_idle_that_outlived_a_sleep_is_renewed_again(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        await trio.sleep(3600)  # renewed, and used by nobody since
        refreshes = room.provider.counts.refreshes
        assert refreshes >= 1
        room.sleep_of_the_machine(3 * 3600)
        outcomes = await calls_at_once(upstream, 3)
        assert all(isinstance(said, Answered) for said in outcomes)
        assert room.provider.counts.refreshes == refreshes + 1
        assert once(room)


@pytest.mark.requirement("D13", "R105")
@pytest.mark.parametrize("jump", [-DAY, DAY, 10 * 365 * DAY])
@pytest.mark.parametrize("restarted", [False, True])
async def test_our_clock_set_to_another_day_costs_at_most_one_refresh(
    autojump_clock: MockClock, jump: float, *, restarted: bool
) -> None:
    async with login_room() as room:
        async with room.running() as upstream:
            await upstream.reach("ready")
            await trio.sleep(600)
            room.clock.epoch += jump
            if not restarted:
                failed = await upstream.keep_calling(
                    every=60.0, until=trio.current_time() + 1200
                )
                assert failed == []
        if restarted:
            async with room.running() as upstream:
                await upstream.reach("ready")
                failed = await upstream.keep_calling(
                    every=60.0, until=trio.current_time() + 600
                )
                assert failed == []
        assert room.provider.counts.refreshes <= 1
        assert once(room)


@pytest.mark.requirement("R110")
async def test_a_token_without_a_lifetime_is_used_until_a_401(
    autojump_clock: MockClock,
) -> None:
    rules = Rules(says_expires_in=False, access_lifetime=7 * DAY)
    async with login_room(rules=rules) as room, room.running() as upstream:
        await upstream.reach("ready")
        until = trio.current_time() + 20 * DAY
        assert await upstream.keep_calling(every=3600.0, until=until) == []
        assert room.provider.counts.refreshes == 2
        assert once(room)


async def test_without_a_refresh_token_the_next_login_begins_at_the_end(
    autojump_clock: MockClock,
) -> None:
    rules = Rules(refresh_tokens=False)
    async with login_room(rules=rules) as room, room.running() as upstream:
        await upstream.reach("ready")
        assert upstream.login is not None
        assert upstream.login.refresh_at is None
        await trio.sleep(3500)
        assert room.provider.counts.logins == 1
        await upstream.echo()
        await trio.sleep(200)
        assert room.provider.counts.logins == 2
        await upstream.echo()


async def test_a_refresh_answer_without_a_refresh_token_keeps_the_old_one(
    autojump_clock: MockClock,
) -> None:
    async with login_room(rules=Rules(rotation=False)) as room:
        async with room.running() as upstream:
            await upstream.reach("ready")
            first = room.stored()
            until = trio.current_time() + 5 * 3600
            assert await upstream.keep_calling(every=600, until=until) == []
        assert room.stored()["refresh_token"] == first["refresh_token"]
        assert room.stored()["access_token"] != first["access_token"]
        assert once(room)


@pytest.mark.requirement("R109", "D11")
async def test_a_rotated_token_is_on_the_disk_before_it_is_in_a_request(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        await trio.sleep(60)
        room.provider.tokens.reject_access()
        room.files.delay = 1.5
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upstream.echo)
            while not room.provider.counts.refreshes:  # noqa: ASYNC110 - no event
                await trio.sleep(0.01)
            newest = list(room.provider.tokens.access)[-1]
            while not room.server.traffic.requests_of[newest]:
                assert trio.current_time() < 120
                await trio.sleep(0.01)
            assert room.stored()["access_token"] == newest


async def test_keys_that_the_provider_rotates_are_its_own_business(
    autojump_clock: MockClock,
) -> None:
    rules = Rules(access_tokens="jwt")
    async with login_room(rules=rules) as room, room.running() as upstream:
        await upstream.reach("ready")
        room.provider.tokens.rotate_key()
        until = trio.current_time() + 3 * 3600
        assert await upstream.keep_calling(every=600, until=until) == []
        assert upstream.login is not None
        assert (upstream.login.refresh_at or inf) < inf
