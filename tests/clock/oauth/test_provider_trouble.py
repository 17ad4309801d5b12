"""A provider that fails, forgets or refuses: what may pass is waited for, no more."""

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.upstream import Answered
from bridge.errors import LoginNeeded, UpstreamUnavailable
from bridge.observe import catalogue as events
from kit import provider_faults as faults
from kit import sign_in
from kit.login_room import login_room
from kit.provider_faults import Fault
from kit.provider_rules import Rules

HOUR = 3600.0
#: What may pass by itself, each for every request there is.
PASSING = pytest.mark.parametrize(
    "fault",
    [
        faults.answering(500),
        faults.answering(502, b"<html>", content_type="text/html"),
        faults.html(),
        faults.too_many(120),
        faults.slow(30),
        faults.silent,
        faults.cut,
        faults.refusing("temporarily_unavailable"),
        faults.refusing("server_error", status=500),
    ],
    ids=[
        *("500", "502", "page", "429", "slow", "silent", "cut"),
        *("unavailable", "server_error"),
    ],
)


@PASSING
@pytest.mark.requirement("R108", "D10")
async def test_while_a_provider_is_down_the_old_token_serves_and_nothing_is_lost(
    autojump_clock: MockClock, fault: Fault
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        stored = room.stored()
        room.provider.faults.always("token", fault)
        assert await upstream.keep_calling(every=60, until=HOUR - 60) == []
        assert room.said(events.OAUTH_REFRESH_FAILED)
        assert room.stored() == stored
        room.provider.faults.heal("token")
        await trio.sleep(300)
        assert await upstream.keep_calling(every=60, until=2 * HOUR) == []
        assert room.provider.counts.logins == 1


@PASSING
@pytest.mark.requirement("R108", "D10")
async def test_when_the_token_dies_meanwhile_calls_say_why_and_it_recovers_by_itself(
    autojump_clock: MockClock, fault: Fault
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        room.provider.faults.always("token", fault)
        await trio.sleep(HOUR + 120)
        asked = room.provider.counts.requests["token"]
        for _ in range(10):
            said = await upstream.call()
            assert isinstance(said, UpstreamUnavailable)
            assert not isinstance(said, LoginNeeded)
            assert said.retryable
            assert "token" in said.public
            await trio.sleep(60)
        # with pauses of half a minute on average, or as the provider wishes
        assert 1 <= room.provider.counts.requests["token"] - asked <= 60
        room.provider.faults.heal("token")
        await upstream.reach("ready")
        await upstream.echo()
        assert room.provider.counts.logins == 1


@pytest.mark.parametrize(
    "fault", [faults.answer_lost, faults.half_an_answer, faults.late(20)]
)
@pytest.mark.requirement("D10", "D11")
async def test_an_answer_lost_on_the_way_is_asked_for_again_within_the_grace(
    autojump_clock: MockClock, fault: Fault
) -> None:
    async with login_room(rules=Rules(grace=60)) as room, room.running() as upstream:
        await upstream.reach("ready")
        room.provider.faults.once("token", fault)
        assert await upstream.keep_calling(every=60, until=2 * HOUR) == []
        assert room.provider.counts.logins == 1


@pytest.mark.requirement("R108", "D10")
async def test_a_login_its_provider_ended_is_made_anew_and_calls_say_so_meanwhile(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        await upstream.echo()
        await trio.sleep(60)
        room.person = sign_in.Person(room.network, patience=120)
        room.provider.tokens.revoke_everything()
        said = await upstream.call()
        assert isinstance(said, LoginNeeded)
        assert "bridge oauth login example" in said.public
        assert room.said(events.OAUTH_LOGIN_LOST)
        await upstream.reach("awaiting_login")
        token_requests = room.provider.counts.requests["token"]
        assert isinstance(await upstream.call(), LoginNeeded)
        assert room.provider.counts.requests["token"] == token_requests
        await upstream.reach("ready")
        await upstream.echo()
        assert room.provider.counts.logins == 2


async def test_a_dead_login_nobody_renews_costs_no_traffic(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        await upstream.echo()
        await trio.sleep(60)
        room.browser.present = False
        room.provider.tokens.revoke_everything()
        assert isinstance(await upstream.call(), LoginNeeded)
        await upstream.reach_login("login_required")
        before = room.requests
        for _ in range(60):
            assert isinstance(await upstream.call(), LoginNeeded)
            await trio.sleep(60)
        assert room.requests == before


async def test_a_forgotten_registration_is_made_again(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        room.provider.clients.forget()
        await trio.sleep(2 * HOUR)
        await upstream.echo()
        counts = room.provider.counts
        assert (counts.registrations, counts.logins) == (2, 2)


async def test_a_provider_that_is_down_at_the_first_login_is_waited_for(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.provider.faults.always("metadata", faults.answering(503))
        async with room.running() as upstream:
            await trio.sleep(600)
            said = await upstream.call()
            assert isinstance(said, UpstreamUnavailable)
            assert said.retryable
            room.provider.faults.heal("metadata")
            await upstream.reach("ready")
            await upstream.echo()
            assert room.provider.counts.logins == 1


@pytest.mark.requirement("R92", "C21")
async def test_a_call_that_wants_more_gets_a_login_for_the_union_of_scopes(
    autojump_clock: MockClock,
) -> None:
    rules = Rules(scopes_supported=("mcp:read", "mcp:write", "offline_access"))
    async with login_room(rules=rules) as room:
        room.server.door.scopes = ("mcp:read",)
        room.server.door.challenge_scope = ("mcp:read",)
        room.server.mind.tools = ["echo", "write"]
        room.server.door.tool_scopes["write"] = ("mcp:write",)
        async with room.running() as upstream:
            await upstream.reach("ready")
            room.person = sign_in.Person(room.network, patience=60)
            refused = await upstream.call("write")
            assert isinstance(refused, UpstreamUnavailable)
            await upstream.echo()  # the old token serves on
            await trio.sleep(120)
            assert isinstance(await upstream.call("write"), Answered)
            asked = set(room.provider.authorizations.asked[-1].scope)
            assert {"mcp:read", "mcp:write"} <= asked
            assert room.said(events.OAUTH_STEPPED_UP)


@pytest.mark.requirement("R92")
async def test_scopes_that_are_never_granted_are_asked_for_twice(
    autojump_clock: MockClock,
) -> None:
    rules = Rules(scopes_supported=None, granted=("mcp:read",))
    async with login_room(rules=rules) as room:
        room.server.door.tool_scopes["write"] = ("mcp:write",)
        async with room.running() as upstream:
            await upstream.reach("ready")
            for _ in range(6):
                assert not isinstance(await upstream.call("write"), Answered)
                await upstream.echo()
                await trio.sleep(60)
            assert room.provider.counts.logins == 3
