"""Logins a command does by itself, at a provider that forgives nothing."""

import pytest
import trio
from trio.testing import MockClock

from bridge.cli.exit import CommandFailed
from bridge.cli.login_view import Verdict, verdict
from bridge.cli.run import alongside
from bridge.config.server import UpstreamConfig
from bridge.observe.status import OAuthStatus
from bridge.upstream.sealed_files import SEAL
from kit.command_room import workshop
from kit.files import disk_full, read_only
from kit.login_room import LoginRoom, login_room
from kit.provider_rules import Rules
from kit.sign_in import Person, denies, never_finishes

NAME = "example"


def nobody_asked(status: OAuthStatus) -> None:
    raise AssertionError(status)


def worth(room: LoginRoom, status: OAuthStatus) -> Verdict:
    return verdict(status, now=room.clock.now())


@pytest.mark.requirement("R112", "R113")
async def test_a_login_without_a_bridge_is_shown_done_and_kept(
    autojump_clock: MockClock,
) -> None:
    shown: list[OAuthStatus] = []
    async with login_room() as room:
        logins = workshop(room).logins()
        [before] = await logins.statuses()
        after = await logins.log_in(NAME, force=False, show=shown.append)
        [later] = await workshop(room).logins().statuses()
    assert (worth(room, before), worth(room, after)) == (
        Verdict.NO_TOKENS,
        Verdict.VALID,
    )
    assert later == after
    assert later.issuer == room.provider.issuer
    assert [each.login_url for each in shown] == room.browser.opened
    assert shown[0].state == "login_pending"
    assert isinstance(room.person, Person)
    [page] = room.person.pages
    assert "Login complete" in page.body.decode()


@pytest.mark.requirement("R113")
async def test_a_login_that_can_be_renewed_needs_no_person(
    autojump_clock: MockClock,
) -> None:
    async with login_room(rules=Rules(access_lifetime=60)) as room:
        logins = workshop(room).logins()
        await logins.log_in(NAME, force=False, show=lambda _: None)
        await trio.sleep(120)
        [expired] = await logins.statuses()
        assert worth(room, expired) is Verdict.EXPIRED
        renewed = await logins.log_in(NAME, force=False, show=nobody_asked)
        assert worth(room, renewed) is Verdict.VALID
        assert room.provider.counts.logins == 1
        await logins.log_in(NAME, force=True, show=lambda _: None)
        assert room.provider.counts.logins == 2


@pytest.mark.requirement("R113")
async def test_where_a_refresh_is_refused_a_person_is_asked(
    autojump_clock: MockClock,
) -> None:
    async with login_room(rules=Rules(access_lifetime=60, refresh_lifetime=60)) as room:
        logins = workshop(room).logins()
        for _ in range(2):
            after = await logins.log_in(NAME, force=False, show=lambda _: None)
            assert worth(room, after) is Verdict.VALID
            await trio.sleep(120)
        assert room.provider.counts.logins == 2


@pytest.mark.requirement("R81", "R113")
async def test_a_redirect_that_never_comes_back_can_be_pasted(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.person = person = never_finishes(room.network)
        logins = workshop(room).logins()

        async def paste() -> None:
            while not person.redirects:  # noqa: ASYNC110 - a person looks now and then
                await trio.sleep(0.1)
            assert not await logins.paste(NAME, "http://127.0.0.1/?code=a&state=b")
            assert await logins.paste(NAME, person.redirects[0])

        async def log_in() -> OAuthStatus:
            return await logins.log_in(NAME, force=False, show=lambda _: None)

        after = await alongside(log_in, paste)
        assert worth(room, after) is Verdict.VALID


@pytest.mark.requirement("R93", "R112")
async def test_a_denied_login_is_explained(autojump_clock: MockClock) -> None:
    async with login_room() as room:
        room.person = denies(room.network)
        logins = workshop(room).logins()
        with pytest.raises(CommandFailed) as failure:
            await logins.log_in(NAME, force=False, show=lambda _: None)
    assert failure.value.lines[0].startswith("not logged in to 'example': ")
    assert any("access_denied" in line for line in failure.value.lines)


@pytest.mark.requirement("R159", "R87")
async def test_a_taken_callback_port_is_named_with_its_setting(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        port = room.bridge.oauth_port
        await room.network.listen("127.0.0.1", port)
        with pytest.raises(CommandFailed) as failure:
            await workshop(room).logins().log_in(NAME, force=True, show=nobody_asked)
    said = "\n".join(failure.value.lines)
    assert str(port) in said
    assert "oauth_port" in said


@pytest.mark.requirement("R159", "R73")
async def test_a_server_nobody_vouches_for_lists_what_was_tried(
    autojump_clock: MockClock,
) -> None:
    issuer = "http://127.0.0.1:9400/other"
    async with login_room(oauth={"issuer": issuer}) as room:
        room.server.door.metadata_at = frozenset()
        room.server.door.challenge = "none"
        with pytest.raises(CommandFailed) as failure:
            await workshop(room).logins().log_in(NAME, force=True, show=nobody_asked)
    said = "\n".join(failure.value.lines)
    assert "OAuth discovery failed" in said
    assert "/.well-known/openid_configuration (404)" in said
    assert "what to do: " in said


async def test_a_server_that_is_down_is_told_by_the_discovery(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        away = workshop(room, url="http://127.0.0.1:1/mcp").logins()
        with pytest.raises(CommandFailed, match=r"127\.0\.0\.1:1"):
            await away.log_in(NAME, force=False, show=nobody_asked)


@pytest.mark.requirement("R111", "R112", "D14")
async def test_a_logout_revokes_and_deletes_and_a_second_one_has_nothing_to_do(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        logins = workshop(room).logins()
        await logins.log_in(NAME, force=False, show=lambda _: None)
        assert await logins.log_out(NAME)
        assert room.provider.counts.revocations == 2  # both tokens
        [after] = await logins.statuses()
        assert worth(room, after) is Verdict.NO_TOKENS
        assert not await logins.log_out(NAME)


async def test_only_servers_a_bridge_would_log_in_to_have_a_login(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        logins = workshop(room, UpstreamConfig(name="local", command="x")).logins()
        assert [each.name for each in await logins.statuses()] == [NAME]
        assert "does not use OAuth" in await logins.why_not("local")
        assert "there is no server" in await logins.why_not("nobody")
        assert NAME in await logins.why_not("nobody")
        off = workshop(room, enabled=False).logins()
        assert await off.statuses() == ()


async def test_without_a_browser_the_address_is_shown_all_the_same(
    autojump_clock: MockClock,
) -> None:
    shown: list[OAuthStatus] = []
    async with login_room() as room:
        room.browser.present = False
        logins = workshop(room).logins()
        person = Person(room.network)

        async def come() -> None:
            while not shown:  # noqa: ASYNC110 - a person looks now and then
                await trio.sleep(0.1)
            await person(shown[0].login_url)

        async def log_in() -> OAuthStatus:
            return await logins.log_in(NAME, force=False, show=shown.append)

        after = await alongside(log_in, come)
    assert worth(room, after) is Verdict.VALID


async def test_a_login_whose_tokens_cannot_be_kept_is_none(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.files.refuse = disk_full()
        with pytest.raises(CommandFailed, match="cannot be kept") as failure:
            await workshop(room).logins().log_in(NAME, force=False, show=lambda _: None)
        assert "No space left" in failure.value.lines[0]
        room.files.refuse = None
        [after] = await workshop(room).logins().statuses()
    assert worth(room, after) is Verdict.NO_TOKENS


async def test_a_store_that_cannot_be_used_is_no_logged_out_server(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        logins = workshop(room).logins()
        await logins.log_in(NAME, force=False, show=lambda _: None)
        room.files.refuse = read_only()
        with pytest.raises(CommandFailed, match="not logged out of 'example'"):
            await logins.log_out(NAME)
        room.files.refuse = None
        assert await logins.log_out(NAME)


async def test_a_login_sealed_for_a_keyring_is_told_with_what_to_set(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        logins = workshop(room).logins()
        await logins.log_in(NAME, force=False, show=lambda _: None)
        [file] = [f for f in room.files.disk.files if f.name.startswith("server-hash")]
        room.files.disk.put(file, SEAL + b"...")
        [sealed] = await logins.statuses()
        room.files.disk.delete(file)
        [gone] = await logins.statuses()
    assert worth(room, sealed) is Verdict.NO_TOKENS
    assert "bridge.token_store" in sealed.last_error
    assert gone.last_error == ""
