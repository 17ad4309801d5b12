"""An exception at any await of an actor reaches no other actor (E9)."""

from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio
from trio.testing import MockClock

from bridge.actor.child import ChildContext, ChildSpec
from bridge.actor.mailbox import Mailbox
from bridge.actor.restart import RestartBudget, RestartPolicy
from bridge.actor.supervisor import Supervisor
from bridge.observe import catalogue as events
from kit.await_faults import AwaitCounter, Planted, failing_at
from kit.children import ONE_SECOND
from kit.journal import Journal

AWAITS = 12  # past the end of `_talk` and `_listen`, and rounds of `_serve`
POLICY = RestartPolicy(backoff=ONE_SECOND, budget=RestartBudget(99, 60.0))
Run = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


async def _plainly(work: Callable[[], Awaitable[None]]) -> None:
    await work()


class SmallActor:
    """Receives, waits, spawns, locks, uses a stream and cleans up under a shield."""

    def __init__(self, run_part: Run) -> None:
        self.mailbox = Mailbox[int](bound=8)
        self.handled = 0
        self._run_part = run_part

    async def __call__(self, context: ChildContext) -> None:
        near, far = trio.testing.memory_stream_pair()
        async with near, far, trio.open_nursery() as nursery:
            nursery.start_soon(self._run_part, lambda: self._talk(near))
            nursery.start_soon(self._run_part, lambda: self._listen(far))
            nursery.start_soon(self._run_part, lambda: self._serve(context))
            await context.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _serve(self, context: ChildContext) -> None:
        try:
            while True:
                await self.mailbox.receive()
                with trio.fail_after(5):
                    await trio.sleep(0.01)
                self.handled += 1
        finally:
            with context.cleanup(1.0):
                await trio.sleep(0.01)

    async def _talk(self, stream: trio.abc.SendStream) -> None:
        for _ in range(3):
            await stream.send_all(b"ping")
            await trio.sleep(0.01)

    async def _listen(self, stream: trio.abc.ReceiveStream) -> None:
        while await stream.receive_some(64):
            await trio.lowlevel.checkpoint()


class Sibling:
    """Answers each question with its own number; counts how often it was started."""

    def __init__(self) -> None:
        self.mailbox = Mailbox[Callable[[int], None]](bound=8)
        self.starts = 0

    async def __call__(self, _: ChildContext) -> None:
        self.starts += 1
        while True:
            (await self.mailbox.receive())(self.starts)


class Faults:
    """Runs each part with its next await planted, counted over all parts."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.raised = 0

    async def __call__(self, work: Callable[[], Awaitable[None]]) -> None:
        counter = AwaitCounter()
        try:
            await failing_at(self._number, work, counter=counter)
        finally:
            self.raised += counter.raised


async def _live_through(run_part: Run, journal: Journal) -> tuple[Sibling, list[int]]:
    """Both actors for some seconds, with questions to the sibling all the while."""
    sibling, actor = Sibling(), SmallActor(run_part)
    answers: list[int] = []
    supervisor = Supervisor(log=journal.log, rng=Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        supervisor.add(ChildSpec(id="sibling", start=sibling))
        supervisor.add(ChildSpec(id="actor", start=actor, restart=POLICY))
        for number in range(40):
            if actor.mailbox.depth < 4:
                actor.mailbox.offer(number)
            sibling.mailbox.offer(answers.append)
            await trio.sleep(0.1)
            assert len(answers) == number + 1  # at once, whatever the other one does
        await supervisor.stop(within=5.0)
    return sibling, answers


@pytest.mark.requirement("E9", "R130")
@pytest.mark.parametrize("number", range(1, AWAITS + 1))
async def test_an_exception_at_any_await_stays_within_its_actor(
    number: int, autojump_clock: MockClock, journal: Journal
) -> None:
    faults = Faults(number)
    sibling, answers = await _live_through(faults, journal)
    assert faults.raised > 0
    assert answers == [1] * 40
    assert sibling.starts == 1
    crashes = journal.of(events.CHILD_CRASHED)
    assert {crash["child"] for crash in crashes} == {"actor"}
    assert all(isinstance(crash["exc_info"], ExceptionGroup) for crash in crashes)
    assert "Planted" in str(crashes[0]["error"])


async def test_without_a_fault_nothing_crashes(
    autojump_clock: MockClock, journal: Journal
) -> None:
    _, answers = await _live_through(_plainly, journal)
    assert answers == [1] * 40
    assert journal.of(events.CHILD_CRASHED) == []


async def test_the_fault_is_planted_at_the_await_that_was_chosen(
    autojump_clock: MockClock,
) -> None:
    done: list[int] = []

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            for step in range(3):
                await trio.sleep(1)
                done.append(step)
            nursery.start_soon(trio.sleep, 1)

    counter = AwaitCounter()
    with pytest.raises(ExceptionGroup) as caught:
        await failing_at(2, work, counter=counter)
    assert caught.group_contains(Planted)
    assert (done, counter.reached, counter.raised) == ([0], 2, True)
    counter = AwaitCounter()
    await failing_at(4, work, counter=counter)
    assert (counter.reached, counter.raised) == (3, False)
