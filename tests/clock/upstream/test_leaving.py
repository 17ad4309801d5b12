"""How an upstream's actor ends: drained, stopped, cancelled, crashed."""

import pytest
import trio
from trio.testing import MockClock

from bridge.actor.mailbox import MailboxSealed
from bridge.contract.router import UpstreamDown
from bridge.contract.upstream import Cancel, Drain, Notify, UpstreamState
from bridge.errors import ConnectFailed, RoutingError, UpstreamLost, UpstreamUnavailable
from bridge.protocol.frame import notification, request
from kit.upstream import Bench, assert_at_rest, ready, running, settle


async def test_a_drain_finishes_calls_takes_no_new_ones_and_leaves(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.post(Drain(deadline=trio.current_time() + 22))
        await settle()
        assert bench.status.state == "disconnected"
        assert bench.told_router(UpstreamDown)[-1].state is UpstreamState.DISCONNECTED
        assert not bench.ended.is_set()
        bench.server.answer_held()
        assert await outcome.result() == {"ok": True}
        await bench.ended.wait()
        with pytest.raises(MailboxSealed):
            bench.call()


async def test_a_new_call_during_a_drain_is_refused(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        bench.call()
        await settle()
        bench.post(Drain(deadline=trio.current_time() + 22))
        _, late = bench.call()
        error = await late.error(UpstreamUnavailable)
        assert error.state == "disconnected"


async def test_a_drain_ends_at_its_deadline(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        began = trio.current_time()
        bench.post(Drain(deadline=began + 22))
        error = await outcome.error(UpstreamLost)
        assert error.written
        assert trio.current_time() - began == pytest.approx(22)
        await bench.ended.wait()


async def test_a_drain_with_nothing_to_do_is_over_at_once(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        began = trio.current_time()
        bench.post(Drain(deadline=began + 22))
        await bench.ended.wait()
        assert trio.current_time() == pytest.approx(began, abs=0.1)


async def test_a_drain_of_an_upstream_that_is_down_keeps_nobody_waiting(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    bench.transport.opening = 100.0
    async with running(bench):
        _, outcome = bench.call()
        await settle()
        bench.post(Drain(deadline=trio.current_time() + 22))
        await outcome.error(UpstreamUnavailable)
        await bench.ended.wait()


async def test_a_link_lost_during_a_drain_ends_it(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.post(Drain(deadline=trio.current_time() + 22))
        await settle()
        bench.link.fail()
        await outcome.error(UpstreamLost)
        await bench.ended.wait()


async def test_told_to_stop_it_leaves_at_once(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.stopping.set()
        await outcome.error(UpstreamLost)
        await bench.ended.wait()


async def test_told_to_stop_during_a_drain_it_keeps_to_the_deadline(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.post(Drain(deadline=trio.current_time() + 22))
        await settle()
        bench.stopping.set()
        await trio.sleep(10)
        bench.server.answer_held()
        await outcome.result()
        await bench.ended.wait()


@pytest.mark.parametrize("phase", ["backing_off", "connecting"])
async def test_it_can_be_stopped_in_any_phase(
    autojump_clock: MockClock, phase: str
) -> None:
    bench = Bench()
    bench.transport.down = ConnectFailed("refused")
    bench.transport.opening = 1.0
    async with running(bench):
        await bench.reach(phase)
        began = trio.current_time()
        bench.stopping.set()
        await bench.ended.wait()
        assert trio.current_time() == pytest.approx(began, abs=0.1)


async def test_cancelled_it_still_answers_everybody(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.run)
        await bench.ready()
        _, flying = bench.call()
        await settle()
        _, queued = bench.call()
        bench.post(Notify(frame=notification("notifications/roots/list_changed")))
        nursery.cancel_scope.cancel()
    await flying.error(UpstreamLost)
    await queued.error(RoutingError)
    assert_at_rest(bench)


@pytest.mark.requirement("R130")
async def test_crashing_it_still_answers_everybody_and_says_it_is_down(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()

    def explode(upstream_id: int) -> None:
        raise RuntimeError("a bug")

    async def run() -> None:
        with pytest.RaisesGroup(RuntimeError):
            await bench.actor.run(bench.stopping)
        bench.ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await bench.ready()
        first_id, first = bench.call()
        _, second = bench.call()
        await settle()
        bench.link.cancel = explode
        bench.post(Cancel(call_id=first_id, reason="gone"))
        _, third = bench.call()
        await second.error(UpstreamLost)
        await third.error(UpstreamUnavailable)
        await bench.ended.wait()
    assert not first.done  # its asker had gone
    downs = bench.told_router(UpstreamDown)
    assert downs[-1].state is UpstreamState.DISCONNECTED
    last = bench.status
    assert (last.phase, last.in_flight, last.queued) == ("stopped", 0, 0)
    assert_at_rest(bench)


async def test_cut_with_a_question_open_it_still_answers_everybody(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.run)
        await bench.ready()
        flying = [bench.call()[1] for _ in range(3)]
        await settle()
        bench.link.say(request("elicitation/create", {}, id=1))
        await settle()
        _, queued = bench.call()
        nursery.cancel_scope.cancel()
    for outcome in flying:
        assert isinstance(await outcome.wait(), UpstreamLost)
    assert queued.done
    assert bench.told_router(UpstreamDown)[-1].state is UpstreamState.DISCONNECTED
    assert_at_rest(bench)
