from contextlib import suppress
from random import Random

import pytest
import trio
from trio.testing import MockClock

from bridge.actor.child import ChildContext, ChildSpec, ChildState
from bridge.actor.restart import RestartPolicy, RestartType
from bridge.actor.supervisor import Supervisor
from bridge.errors import LinkLost
from bridge.observe import catalogue as events
from kit.children import ONE_SECOND, STEADY, Failing, FailingCleanup, Polite
from kit.journal import Journal


def _a_group() -> Exception:
    return ExceptionGroup("two", [ValueError("one"), LinkLost("two")])


@pytest.mark.requirement("R130")
async def test_a_plain_crash_is_logged_and_the_child_runs_again(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    child = Failing(lambda: ValueError("s3cret"), after=4.0)
    supervisor.add(ChildSpec(id="flaky", start=child, restart=STEADY))
    await trio.sleep(4.5)
    (status,) = supervisor.status
    assert status.state is ChildState.BACKING_OFF
    assert (status.since, status.next_attempt_at) == (4.0, 5.0)
    assert (status.restarts, status.last_error) == (1, "ValueError")
    await trio.sleep(1)
    assert child.began == [0.0, 5.0]
    (status,) = supervisor.status
    assert (status.state, status.since) == (ChildState.RUNNING, 5.0)
    assert status.next_attempt_at is None
    (crash,) = journal.of(events.CHILD_CRASHED)
    assert isinstance(crash.pop("exc_info"), ValueError)
    assert crash == {
        "child": "flaky",
        "error": "ValueError",
        "restart_in": 1.0,
        "restarts": 1,
    }


async def test_a_group_of_crashes_is_one_crash(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    child = Failing(_a_group)
    supervisor.add(ChildSpec(id="flaky", start=child, restart=STEADY))
    await trio.sleep(2)
    assert child.began == [0.0, 1.0]
    (crash,) = journal.of(events.CHILD_CRASHED)
    assert crash["error"] == "ExceptionGroup(ValueError, link.lost: two)"


@pytest.mark.requirement("E9")
async def test_siblings_of_a_crashing_child_do_not_notice(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    sibling = Polite()
    supervisor.add(ChildSpec(id="good", start=sibling))
    supervisor.add(ChildSpec(id="bad", start=Failing(times=99), restart=STEADY))
    await trio.sleep(1000)
    assert sibling.began == [0.0]
    assert sibling.ended == []


async def test_a_permanent_child_that_returns_runs_again(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    runs: list[float] = []

    async def returns(_: object) -> None:
        runs.append(trio.current_time())

    supervisor.add(ChildSpec(id="quitter", start=returns, restart=STEADY))
    await trio.sleep(1.5)
    assert runs == [0.0, 1.0]
    crash = journal.of(events.CHILD_CRASHED)[0]
    assert crash["error"] == "returned without being asked to"
    assert crash["exc_info"] is None


@pytest.mark.parametrize(
    ("kind", "listed"), [(RestartType.TRANSIENT, True), (RestartType.TEMPORARY, False)]
)
async def test_a_child_that_may_end_ends_without_a_word(
    autojump_clock: MockClock,
    supervisor: Supervisor,
    journal: Journal,
    *,
    kind: RestartType,
    listed: bool,
) -> None:
    async def returns(_: object) -> None:
        await trio.sleep(1)

    policy = RestartPolicy(type=kind)
    supervisor.add(ChildSpec(id="short", start=returns, restart=policy))
    assert not await supervisor.wait_started("short")
    assert journal.entries == []
    states = [status.state for status in supervisor.status]
    assert states == ([ChildState.STOPPED] if listed else [])


async def test_a_temporary_child_that_crashes_is_reported_and_gone(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    policy = RestartPolicy(type=RestartType.TEMPORARY)
    supervisor.add(ChildSpec(id="short", start=Failing(), restart=policy))
    await trio.sleep(1)
    (crash,) = journal.of(events.CHILD_CRASHED)
    assert crash["restart_in"] is None
    assert supervisor.status == ()


async def test_a_cancelled_child_is_neither_restarted_nor_called_a_crash(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    child = Polite()
    supervisor.add(ChildSpec(id="deaf", start=child))
    await trio.sleep(1)
    await supervisor.remove("deaf", within=0)
    assert child.began == [0.0]
    assert events.CHILD_CRASHED.name not in journal.names


@pytest.mark.parametrize("grouped", [False, True])
async def test_a_cleanup_that_fails_under_cancellation_is_no_crash(
    autojump_clock: MockClock,
    supervisor: Supervisor,
    journal: Journal,
    *,
    grouped: bool,
) -> None:
    sibling = Polite()
    child = FailingCleanup(grouped=grouped)
    supervisor.add(ChildSpec(id="good", start=sibling))
    supervisor.add(ChildSpec(id="messy", start=child, restart=STEADY, shutdown=2.0))
    await trio.sleep(1)
    await supervisor.remove("messy")
    assert journal.names == ["child.cleanup_timed_out", "child.cleanup_failed"]
    (failed,) = journal.of(events.CHILD_CLEANUP_FAILED)
    assert failed["child"] == "messy"
    await trio.sleep(100)
    assert child.began == [0.0]
    assert sibling.ended == []


async def test_a_failure_on_the_way_to_a_polite_stop_is_no_crash(
    autojump_clock: MockClock, supervisor: Supervisor, journal: Journal
) -> None:
    async def trips(context: ChildContext) -> None:
        await Polite()(context)
        raise LinkLost("tripped")

    supervisor.add(ChildSpec(id="clumsy", start=trips))
    await trio.sleep(1)
    await supervisor.remove("clumsy")
    (failed,) = journal.of(events.CHILD_CLEANUP_FAILED)
    assert failed["error"] == "link.lost: tripped"
    assert journal.names == ["child.cleanup_failed"]


@pytest.mark.parametrize("grouped", [False, True])
async def test_cancelling_the_whole_supervisor_restarts_nothing(
    autojump_clock: MockClock, journal: Journal, *, grouped: bool
) -> None:
    child = FailingCleanup(grouped=grouped)
    left: list[BaseException] = []
    try:
        with trio.move_on_after(5):
            supervisor = Supervisor(log=journal.log, rng=Random(1))
            supervisor.add(ChildSpec(id="messy", start=child, restart=STEADY))
            await supervisor.run()
    except* ValueError as group:
        left.append(group)
    assert bool(left) is grouped  # a group is re-raised whole, for its parent to see
    assert child.began == [0.0]
    assert events.CHILD_CRASHED.name not in journal.names


async def test_what_is_no_exception_ends_the_supervisor(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def exits(_: object) -> None:
        raise SystemExit(3)

    supervisor = Supervisor(log=journal.log, rng=Random(1))
    supervisor.add(ChildSpec(id="exits", start=exits))
    with pytest.raises(BaseExceptionGroup) as caught:
        await supervisor.run()
    assert isinstance(caught.value.exceptions[0], SystemExit)
    assert supervisor.stopping


async def test_a_fault_of_the_supervisor_itself_is_not_hidden(
    autojump_clock: MockClock, journal: Journal
) -> None:
    class Broken(RestartPolicy, frozen=True):
        @property
        def stable_after(self) -> float:  # type: ignore[override]
            raise LookupError("a bug in the supervisor")

    supervisor = Supervisor(log=journal.log, rng=Random(1))
    broken = Broken(backoff=ONE_SECOND)
    supervisor.add(ChildSpec(id="any", start=Failing(), restart=broken))
    with pytest.raises(ExceptionGroup) as caught:
        await supervisor.run()
    assert isinstance(caught.value.exceptions[0], LookupError)


async def test_a_child_that_swallows_its_cancellation_is_not_called_a_crash(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def swallows(_: ChildContext) -> None:
        with suppress(trio.Cancelled):
            await trio.sleep_forever()

    with trio.move_on_after(5):
        supervisor = Supervisor(log=journal.log, rng=Random(1))
        supervisor.add(ChildSpec(id="rude", start=swallows))
        await supervisor.run()
    assert journal.entries == []
