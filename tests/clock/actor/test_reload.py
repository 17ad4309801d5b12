from random import Random

import pytest
import trio
from trio.testing import MockClock

from bridge.actor.child import ChildContext, ChildSpec, ChildState
from bridge.actor.restart import RestartPolicy, RestartType
from bridge.actor.supervisor import Supervisor
from kit.children import STEADY, Deaf, Failing, Polite
from kit.journal import Journal


async def test_a_child_added_while_running_starts_now(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    child = Polite()
    await trio.sleep(5)
    supervisor.add(ChildSpec(id="late", start=child))
    assert await supervisor.wait_started("late")
    assert child.began == [5.0]


async def test_children_added_before_the_run_start_with_it(
    autojump_clock: MockClock, nursery: trio.Nursery, journal: Journal
) -> None:
    child = Polite()
    supervisor = Supervisor(log=journal.log, rng=Random(1))
    supervisor.add(ChildSpec(id="early", start=child))
    supervisor.add(ChildSpec(id="dropped", start=child))
    await supervisor.remove("dropped")
    await trio.sleep(5)
    await nursery.start(supervisor.run)
    assert await supervisor.wait_started("early")
    assert child.began == [5.0]


async def test_a_stop_before_the_run_leaves_nothing_to_run(
    autojump_clock: MockClock, journal: Journal
) -> None:
    child = Polite()
    supervisor = Supervisor(log=journal.log, rng=Random(1))
    supervisor.add(ChildSpec(id="early", start=child))
    await supervisor.stop()
    await supervisor.run()
    assert child.began == []


async def test_who_waits_for_a_start_wakes_when_it_was_said(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    async def slow(context: ChildContext) -> None:
        await trio.sleep(3)
        context.started()
        await context.stopping.wait()

    supervisor.add(ChildSpec(id="slow", start=slow))
    assert await supervisor.wait_started("slow")
    assert trio.current_time() == 3.0


async def test_a_removed_child_stops_and_frees_its_name_and_others_stay(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    other, old, new = Polite(), Polite(), Polite()
    supervisor.add(ChildSpec(id="other", start=other))
    supervisor.add(ChildSpec(id="changed", start=old))
    with pytest.raises(ValueError, match="'changed'"):
        supervisor.add(ChildSpec(id="changed", start=new))
    await trio.sleep(1)
    await supervisor.remove("changed")
    supervisor.add(ChildSpec(id="changed", start=new))
    await trio.sleep(1)
    assert (old.ended, new.began) == ([1.0], [1.0])
    assert (other.began, other.ended) == ([0.0], [])
    assert [status.id for status in supervisor.status] == ["other", "changed"]


async def test_a_child_is_removed_while_it_backs_off(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    child = Failing()
    supervisor.add(ChildSpec(id="bad", start=child, restart=STEADY))
    await trio.sleep(0.5)
    assert supervisor.status[0].state is ChildState.BACKING_OFF
    await supervisor.remove("bad")
    assert trio.current_time() == 0.5
    assert supervisor.status == ()
    await trio.sleep(10)
    assert child.began == [0.0]


async def test_a_removal_may_set_its_own_deadline(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    supervisor.add(ChildSpec(id="deaf", start=Deaf(), shutdown=60.0))
    await trio.sleep(1)
    await supervisor.remove("deaf", within=2.0)
    assert trio.current_time() == 3.0


async def test_a_child_whose_remover_gave_up_is_cancelled_and_forgotten(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    child = Deaf()
    supervisor.add(ChildSpec(id="deaf", start=child, shutdown=60.0))
    await trio.sleep(1)
    with trio.move_on_after(2):
        await supervisor.remove("deaf")
    await trio.testing.wait_all_tasks_blocked()
    assert child.ended == [3.0]
    assert supervisor.status == ()


async def test_two_removals_of_one_child_agree(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    supervisor.add(ChildSpec(id="deaf", start=Deaf(), shutdown=2.0))
    await trio.sleep(1)
    async with trio.open_nursery() as removers:
        removers.start_soon(supervisor.remove, "deaf")
        removers.start_soon(supervisor.remove, "deaf")
    assert supervisor.status == ()
    with pytest.raises(KeyError):
        await supervisor.remove("deaf")


async def test_a_child_that_had_ended_is_removed_from_the_status(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    async def returns(_: ChildContext) -> None:
        await trio.sleep(1)

    policy = RestartPolicy(type=RestartType.TRANSIENT)
    supervisor.add(ChildSpec(id="done", start=returns, restart=policy))
    await trio.sleep(2)
    await supervisor.remove("done")
    assert supervisor.status == ()
