"""From a 401 to a logged-in upstream, and what becomes of logins that fail."""

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.upstream import Reauthorize
from bridge.errors import LoginNeeded
from bridge.observe import catalogue as events
from kit import sign_in
from kit.issuer import OMIT
from kit.login_room import LoginRoom, Upstream, login_room

TRANSPORTS = pytest.mark.parametrize("transport", ["streamablehttp", "sse"])
ISSUER = "http://127.0.0.1:9400"


async def refused(upstream: Upstream) -> LoginNeeded:
    """A call that says who has to act."""
    said = await upstream.call()
    assert isinstance(said, LoginNeeded), said
    assert "run 'bridge oauth login example'" in said.public
    return said


async def quiet_for(room: LoginRoom, seconds: float) -> None:
    """Nobody is asked anything for so long."""
    before = room.requests
    await trio.sleep(seconds)
    assert room.requests == before


@TRANSPORTS
@pytest.mark.requirement("R78", "R80", "R82", "R91", "R143")
async def test_a_server_that_asks_for_a_login_gets_one_and_serves(
    autojump_clock: MockClock, transport: str
) -> None:
    async with login_room(transport=transport) as room, room.running() as upstream:
        await upstream.reach("ready")
        assert await upstream.echo("hello") == "hello"
        counts = room.provider.counts
        assert (counts.registrations, counts.authorizations, counts.logins) == (1, 1, 1)
        for sentence in (
            "OAuth-enabled server detected. Running OAuth preflight check.",
            f"Attempting OAuth discovery for URL: {room.server.url}",
            "Trying discovery endpoint: http://127.0.0.1:9",
            f"Successfully discovered OAuth issuer: {ISSUER}",
            "OAuth preflight check passed for server 'example'",
            "OAuth flow initiated for server 'example'. Please check your browser",
            "OAuth flow completed successfully for server 'example'",
        ):
            assert room.log.sentence(sentence), sentence
        assert upstream.login is not None
        assert (upstream.login.state, upstream.login.logins) == ("valid", 1)
        assert upstream.login.refresh_at is not None


@TRANSPORTS
@pytest.mark.requirement("R80", "R143", "R79")
async def test_the_next_run_finds_the_login_and_asks_nobody(
    autojump_clock: MockClock, transport: str
) -> None:
    async with login_room(transport=transport) as room:
        async with room.running() as upstream:
            await upstream.reach("ready")
        asked = room.provider.counts.requests.copy()
        async with room.running() as upstream:
            await upstream.reach("ready")
            await upstream.echo()
        assert room.provider.counts.requests == asked
        digits = room.token_file.stem.removeprefix("server-hash-")
        assert room.log.sentence(
            f"OAuth tokens loaded successfully for server URL hash: {digits}"
        )


@pytest.mark.requirement("R79", "R144")
async def test_a_preflight_that_fails_says_so_in_the_words_of_the_guide(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.server.door.challenge = "none"
        room.server.door.metadata_at = frozenset()
        async with room.running() as upstream:
            await upstream.reach("awaiting_login")
            assert room.log.sentence(
                "OAuth preflight check failed for server 'example'"
            )
            assert room.log.sentence("OAuth discovery failed for all endpoints:")
            assert room.log.sentence(
                "No issuer configured and discovery failed for server 'example'"
            )
            told = "\n".join(room.log.texts)
            assert "- http://127.0.0.1:9500/.well-known/" in told
            assert "(404)" in told
            await refused(upstream)
            await quiet_for(room, 3600)


@pytest.mark.requirement("R79")
async def test_one_server_that_fails_stops_no_other(autojump_clock: MockClock) -> None:
    async with login_room() as bad, login_room() as good:
        bad.server.door.challenge = "none"
        bad.server.door.metadata_at = frozenset()
        async with bad.running() as failing, good.running() as upstream:
            await failing.reach("awaiting_login")
            await upstream.reach("ready")
            assert await upstream.echo("hello") == "hello"


@pytest.mark.requirement("R81", "R94")
async def test_without_a_browser_the_address_waits_in_the_log_and_the_status(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.browser.present = False
        async with room.running() as upstream:
            pending = await upstream.reach_login("login_pending")
            await upstream.reach("awaiting_login")
            await trio.sleep(1)
            assert pending.login_url.startswith(f"{ISSUER}/authorize?")
            assert pending.login_url in "\n".join(room.log.lines)
            assert room.said(events.OAUTH_BROWSER_MISSING)
            await refused(upstream)
            await trio.sleep(200)
            await room.person(pending.login_url)
            await upstream.reach("ready")
            assert await upstream.echo("late") == "late"


@pytest.mark.requirement("R94")
async def test_a_login_nobody_finishes_ends_after_five_minutes_and_can_begin_again(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.person = sign_in.never_finishes(room.network)
        async with room.running() as upstream:
            await upstream.reach_login("login_pending")
            began = trio.current_time()
            over = await upstream.reach_login("login_required")
            assert trio.current_time() - began == pytest.approx(300, abs=1)
            assert "nobody logged in within 5 minutes" in over.last_error
            assert "5 minutes" in (await refused(upstream)).public
            await quiet_for(room, 3600)
            room.person = sign_in.Person(room.network)
            upstream.post(Reauthorize(reason="an operator"))
            await upstream.reach("ready")
            assert await upstream.echo("hello") == "hello"


@pytest.mark.parametrize(
    ("choice", "changes", "why"),
    [
        ("deny", {}, "access_denied"),
        ("allow", {"iss": "https://evil.example"}, f"was not sent by {ISSUER}"),
        ("allow", {"iss": ""}, "does not say who sent it"),
    ],
)
@pytest.mark.requirement("R84", "D2")
async def test_a_login_that_is_denied_or_mixed_up_ends_at_once_and_begins_no_other(
    autojump_clock: MockClock, choice: str, changes: dict[str, str], why: str
) -> None:
    async with login_room() as room:
        room.person = sign_in.Person(room.network, choice=choice, changes=changes)
        async with room.running() as upstream:
            over = await upstream.reach_login("login_required", within=60)
            await upstream.reach("awaiting_login")
            assert why in over.last_error
            assert room.provider.counts.logins == 0
            await refused(upstream)
            await quiet_for(room, 3600)
            assert len(room.said(events.OAUTH_LOGIN_FAILED)) == 1


@pytest.mark.requirement("R83", "D1", "D8")
async def test_a_forged_state_does_not_end_the_wait(autojump_clock: MockClock) -> None:
    async with login_room() as room:

        async def attacked(url: str) -> None:
            back = await sign_in.decide(room.network, url)
            await sign_in.visit(room.network, sign_in.tampered(back, state="f" * 64))
            await sign_in.visit(room.network, sign_in.tampered(back, state=""))
            await trio.sleep(30)
            await sign_in.visit(room.network, back)

        room.person = attacked
        async with room.running() as upstream:
            await upstream.reach("ready")
            assert trio.current_time() >= 30
            assert room.said(events.OAUTH_CALLBACK_REFUSED)


async def test_a_second_login_command_joins_the_first_unless_it_is_forced(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.browser.present = False
        async with room.running() as upstream:
            first = await upstream.reach_login("login_pending")
            upstream.post(Reauthorize(reason="an operator"))
            await trio.sleep(1)
            assert upstream.login is not None
            assert upstream.login.login_url == first.login_url
            upstream.post(Reauthorize(reason="an operator", force=True))
            await trio.sleep(1)
            second = await upstream.reach_login("login_pending")
            assert second.login_url != first.login_url
            assert second.logins == 2
            await room.person(second.login_url)
            await upstream.reach("ready")


async def test_a_login_ordered_before_the_store_is_read_is_not_lost(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        async with room.running() as upstream:
            await upstream.reach("ready")
        room.files.delay = 5.0
        async with room.running() as upstream:
            upstream.post(Reauthorize(reason="an operator", force=True))
            await trio.sleep(2)  # the store is still being read
            room.files.delay = 0.0
            await upstream.reach("ready")
            await trio.sleep(60)
            assert room.provider.counts.logins == 2


@pytest.mark.requirement("R95", "D3")
@pytest.mark.parametrize("allowed", [False, True])
async def test_a_provider_without_pkce_is_refused_unless_the_setting_allows_it(
    autojump_clock: MockClock, *, allowed: bool
) -> None:
    oauth = {"allow_unadvertised_pkce": allowed}
    async with login_room(oauth=oauth) as room:
        room.provider.metadata_changes["code_challenge_methods_supported"] = OMIT
        async with room.running() as upstream:
            if allowed:
                await upstream.reach("ready")
                assert room.said(events.OAUTH_PKCE_UNADVERTISED)
                return
            await upstream.reach("awaiting_login")
            (failed,) = room.said(events.OAUTH_LOGIN_FAILED)
            assert "allow_unadvertised_pkce" in str(failed["advice"])
            assert not room.browser.opened


@pytest.mark.requirement("R72", "D4")
async def test_metadata_of_another_issuer_is_not_used(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.provider.metadata_changes["issuer"] = "http://127.0.0.1:9499"
        async with room.running() as upstream:
            await upstream.reach("awaiting_login")
            assert not room.browser.opened
            assert room.provider.counts.registrations == 0
