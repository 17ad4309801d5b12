"""A file is applied as a whole or not at all, one reload after the other."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from bridge.config import Loaded
from bridge.contract.reload import Plan
from bridge.errors import BridgeError, ConfigError
from bridge.observe import catalogue as events
from bridge.reload.reloader import PATIENCE
from kit.configs import LOCAL, load
from kit.reloads import MISSING, NAME, ReloadRoom, one_broken, servers

pytestmark = pytest.mark.requirement("R139", "R140")


@pytest.fixture
async def room(nursery: trio.Nursery, autojump_clock: MockClock) -> ReloadRoom:
    room = ReloadRoom(servers("a", "b"))
    await room.start(nursery)
    return room


async def test_a_reload_applies_what_the_file_says_now(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.content = servers("b", "c", pageSize=5)
    plan = await room.reloader.reload()
    assert room.names == ["b", "c"]
    assert plan.applied
    assert (plan.unchanged, plan.added, plan.removed) == (("b",), ("c",), ("a",))
    assert plan.restart == ("pageSize",)
    (said,) = room.journal.of(events.BRIDGE_RELOADED)
    assert said == {
        "added": ("c",),
        "changed": (),
        "removed": ("a",),
        "restart_needed": ("pageSize",),
    }


async def test_a_plan_changes_nothing_and_says_nothing(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.content = servers("c")
    plan = await room.reloader.plan()
    assert (plan.added, plan.removed, plan.applied) == (("c",), ("a", "b"), False)
    assert room.names == ["a", "b"]
    assert room.journal.entries == []


async def test_the_same_content_is_applied_to_nobody(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    plan = await room.reloader.reload()
    assert plan.is_empty
    assert plan.applied
    assert room.applied == []
    assert room.journal.entries == [("bridge.reload_unneeded", {"file": NAME})]


async def test_keys_that_wait_for_a_restart_are_told_once(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    for wanted in (5, 5, 6, 0):
        room.source.content = servers("a", "b", pageSize=wanted)
        plan = await room.reloader.reload()
        assert plan.applied
    said = room.journal.of(events.BRIDGE_RELOADED)
    assert [fields["restart_needed"] for fields in said] == [("pageSize",), ()]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (MISSING, "(file): no such file"),
        (one_broken("a", "c"), "1:73: mcpServers.broken.url: missing"),
    ],
    ids=["no file", "one server"],
)
async def test_a_bad_file_changes_nothing_and_says_why(
    room: ReloadRoom,
    autojump_clock: MockClock,
    bad: Loaded | ConfigError,
    reason: str,
) -> None:
    room.source.content = bad
    plan = await room.reloader.reload()
    assert plan.refused
    assert not plan.applied
    assert (plan.added, plan.removed) == ((), ())
    assert room.names == ["a", "b"]
    (said,) = room.journal.of(events.BRIDGE_RELOAD_REFUSED)
    assert said["file"] == NAME
    assert str(said["problems"]).startswith(f"['{reason}")


async def test_an_error_without_problems_is_told_as_it_is(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.content = type(MISSING)("it is locked")
    plan = await room.reloader.reload()
    assert [remark.reason for remark in plan.problems] == ["it is locked"]


async def test_a_good_file_after_a_bad_one_is_applied(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.content = MISSING
    await room.reloader.reload()
    room.source.content = servers("c")
    assert (await room.reloader.reload()).applied
    assert room.names == ["c"]


async def test_warnings_are_logged_when_the_file_is_applied(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.source.content = load({"a": {**LOCAL, "tmeout": 1}})
    plan = await room.reloader.reload()
    assert plan.applied
    (said,) = room.journal.of(events.CONFIG_WARNING)
    assert said["path"] == "mcpServers.a.tmeout"


async def test_secrets_are_hidden_before_anything_is_applied(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    secret = {**LOCAL, "env": {"API_KEY": "not-for-the-log"}}
    room.source.content = load({"a": secret})
    await room.reloader.reload()
    assert "not-for-the-log" in room.hidden_at_apply


async def test_the_secrets_of_servers_that_still_finish_their_calls_stay_hidden(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    kept: dict[str, list[tuple[str, ...]]] = {}
    for number in range(4):
        secret = {**LOCAL, "env": {"API_KEY": f"secret-number-{number}"}}
        room.source.content = load({"a": secret})
        await room.reloader.reload()
    for owner, secrets in room.journal.hidden:
        kept[owner] = [*kept.get(owner, [])[-1:], secrets]
    hidden = {text for every in kept.values() for secrets in every for text in secrets}
    assert hidden == {f"secret-number-{number}" for number in range(4)}


async def test_during_a_drain_a_reload_is_refused(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.draining = True
    room.source.content = servers("c")
    plan = await room.reloader.reload()
    assert [remark.reason for remark in plan.problems] == ["the bridge is stopping"]
    assert room.names == ["a", "b"]
    assert len(room.journal.of(events.BRIDGE_RELOAD_REFUSED)) == 1


async def test_a_bridge_that_refuses_is_told_of(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.failure = BridgeError("it began to stop meanwhile")
    room.source.content = servers("c")
    plan = await room.reloader.reload()
    assert [remark.reason for remark in plan.problems] == ["it began to stop meanwhile"]
    assert not plan.applied


async def gather(
    *asked: Callable[[], Awaitable[Plan]], pause: float = 0.0
) -> list[Plan]:
    """All answers, asked one after the other with a pause between."""
    plans: list[Plan | None] = [None] * len(asked)

    async def one(number: int) -> None:
        plans[number] = await asked[number]()

    async with trio.open_nursery() as nursery:
        for number in range(len(asked)):
            nursery.start_soon(one, number)
            await trio.sleep(pause)
    assert None not in plans
    return [plan for plan in plans if plan is not None]


async def test_who_asks_while_a_reload_runs_gets_the_next_which_reads_again(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.apply_takes = 10
    room.source.content = servers("c")

    async def later() -> Plan:
        room.source.content = servers("d")
        return await room.reloader.reload()

    plans = await gather(
        room.reloader.reload, later, later, room.reloader.reload, pause=1
    )
    assert room.names == ["d"]
    assert [plan.added for plan in plans] == [("c",), ("d",), ("d",), ("d",)]
    assert room.source.reads == 2
    assert len(room.applied) == 2


async def test_whoever_leaves_does_not_cut_a_reload_short(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.apply_takes = 10
    room.source.content = servers("c")
    with trio.move_on_after(1):
        await room.reloader.reload()
    await trio.sleep(20)
    assert room.names == ["c"]


async def test_nobody_waits_for_a_reload_without_end(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.apply_takes = 10 * PATIENCE
    room.source.content = servers("c")
    before = trio.current_time()
    plan = await room.reloader.reload()
    assert trio.current_time() - before == PATIENCE
    assert "still goes on" in plan.problems[0].reason


async def test_a_stop_answers_all_who_wait(
    room: ReloadRoom, autojump_clock: MockClock
) -> None:
    room.apply_takes = 50
    room.source.content = servers("c")

    async def stopped() -> Plan:
        room.context.stopping.set()
        return await room.reloader.reload()

    plans = await gather(room.reloader.reload, room.reloader.reload, stopped, pause=1)
    assert trio.current_time() < 10
    assert [plan.problems[0].reason for plan in plans] == [
        "it was cut short; see the log"
    ] * 3


async def test_after_a_crash_the_next_incarnation_goes_on(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    room = ReloadRoom(servers("a"))
    room.failure = RuntimeError("planted")
    room.source.content = servers("c")
    plans: list[Plan] = []

    async def ask() -> None:
        plans.append(await room.reloader.reload())

    async def crash() -> None:
        with pytest.raises(ExceptionGroup):
            await room.reloader.run(room.context)

    async with trio.open_nursery() as first:
        first.start_soon(ask)
        first.start_soon(crash)
    nursery.start_soon(room.reloader.run, room.context)
    room.failure = None
    plans.append(await room.reloader.reload())
    assert [plan.applied for plan in plans] == [False, True]
    assert room.names == ["c"]
