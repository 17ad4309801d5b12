"""A changed file is applied once it is quiet, as the file itself wishes."""

import pytest
import trio
from trio.testing import MockClock

from bridge.observe import catalogue as events
from bridge.reload.follower import RESTLESS, TRY_AGAIN
from kit.reloads import MISSING, NAME, ReloadRoom, servers

pytestmark = pytest.mark.requirement("R139")


@pytest.fixture
async def room(nursery: trio.Nursery, autojump_clock: MockClock) -> ReloadRoom:
    room = ReloadRoom(servers("a"))
    await room.start(nursery)
    return room


async def test_an_edit_is_applied_after_its_quiet_time(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.edit(servers("b"))
    await trio.sleep(0.9)
    assert room.names == ["a"]
    await trio.sleep(0.2)
    assert room.names == ["b"]
    await trio.sleep(100)
    assert room.source.reads == 1


async def test_a_burst_of_edits_ends_in_the_newest_file_read_once(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    for number in range(8):
        room.source.edit(servers(f"s{number}"))
        await trio.sleep(0.5)
    assert room.source.reads == 0
    await trio.sleep(1)
    assert room.names == ["s7"]
    assert room.source.reads == 1


async def test_a_file_that_is_never_quiet_is_read_all_the_same(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    for number in range(4 * RESTLESS):
        room.source.edit(servers(f"s{number}"))
        await trio.sleep(0.5)
    assert room.source.reads >= 1
    await trio.sleep(2)
    assert room.names == [f"s{4 * RESTLESS - 1}"]


async def test_an_edit_during_a_reload_is_applied_after_it(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.apply_takes = 30
    room.source.edit(servers("b"))
    await trio.sleep(10)
    room.source.edit(servers("c"))
    await trio.sleep(100)
    assert room.names == ["c"]
    assert [config.upstreams[0].name for config in room.applied] == ["b", "c"]


async def test_a_bad_file_is_reported_once_and_the_next_good_one_applied(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.edit(MISSING)
    await trio.sleep(100)
    assert room.names == ["a"]
    assert len(room.journal.of(events.BRIDGE_RELOAD_REFUSED)) == 1
    room.source.edit(servers("b"))
    await trio.sleep(2)
    assert room.names == ["b"]


async def test_a_touched_file_is_read_and_nothing_more(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.touch()
    await trio.sleep(2)
    assert room.source.reads == 1
    assert room.journal.names == ["bridge.reload_unneeded"]


async def test_an_edit_before_the_watch_began_is_not_missed(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    room = ReloadRoom(servers("a"))
    room.source.edit(servers("b"))
    await room.start(nursery)
    await trio.sleep(2)
    assert room.names == ["b"]


async def test_a_quiet_time_of_zero_applies_at_once(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    room = ReloadRoom(servers("a", reload={"debounceMs": 0}))
    await room.start(nursery)
    room.source.edit(servers("b"))
    await trio.testing.wait_all_tasks_blocked()
    await trio.sleep(0.01)
    assert room.names == ["b"]


async def test_the_quiet_time_follows_the_file(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.edit(servers("a", reload={"debounceMs": 60_000}))
    await trio.sleep(2)
    room.source.edit(servers("b"))
    await trio.sleep(59)
    assert room.names == ["a"]
    await trio.sleep(2)
    assert room.names == ["b"]


async def test_validate_only_reports_and_applies_nothing(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    only = {"validateOnly": True}
    room.source.edit(servers("a", "b", reload=only))
    await trio.sleep(2)
    assert room.names == ["a"]
    (said,) = room.journal.of(events.BRIDGE_RELOAD_CHECKED)
    assert said["added"] == ("b",)
    room.source.edit(MISSING)
    await trio.sleep(2)
    assert len(room.journal.of(events.BRIDGE_RELOAD_REFUSED)) == 1
    room.source.edit(servers("a", "b"))
    await trio.sleep(2)
    assert room.names == ["a", "b"]


async def test_validate_only_holds_back_nobody_who_asks(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.edit(servers("b", reload={"validateOnly": True}))
    await trio.sleep(2)
    assert room.names == ["a"]
    assert (await room.reloader.reload()).applied
    assert room.names == ["b"]


async def test_a_file_that_is_not_followed_is_read_when_asked(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    off = {"enabled": False}
    room = ReloadRoom(servers("a", reload=off))
    await room.start(nursery)
    room.source.edit(servers("b", reload=off))
    await trio.sleep(1_000)
    assert (room.names, room.source.reads) == (["a"], 0)
    assert (await room.reloader.reload()).applied
    assert room.names == ["b"]


async def test_following_can_be_switched_off_and_on_by_the_file(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.edit(servers("b", reload={"enabled": False}))
    await trio.sleep(2)
    assert room.names == ["b"]
    room.source.edit(servers("c"))
    await trio.sleep(100)
    assert room.names == ["b"]
    await room.reloader.reload()
    room.source.edit(servers("d"))
    await trio.sleep(3)
    assert room.names == ["d"]


async def test_a_file_that_cannot_be_watched_is_said_once_and_tried_again(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.break_watch(TimeoutError(110, "the disk does not answer"))
    await trio.sleep(10 * TRY_AGAIN)
    (said,) = room.journal.of(events.BRIDGE_WATCH_FAILED)
    assert said["file"] == NAME
    assert said["error"] == "the disk does not answer"
    assert "SIGHUP" in str(said["hint"])
    assert "bridge reload" in str(said["hint"])
    room.source.content = servers("b")
    assert (await room.reloader.reload()).applied
    room.source.break_watch(None)
    room.source.edit(servers("c"))
    await trio.sleep(TRY_AGAIN + 2)
    assert room.names == ["c"]


async def test_an_error_without_words_is_named_all_the_same(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.break_watch(OSError("odd"))
    await trio.sleep(1)
    assert room.journal.of(events.BRIDGE_WATCH_FAILED)[0]["error"] == "odd"
