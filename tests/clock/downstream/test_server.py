"""Accepting and draining: limits, lost descriptors, and a stop that ends."""

import errno

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.config.model import LimitsConfig
from bridge.downstream.answer import json
from bridge.downstream.message import Answer, Request
from bridge.observe import catalogue as events
from kit.front import Front, given


@pytest.mark.requirement("R56")
async def test_beyond_the_limit_connections_wait_their_turn(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(limits=LimitsConfig(connections=2))
    await front.start(nursery)
    first, second, third = [front.browser() for _ in range(3)]
    for browser in (first, second):
        await browser.send("GET", "/sse", headers=given("alice"))
        assert (await browser.head()).status == 200
    await third.send("GET", "/health")
    with trio.move_on_after(5) as waiting:
        await third.whole()
    assert waiting.cancelled_caught
    assert front.server.connections == 2
    await first.stream.aclose()
    assert (await third.whole()).status == 200
    assert len(front.journal.of(events.SERVER_ACCEPT_PAUSED)) == 1


@pytest.mark.requirement("R56", "B7")
async def test_at_the_limit_the_one_idle_the_longest_gives_way(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(limits=LimitsConfig(connections=2))
    await front.start(nursery)
    front.browser()  # says nothing, ever
    used = front.browser()
    await trio.sleep(5)
    assert (await used.ask("GET", "/health")).status == 200
    newcomer = front.browser()
    assert (await newcomer.ask("GET", "/health")).status == 200
    assert (await used.ask("GET", "/health")).status == 200
    assert front.server.connections == 2


@pytest.mark.requirement("E5")
async def test_without_descriptors_accepting_pauses_and_recovers(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    open_before = front.browser()
    await open_before.ask("GET", "/health")
    begun = trio.current_time()
    for _ in range(20):
        front.listener.fail(OSError(errno.EMFILE, "Too many open files"))
    later = front.browser()
    await later.send("GET", "/health")
    assert (await open_before.ask("GET", "/health")).status == 200
    assert (await later.whole()).status == 200
    assert trio.current_time() - begun >= 1
    [paused] = front.journal.of(events.SERVER_ACCEPT_PAUSED)
    assert "Too many open files" in str(paused["error"])


@pytest.mark.requirement("E1", "R156")
async def test_stopping_ends_idle_connections_and_lets_busy_ones_finish(
    autojump_clock: MockClock,
) -> None:
    async def slow(request: Request) -> Answer:
        await trio.sleep(5)
        return json({})

    front = Front(handler=slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(front.server.serve, [front.listener])
        idle, busy = front.browser(), front.browser()
        await idle.ask("GET", "/x")
        await busy.send("GET", "/x")
        await trio.sleep(1)
        await front.server.stop()
        await wait_all_tasks_blocked()
        assert front.listener.closed
        assert front.server.connections == 1
        reply = await busy.whole()
        assert reply.status == 200
    assert trio.current_time() == pytest.approx(10, abs=3)


@pytest.mark.requirement("R156")
async def test_a_server_that_was_never_started_can_be_stopped(
    autojump_clock: MockClock,
) -> None:
    front = Front()
    await front.server.stop()
    with trio.fail_after(1):
        await front.server.serve([front.listener])
    assert front.listener.closed


@pytest.mark.requirement("R156", "E1")
async def test_no_stuck_write_delays_a_stop_that_is_out_of_patience(
    autojump_clock: MockClock,
) -> None:
    async def much(request: Request) -> Answer:
        return json("x" * 100_000)

    front = Front(handler=much)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(front.server.serve, [front.listener])
        stream = front.listener.connect(lockstep=True)
        await stream.send_all(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert trio.current_time() == pytest.approx(1)


async def test_one_connection_that_fails_is_reported_and_alone(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    front = Front()
    await front.start(nursery)
    broken = front.listener.connect()

    async def fail(max_bytes: int | None = None) -> bytes:
        raise RuntimeError

    monkeypatch.setattr(front.listener.accepted[0], "receive_some", fail)
    assert await broken.receive_some() == b""
    await wait_all_tasks_blocked()
    assert front.journal.of(events.SERVER_CONNECTION_FAILED)
    assert (await front.ask("GET", "/health")).status == 200
