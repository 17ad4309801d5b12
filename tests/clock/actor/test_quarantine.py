from random import Random

import msgspec
import pytest
import trio
from trio.testing import MockClock

from bridge.actor.child import ChildSpec, ChildState, ChildStatus
from bridge.actor.restart import PastBudget, RestartBudget
from bridge.actor.supervisor import Escalated, Supervisor
from bridge.errors import LinkLost
from bridge.observe import catalogue as events
from kit.children import STEADY, Failing, Polite
from kit.journal import Journal

ESCALATING = msgspec.structs.replace(
    STEADY, past_budget=PastBudget.ESCALATE, budget=RestartBudget(1, 60.0)
)
UNPROBED = msgspec.structs.replace(STEADY, quarantine_retry=None)


def _status(supervisor: Supervisor, child_id: str) -> ChildStatus:
    return next(status for status in supervisor.status if status.id == child_id)


@pytest.mark.requirement("R130")
async def test_a_child_past_its_budget_is_set_aside_and_its_siblings_stay(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    child, sibling = Failing(times=99), Polite()
    supervisor.add(ChildSpec(id="good", start=sibling))
    supervisor.add(ChildSpec(id="bad", start=child, restart=STEADY))
    await trio.sleep(100)
    assert child.began == [0.0, 1.0, 2.0, 3.0]
    status = _status(supervisor, "bad")
    assert (status.state, status.since) == (ChildState.QUARANTINED, 3.0)
    assert status.next_attempt_at == 303.0
    assert status.restarts == 0  # none within the last minute any more
    assert journal.of(events.CHILD_QUARANTINED) == [
        {"child": "bad", "crashes": 4, "period": 60.0}
    ]
    assert sibling.ended == []
    assert _status(supervisor, "good").state is ChildState.RUNNING


@pytest.mark.requirement("R132")
async def test_a_slow_probe_tries_once_and_goes_back(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    child = Failing(times=99)
    supervisor.add(ChildSpec(id="bad", start=child, restart=STEADY))
    await trio.sleep(950)
    assert child.began[4:] == [303.0, 603.0, 903.0]
    assert _status(supervisor, "bad").state is ChildState.QUARANTINED


@pytest.mark.requirement("R132")
async def test_a_probe_that_holds_ends_the_quarantine(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    child = Failing(times=4)
    supervisor.add(ChildSpec(id="bad", start=child, restart=STEADY))
    await trio.sleep(1000)
    assert child.began[4:] == [303.0]
    assert _status(supervisor, "bad").state is ChildState.RUNNING


async def test_without_a_probe_only_revival_brings_it_back(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    child = Failing(times=4)
    supervisor.add(ChildSpec(id="bad", start=child, restart=UNPROBED))
    await trio.sleep(50_000)
    assert _status(supervisor, "bad").next_attempt_at is None
    assert supervisor.revive("bad")
    await trio.sleep(1)
    assert child.began[4:] == [50_000.0]
    assert _status(supervisor, "bad").state is ChildState.RUNNING
    assert journal.of(events.CHILD_REVIVED) == [{"child": "bad"}]


async def test_a_revived_child_has_its_whole_budget_again(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    child = Failing(times=99)
    supervisor.add(ChildSpec(id="bad", start=child, restart=UNPROBED))
    await trio.sleep(10)
    supervisor.revive("bad")
    await trio.sleep(50)
    assert child.began[4:] == [10.0, 11.0, 12.0, 13.0]


async def test_revival_cuts_a_pause_short_and_leaves_a_running_child_alone(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    child = Failing()
    supervisor.add(ChildSpec(id="bad", start=child, restart=STEADY))
    await trio.sleep(0.25)
    assert supervisor.revive("bad")
    await trio.sleep(0.25)
    assert child.began == [0.0, 0.25]
    assert not supervisor.revive("bad")
    with pytest.raises(KeyError):
        supervisor.revive("nobody")


async def test_nobody_waits_for_the_start_of_a_quarantined_child(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    supervisor.add(ChildSpec(id="bad", start=Failing(times=99), restart=STEADY))
    assert not await supervisor.wait_started("bad")
    assert trio.current_time() == 3.0


@pytest.mark.requirement("R130")
async def test_escalation_stops_the_others_and_ends_with_the_first_error_as_cause(
    autojump_clock: MockClock, journal: Journal
) -> None:
    sibling = Polite()
    error = LinkLost("the reason")
    supervisor = Supervisor(log=journal.log, rng=Random(1))
    supervisor.add(ChildSpec(id="good", start=sibling))
    vital = Failing(lambda: error, times=99)
    supervisor.add(ChildSpec(id="vital", start=vital, restart=ESCALATING))
    with pytest.raises(Escalated) as caught:
        await supervisor.run()
    assert caught.value.child == "vital"
    assert caught.value.__cause__ is error
    assert vital.began == [0.0, 1.0]
    assert sibling.ended == [1.0]
    assert journal.names == ["child.crashed", "child.crashed", "child.escalated"]


async def test_the_first_of_two_escalations_is_told(
    autojump_clock: MockClock, journal: Journal
) -> None:
    supervisor = Supervisor(log=journal.log, rng=Random(1))
    # The first is stopped last, so the second one fails while the stop is under way.
    late = Failing(lambda: LinkLost("late"), times=99, after=1.5)
    slow = ChildSpec(id="slow", start=_ignores_stopping, shutdown=10.0)
    supervisor.add(ChildSpec(id="late", start=late, restart=ESCALATING))
    supervisor.add(ChildSpec(id="early", start=Failing(times=99), restart=ESCALATING))
    supervisor.add(slow)
    with pytest.raises(Escalated) as caught:
        await supervisor.run()
    assert caught.value.child == "early"
    assert len(journal.of(events.CHILD_ESCALATED)) == 2


async def _ignores_stopping(_: object) -> None:
    await trio.sleep_forever()
