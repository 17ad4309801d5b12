"""A held up event loop is noticed on the real clock, with the name of the actor."""

import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
import trio.lowlevel

from bridge.actor.child import ChildContext, ChildSpec
from bridge.actor.supervisor import Supervisor
from bridge.actor.whose import label
from bridge.cli.serve import arm_watchdog
from bridge.observe import catalogue as events
from bridge.observe.metrics import Metrics
from bridge.pulse import Pulse
from kit.journal import Journal

pytestmark = pytest.mark.interop


class Room:
    """A supervisor, a pulse, and what they say."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.metrics = Metrics()
        self.pulse = Pulse(log=self.journal.log, metrics=self.metrics)
        self.supervisor = Supervisor(log=self.journal.log, rng=Random(1))

    @property
    def stalls(self) -> list[dict[str, object]]:
        return self.journal.of(events.BRIDGE_STALLED)


@asynccontextmanager
async def beating() -> AsyncGenerator[Room]:
    room = Room()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.pulse.run)
        await nursery.start(room.supervisor.run)
        await trio.sleep(0.12)
        yield room
        await trio.sleep(0.12)
        await room.supervisor.stop(within=1)
        nursery.cancel_scope.cancel()


def hold_up(seconds: float) -> None:
    """Compute, so that nothing else runs."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def handle(seconds: float) -> None:
    await trio.lowlevel.checkpoint()
    hold_up(seconds)


@pytest.mark.requirement("E8")
async def test_a_handler_of_an_upstream_that_computes_too_long_is_named() -> None:
    async def start(context: ChildContext) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(handle, 0.15)
            await context.stopping.wait()

    async with beating() as room:
        room.supervisor.add(ChildSpec(id="upstream:time", start=start))
        await trio.sleep(0.4)
    named = [stall for stall in room.stalls if "upstream:time" in str(stall["task"])]
    assert len(named) == 1
    assert str(named[0]["task"]).startswith("upstream:time (")
    assert isinstance(named[0]["seconds"], float)
    assert named[0]["seconds"] >= 0.1
    assert b"bridge_loop_stalls_total 0.0" not in room.metrics.text()


@pytest.mark.requirement("E8")
async def test_a_call_of_the_kernel_that_blocks_is_named_as_well() -> None:
    async def start(context: ChildContext) -> None:
        await trio.lowlevel.checkpoint()
        time.sleep(0.3)  # noqa: ASYNC251 - a blocking call is the point
        await context.stopping.wait()

    async with beating() as room:
        room.supervisor.add(ChildSpec(id="keys", start=start))
        await trio.sleep(0.5)
    assert "keys" in [stall["task"] for stall in room.stalls]


@pytest.mark.requirement("E8")
async def test_a_loop_with_time_says_nothing() -> None:
    async with beating() as room:
        for _ in range(20):
            await handle(0.01)
            await trio.sleep(0.01)
    assert [stall for stall in room.stalls if stall["cpu"] >= 0.1] == []  # type: ignore[operator]


async def test_the_pulse_gives_the_alarm_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    async with beating():
        assert signal.getsignal(signal.SIGALRM) != before
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.requirement("E1")
async def test_the_watchdog_of_a_stop_takes_the_alarm_and_keeps_it() -> None:
    before = signal.getsignal(signal.SIGALRM)
    try:
        async with beating():
            arm_watchdog(600)
            await trio.sleep(0.3)
            assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
            left, again = signal.getitimer(signal.ITIMER_REAL)
            assert (left > 500, again) == (True, 0.0)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 500
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


async def test_a_task_of_nobody_has_its_own_name() -> None:
    own = trio.lowlevel.current_task()
    assert label(own).endswith(own.name.rpartition(".")[2])
