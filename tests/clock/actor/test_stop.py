import pytest
import trio
from trio.testing import MockClock

from bridge.actor.child import ChildContext, ChildSpec, ChildState
from bridge.actor.supervisor import Supervisor, SupervisorStopping
from bridge.observe import catalogue as events
from kit.children import STEADY, Deaf, Failing, Polite
from kit.journal import Journal


class Ordered:
    """Writes down who stops when; each needs a second to stop."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []

    async def __call__(self, context: ChildContext) -> None:
        await context.stopping.wait()
        self.asked.append((context.id, trio.current_time()))
        await trio.sleep(1)


@pytest.mark.requirement("E1")
async def test_children_stop_in_reverse_order_and_a_group_all_at_once(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    child = Ordered()
    supervisor.add(ChildSpec(id="keys", start=child))
    supervisor.add(ChildSpec(id="router", start=child))
    supervisor.add(ChildSpec(id="up1", start=child, group="upstreams"))
    supervisor.add(ChildSpec(id="up2", start=child, group="upstreams"))
    supervisor.add(ChildSpec(id="server", start=child))
    supervisor.add(ChildSpec(id="up3", start=child, group="upstreams"))
    await trio.sleep(1)
    await supervisor.stop()
    assert sorted(child.asked, key=lambda entry: (entry[1], entry[0])) == [
        ("server", 1.0),
        ("up1", 2.0),
        ("up2", 2.0),
        ("up3", 2.0),
        ("router", 3.0),
        ("keys", 4.0),
    ]
    assert trio.current_time() == 5.0


async def test_a_reserved_group_keeps_its_place_though_its_members_come_later(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    child = Ordered()
    supervisor.add(ChildSpec(id="router", start=child))
    supervisor.reserve("upstreams")
    supervisor.add(ChildSpec(id="server", start=child))
    supervisor.add(ChildSpec(id="up", start=child, group="upstreams"))
    await trio.sleep(1)
    await supervisor.stop()
    assert [name for name, _ in child.asked] == ["server", "up", "router"]


async def test_polite_children_end_clean(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    child = Polite()
    supervisor.add(ChildSpec(id="one", start=child))
    supervisor.add(ChildSpec(id="two", start=child))
    await trio.sleep(1)
    await supervisor.stop()
    assert child.ended == [1.0, 1.0]
    assert journal.entries == []
    states = [status.state for status in supervisor.status]
    assert states == [ChildState.STOPPED, ChildState.STOPPED]


async def test_a_deaf_child_is_cancelled_at_its_deadline(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    deaf, polite = Deaf(), Polite()
    supervisor.add(ChildSpec(id="polite", start=polite))
    supervisor.add(ChildSpec(id="deaf", start=deaf, shutdown=3.0))
    await trio.sleep(1)
    await supervisor.stop()
    assert deaf.ended == [4.0]
    assert polite.ended == [4.0]
    assert journal.entries == [
        ("child.cleanup_timed_out", {"child": "deaf", "seconds": 3.0})
    ]


@pytest.mark.requirement("E1")
async def test_one_hard_deadline_bounds_the_whole_stop(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    deaf = [Deaf() for _ in range(5)]
    for number, child in enumerate(deaf):
        supervisor.add(ChildSpec(id=f"deaf{number}", start=child, shutdown=4.0))
    await trio.sleep(1)
    await supervisor.stop(within=10.0)
    assert [child.ended for child in deaf] == [[11.0], [11.0], [11.0], [9.0], [5.0]]


@pytest.mark.requirement("E1")
async def test_a_second_stop_cancels_everything_at_once(
    autojump_clock: MockClock, supervisor: Supervisor, nursery: trio.Nursery
) -> None:
    deaf = [Deaf(), Deaf()]
    for number, child in enumerate(deaf):
        supervisor.add(ChildSpec(id=f"deaf{number}", start=child, shutdown=60.0))
    await trio.sleep(1)
    nursery.start_soon(supervisor.stop)
    await trio.sleep(2)
    await supervisor.stop()
    assert [child.ended for child in deaf] == [[3.0], [3.0]]


async def test_a_stop_goes_on_when_its_caller_has_gone(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    deaf = Deaf()
    supervisor.add(ChildSpec(id="deaf", start=deaf, shutdown=5.0))
    await trio.sleep(1)
    with trio.move_on_after(1):
        await supervisor.stop()
    await trio.sleep(10)
    assert deaf.ended == [6.0]


async def test_a_pausing_and_a_quarantined_child_end_at_once(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    supervisor.add(ChildSpec(id="set aside", start=Failing(times=9), restart=STEADY))
    await trio.sleep(10)
    supervisor.add(ChildSpec(id="pausing", start=Failing(), restart=STEADY))
    await trio.sleep(0.5)
    states = [status.state for status in supervisor.status]
    assert states == [ChildState.QUARANTINED, ChildState.BACKING_OFF]
    await supervisor.stop()
    assert trio.current_time() == 10.5


async def test_a_child_others_still_need_is_restarted_while_they_stop(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    router = Failing(after=2.0)
    supervisor.add(ChildSpec(id="router", start=router, restart=STEADY))
    supervisor.add(ChildSpec(id="slow", start=Deaf(), shutdown=5.0))
    await trio.sleep(1)
    await supervisor.stop()
    assert router.began == [0.0, 3.0]
    assert router.ended == [6.0]


async def test_a_child_is_shown_as_stopping_while_it_stops(
    autojump_clock: MockClock, supervisor: Supervisor, nursery: trio.Nursery
) -> None:
    supervisor.add(ChildSpec(id="deaf", start=Deaf()))
    await trio.sleep(1)
    nursery.start_soon(supervisor.stop)
    await trio.sleep(1)
    (status,) = supervisor.status
    assert (status.state, status.since) == (ChildState.STOPPING, 1.0)


async def test_no_child_is_added_once_a_stop_began(
    autojump_clock: MockClock, supervisor: Supervisor, nursery: trio.Nursery
) -> None:
    supervisor.add(ChildSpec(id="deaf", start=Deaf()))
    nursery.start_soon(supervisor.stop)
    await trio.sleep(1)
    late = Polite()
    with pytest.raises(SupervisorStopping):
        supervisor.add(ChildSpec(id="late", start=late))
    await supervisor.stop()
    with pytest.raises(SupervisorStopping):
        supervisor.add(ChildSpec(id="late", start=late))
    assert late.began == []


async def test_a_slow_cleanup_costs_its_deadline_and_no_more(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    async def untidy(context: ChildContext) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with context.cleanup(2.0):
                await trio.sleep_forever()

    supervisor.add(ChildSpec(id="untidy", start=untidy, shutdown=3.0))
    await trio.sleep(1)
    await supervisor.stop()
    assert trio.current_time() == 6.0
    overruns = journal.of(events.CHILD_CLEANUP_TIMED_OUT)
    assert [overrun["seconds"] for overrun in overruns] == [3.0, 2.0]


async def test_a_cleanup_in_time_is_finished_and_not_mentioned(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    tidied: list[float] = []

    async def tidy(context: ChildContext) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with context.cleanup(2.0):
                await trio.sleep(1.0)
                tidied.append(trio.current_time())

    supervisor.add(ChildSpec(id="tidy", start=tidy, shutdown=0.0))
    await trio.sleep(1)
    await supervisor.stop()
    assert tidied == [2.0]
    assert len(journal.of(events.CHILD_CLEANUP_TIMED_OUT)) == 1  # of its shutdown
