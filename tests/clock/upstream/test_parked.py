"""What is set aside costs nobody anything: hours of it, and no traffic."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import structlog
import trio
from trio.testing import MockClock

from bridge.actor.child import ChildContext, ChildSpec, ChildState
from bridge.actor.restart import RestartPolicy
from bridge.actor.supervisor import Supervisor
from bridge.config.model import FailoverConfig, HealthCheckConfig, UpstreamConfig
from bridge.errors import ConnectFailed, Unauthorized
from bridge.observe.logging import Log
from bridge.upstream.state import LoginNeeded as NeedsLogin
from bridge.upstream.turns import HOST, Turns
from kit.upstream import Bench, FakeTokens, Refusal, quiet, ready, running, settle

HOURS = 3600.0
#: As eager as the checks of a server may be.
CHECKED = HealthCheckConfig(interval_ms=1000, keep_alive_interval_ms=1000)


class Wakings(trio.abc.Instrument):
    """Counts how often any task runs: an idle program sleeps."""

    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += 1


@asynccontextmanager
async def counted() -> AsyncGenerator[Wakings]:
    wakings = Wakings()
    trio.lowlevel.add_instrument(wakings)
    try:
        yield wakings
    finally:
        trio.lowlevel.remove_instrument(wakings)


def traffic(bench: Bench) -> tuple[int, int]:
    """Attempts to connect, and frames sent."""
    frames = sum(len(link.sent) for link in bench.transport.links)
    return len(bench.transport.opened_at), frames


async def assert_silent(bench: Bench, *, hours: float = 24) -> None:
    """Nothing goes out, nothing is said, and next to nothing wakes up."""
    await trio.sleep(40)  # what has just changed is still published
    before, published = traffic(bench), len(bench.statuses)
    async with counted() as wakings:
        await trio.sleep(hours * HOURS)
    assert traffic(bench) == before
    assert len(bench.statuses) == published
    assert wakings.count < 20


def checked() -> UpstreamConfig:
    return quiet(health_check=CHECKED)


@pytest.mark.requirement("R130", "R136")
async def test_awaiting_a_login_that_somebody_will_tell_of(
    autojump_clock: MockClock,
) -> None:
    tokens = FakeTokens()
    bench = Bench(config=checked(), tokens=tokens)
    bench.transport.down = Unauthorized("401")
    async with running(bench):
        await bench.reach("authorizing")
        tokens.tell(NeedsLogin("run the command", told=True))
        await bench.reach("awaiting_login")
        await assert_silent(bench)


async def test_awaiting_a_login_nobody_will_tell_of_looks_at_its_interval_only(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=checked())
    bench.transport.down = Unauthorized("401")
    async with running(bench):
        await bench.reach("awaiting_login")
        attempts = len(bench.transport.opened_at)
        await trio.sleep(10 * HOURS)
        looked = len(bench.transport.opened_at) - attempts
        assert 10 * HOURS / 66 - 1 <= looked <= 10 * HOURS / 60


@pytest.mark.requirement("R132")
async def test_a_failed_one_is_tried_at_its_interval_and_not_between(
    autojump_clock: MockClock,
) -> None:
    failover = FailoverConfig(recovery_interval_ms=600_000)
    bench = Bench(config=checked(), failover=failover)
    bench.transport.down = ConnectFailed("refused")
    async with running(bench):
        await bench.reach("failed")
        await settle()
        attempts = len(bench.transport.opened_at)
        async with counted() as wakings:
            await trio.sleep(24 * HOURS)
        tried = len(bench.transport.opened_at) - attempts
        assert 24 * HOURS / 660 - 1 <= tried <= 24 * HOURS / 600
        assert wakings.count < 30 * tried


@pytest.mark.requirement("R131")
async def test_one_that_may_not_restart_by_itself(autojump_clock: MockClock) -> None:
    check = HealthCheckConfig(
        interval_ms=1000, keep_alive_interval_ms=1000, auto_restart=False
    )
    bench = Bench(config=quiet(health_check=check))
    async with ready(bench):
        bench.link.fail()
        await bench.reach("failed")
        await assert_silent(bench)


async def test_one_without_failover_after_its_attempts(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=checked(), failover=FailoverConfig(enabled=False))
    bench.transport.down = ConnectFailed("refused")
    async with running(bench):
        await bench.reach("failed")
        assert bench.status.retry_at is None
        await assert_silent(bench)


async def test_one_whose_circuit_is_open(autojump_clock: MockClock) -> None:
    failover = FailoverConfig(recovery_interval_ms=10 * HOURS * 1000)
    bench = Bench(config=checked(), failover=failover)

    def refuse(_params: object) -> object:
        raise Refusal(-32603)

    bench.server.methods["tools/call"] = refuse
    async with ready(bench):
        for name in "abc":
            _, outcome = bench.call(params={"name": name})
            await outcome.wait()
        await settle()
        assert bench.status.circuit == "open"
        await assert_silent(bench, hours=4.9)


async def test_calls_to_one_that_is_parked_do_not_wake_it(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=checked(), failover=FailoverConfig(enabled=False))
    bench.transport.down = ConnectFailed("refused")
    async with running(bench):
        await bench.reach("failed")
        before = traffic(bench)
        for _ in range(1000):
            _, outcome = bench.call()
            await settle()
            assert outcome.done
        assert traffic(bench) == before


async def test_a_host_put_aside_by_all(autojump_clock: MockClock) -> None:
    turns = Turns(rng=random.Random(1))
    url = "https://api.example/"
    benches = [
        Bench(config=quiet(f"u{n}", url=url, health_check=CHECKED), turns=turns)
        for n in range(30)
    ]
    for bench in benches:
        bench.transport.down = ConnectFailed("busy", retry_after=1e9)
    async with trio.open_nursery() as nursery:
        for bench in benches:
            nursery.start_soon(bench.run)
        await trio.sleep(1)
        tried = sum(len(bench.transport.opened_at) for bench in benches)
        assert tried <= HOST.burst
        async with counted() as wakings:
            await trio.sleep(295)
        assert sum(len(bench.transport.opened_at) for bench in benches) == tried
        assert wakings.count < 100
        for bench in benches:
            bench.stopping.set()


@pytest.mark.requirement("R130")
async def test_a_quarantined_child_runs_at_its_interval_only(
    autojump_clock: MockClock,
) -> None:
    runs = list[float]()

    async def crash(_context: ChildContext) -> None:
        runs.append(trio.current_time())
        raise RuntimeError("a bug")

    supervisor = Supervisor(log=Log(structlog.get_logger()), rng=random.Random(1))
    policy = RestartPolicy(quarantine_retry=None)
    supervisor.add(ChildSpec(id="upstream:a", start=crash, restart=policy))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await trio.sleep(300)
        assert supervisor.status[0].state is ChildState.QUARANTINED
        count = len(runs)
        async with counted() as wakings:
            await trio.sleep(24 * HOURS)
        assert len(runs) == count
        assert wakings.count < 10
        await supervisor.stop()


async def test_health_checks_of_many_do_not_beat_in_step(
    autojump_clock: MockClock,
) -> None:
    every_beat = list[float]()
    check = HealthCheckConfig(interval_ms=30_000)
    rng = random.Random(3)
    benches = [
        Bench(config=quiet(f"u{n}", health_check=check), seed=rng.randrange(2**32))
        for n in range(100)
    ]
    async with trio.open_nursery() as nursery:
        for bench in benches:
            _note_probes(bench, every_beat)
            nursery.start_soon(bench.run)
        await settle()
        every_beat.clear()  # what the start itself read
        await trio.sleep(300)
        for bench in benches:
            bench.stopping.set()
    assert len(every_beat) == pytest.approx(100 * 10, abs=100)
    busiest = max(sum(t <= at < t + 1 for at in every_beat) for t in range(300))
    assert busiest <= 15  # of 100 that were connected at the same moment


def _note_probes(bench: Bench, beats: list[float]) -> None:
    listing = bench.server.methods["tools/list"]

    def note(params: dict[str, object]) -> object:
        beats.append(trio.current_time())
        return listing(params)

    bench.server.methods["tools/list"] = note
