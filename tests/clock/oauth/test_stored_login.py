"""What the disk, another process and a stop do to a login."""

import errno

import msgspec
import pytest
import trio
from trio.testing import MockClock

from bridge.contract.upstream import Answered, Forget, Reauthorize
from bridge.errors import LoginNeeded, UpstreamUnavailable
from bridge.observe import catalogue as events
from kit import provider_faults as faults
from kit import sign_in
from kit.files import disk_full, read_only
from kit.login_room import login_room
from kit.provider_rules import Rules

HOUR = 3600.0


@pytest.mark.parametrize("refuse", [disk_full(), read_only()], ids=["full", "ro"])
@pytest.mark.requirement("D12", "E4")
async def test_a_disk_that_takes_nothing_costs_no_login_and_is_tried_again(
    autojump_clock: MockClock, refuse: OSError
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        before = room.stored()
        room.files.refuse = refuse
        assert await upstream.keep_calling(every=300, until=5 * HOUR) == []
        assert room.stored() == before
        assert room.said(events.OAUTH_STORE_TROUBLE)
        room.files.refuse = None
        await trio.sleep(120)
        assert room.stored()["access_token"] in room.provider.tokens.access
        assert room.stored() != before
        assert room.provider.counts.logins == 1


@pytest.mark.requirement("D12", "P6")
async def test_the_next_edition_of_an_upstream_has_the_tokens_the_disk_did_not_take(
    autojump_clock: MockClock,
) -> None:
    async with login_room(rules=Rules()) as room:
        async with room.running() as old:
            await old.reach("ready")
            room.files.refuse = disk_full()
            assert await old.keep_calling(every=300, until=3 * HOUR) == []
            async with room.running(before=old) as new:
                await new.reach("ready")
                room.files.refuse = None
                until = trio.current_time() + 3 * HOUR
                assert await new.keep_calling(every=300, until=until) == []
                assert await old.keep_calling(every=300, until=until + HOUR) == []
        assert room.stored()["access_token"] in room.provider.tokens.access
        assert room.provider.counts.logins == 1


@pytest.mark.requirement("D12")
async def test_a_disk_that_cannot_be_read_for_a_while_is_no_removed_login(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        room.files.disk.broken[room.token_file] = OSError(errno.EIO, "I/O error")
        assert await upstream.keep_calling(every=300, until=3 * HOUR) == []
        assert room.provider.counts.logins == 1


@pytest.mark.requirement("R101")
@pytest.mark.parametrize("corrupt", [False, True])
async def test_a_file_taken_away_or_spoilt_by_hand_means_a_new_login_at_once(
    autojump_clock: MockClock, *, corrupt: bool
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        path = room.token_file
        if corrupt:
            room.files.disk.put(path, b'{"access_token": "x')
        else:
            room.files.disk.delete(path)
        await trio.sleep(90)
        assert room.provider.counts.logins == 2
        await upstream.reach("ready")
        await upstream.echo()
        assert room.stored()["access_token"] in room.provider.tokens.access


@pytest.mark.requirement("R101", "R102")
async def test_a_login_another_process_made_is_taken_and_ends_our_own(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.browser.present = False
        async with room.running() as upstream:
            await upstream.reach_login("login_pending")
            await upstream.reach("awaiting_login")
            await trio.sleep(1)
            room.browser.present = True
            async with room.running(ports=room.another_process()) as other:
                await other.reach("ready")
            await upstream.reach("ready", within=31)
            assert upstream.login is not None
            assert not upstream.login.login_url
            await upstream.echo()
        assert room.provider.counts.logins == 1


@pytest.mark.requirement("R102", "D10")
async def test_two_bridges_share_a_rotating_login_and_neither_steals_it(
    autojump_clock: MockClock,
) -> None:
    rules = Rules(access_lifetime=60)
    async with login_room(rules=rules) as room:
        async with room.running() as first:
            await first.reach("ready")
            async with room.running(ports=room.another_process()) as second:
                await second.reach("ready")
                failed: list[object] = []

                async def use(upstream: object, every: float) -> None:
                    failed.extend(
                        await upstream.keep_calling(  # type: ignore[attr-defined]
                            every=every, until=2 * HOUR
                        )
                    )

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(use, first, 7.0)
                    nursery.start_soon(use, second, 11.0)
        assert failed == []
        assert room.provider.counts.logins == 1
        assert room.provider.counts.refreshes <= 2 * HOUR / 42 + 2


@pytest.mark.requirement("R102", "D13")
async def test_a_login_renewed_by_a_process_whose_clock_was_set_back_is_taken(
    autojump_clock: MockClock,
) -> None:
    rules = Rules(access_dies_on_refresh=True)
    async with login_room(rules=rules) as room, room.running() as upstream:
        await upstream.reach("ready")
        await trio.sleep(5)
        room.clock.epoch -= 1000  # so the other process renews it, dated before ours
        async with room.running(ports=room.another_process()) as other:
            await other.reach("ready")
        assert room.provider.counts.refreshes == 1
        await upstream.echo()
        assert room.provider.counts.refreshes == 1
        assert room.provider.counts.logins == 1


@pytest.mark.requirement("R102", "D10")
async def test_a_store_another_process_will_not_let_go_delays_a_refresh(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        (lock,) = {
            path
            for what, path in room.files.log
            if what == "lock" and path.name.startswith("server-hash-")
        }
        room.files.disk.held.add(lock)
        assert await upstream.keep_calling(every=60, until=HOUR - 60) == []
        assert room.provider.counts.refreshes == 0
        assert "locked" in str(room.said(events.OAUTH_REFRESH_FAILED)[0]["error"])
        room.files.disk.held.discard(lock)
        await trio.sleep(150)
        assert room.provider.counts.refreshes == 1
        await upstream.echo()


@pytest.mark.parametrize("after", [0.1, 1.0, 2.0, 3.5])
@pytest.mark.requirement("R109", "D11")
async def test_a_stop_in_the_middle_of_a_refresh_loses_no_rotated_token(
    autojump_clock: MockClock, after: float
) -> None:
    async with login_room() as room:
        async with room.running() as upstream:
            await upstream.reach("ready")
            await trio.sleep(60)
            room.provider.faults.once("token", faults.late(1.5))
            room.provider.tokens.reject_access()
            room.files.delay = 0.5
            async with trio.open_nursery() as nursery:
                nursery.start_soon(upstream.call)
                await trio.sleep(after)
                upstream.stopping.set()
        room.files.delay = 0.0
        async with room.running() as upstream:
            await upstream.reach("ready")
            await upstream.echo()
            assert await upstream.keep_calling(every=300, until=3 * HOUR) == []
        assert room.provider.counts.logins == 1
        assert room.provider.counts.graced == 0


async def test_an_actor_that_crashes_comes_back_with_its_login(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        with pytest.RaisesGroup(ZeroDivisionError):
            async with room.running() as upstream:
                await upstream.reach("ready")
                raise ZeroDivisionError
        async with room.running() as upstream:
            await upstream.reach("ready")
            await upstream.echo()
        assert room.provider.counts.logins == 1


@pytest.mark.requirement("R111", "D14")
async def test_a_log_out_revokes_erases_and_then_nothing_moves_until_a_log_in(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        path = room.token_file
        upstream.post(Forget(reason="an operator"))
        await upstream.reach("awaiting_login")
        await trio.sleep(30)
        assert room.provider.counts.revocations >= 1
        assert path not in room.files.disk.files
        before = room.requests
        for _ in range(60):
            assert isinstance(await upstream.call(), LoginNeeded)
            await trio.sleep(60)
        assert room.requests == before
        upstream.post(Reauthorize(reason="an operator"))
        await upstream.reach("ready")
        assert isinstance(await upstream.call(), Answered)
        assert room.provider.counts.logins == 2


async def test_a_log_out_under_a_pending_login_ends_it(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        room.person = sign_in.never_finishes(room.network)
        async with room.running() as upstream:
            await upstream.reach_login("login_pending")
            upstream.post(Forget(reason="an operator"))
            await upstream.reach_login("login_required", within=60)
            await trio.sleep(1)
            assert upstream.login is not None
            assert not upstream.login.login_url
            assert isinstance(await upstream.call(), UpstreamUnavailable)


@pytest.mark.requirement("R100")
async def test_an_expired_login_is_erased_but_never_one_another_process_made(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        path, stored = room.token_file, upstream.account.stored
        ours = await stored.load()
        assert ours is not None
        theirs = room.stored() | {"access_token": "of-another-process"}
        kept = room.files.disk.files[path]
        room.files.disk.put(path, msgspec.json.encode(theirs))
        await stored.take_out(ours, "expired")
        assert room.stored() == theirs
        room.files.disk.put(path, kept)
        await stored.take_out(ours, "expired")
        assert path not in room.files.disk.files
