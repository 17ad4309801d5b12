"""Many upstreams at one host, or on this machine, do not storm it together."""

import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.upstream import Poke
from bridge.errors import ConnectFailed, RequestRefused, UpstreamUnavailable
from bridge.upstream.line import Manner
from bridge.upstream.turns import HOST, MACHINE, Place, PutAside, Turns, authority_of
from kit.upstream import (
    Bench,
    Refusal,
    assert_at_rest,
    logged,
    quiet,
    running,
    settle,
)

HERE = "https://api.example/mcp"


def shared() -> Turns:
    return Turns(rng=random.Random(7))


def at(url: str, turns: Turns, count: int) -> list[Bench]:
    """Upstreams at one address (empty: on this machine)."""
    return [
        Bench(config=quiet(f"u{n}", url=url, timeout=600.0), turns=turns, seed=n)
        for n in range(count)
    ]


@asynccontextmanager
async def all_running(benches: Iterable[Bench]) -> AsyncGenerator[None]:
    everybody = list(benches)
    async with trio.open_nursery() as nursery:
        for bench in everybody:
            nursery.start_soon(bench.run)
        yield
        for bench in everybody:
            bench.stopping.set()
    for bench in everybody:
        assert_at_rest(bench)


def attempts(benches: Iterable[Bench]) -> list[float]:
    return sorted(at for bench in benches for at in bench.transport.opened_at)


def most_within(times: list[float], seconds: float) -> int:
    return max(sum(t <= at < t + seconds for at in times) for t in times)


@pytest.mark.requirement("R130", "R132")
async def test_a_dead_host_gets_a_bounded_rate_from_all_together(
    autojump_clock: MockClock,
) -> None:
    benches = at(HERE, shared(), 100)
    for bench in benches:
        bench.transport.down = ConnectFailed("refused")
    async with all_running(benches):
        await trio.sleep(120)
    times = attempts(benches)
    # alone, each would make three attempts within two seconds: 300 at once
    assert most_within(times, 0.1) <= HOST.burst
    assert most_within(times, 10) <= HOST.burst + 10 / HOST.every
    # and nobody starves: a round of 100 takes 25 s
    assert all(len(bench.transport.opened_at) >= 3 for bench in benches)


async def test_a_host_that_answers_is_not_slowed_down(
    autojump_clock: MockClock,
) -> None:
    benches = at(HERE, shared(), 100)
    async with all_running(benches):
        for bench in benches:
            await bench.ready()
        assert trio.current_time() < 1.0


async def test_a_wait_is_shown_with_its_reason_and_its_end(
    autojump_clock: MockClock,
) -> None:
    benches = at(HERE, shared(), 12)
    for bench in benches:
        bench.transport.opening = 3.0
    async with all_running(benches):
        began = trio.current_time()
        await settle()
        waiting = [b for b in benches if b.status.phase == "queued"]
        assert len(waiting) == 12 - HOST.burst
        last = max(waiting, key=lambda b: b.status.retry_at or 0).status
        assert last.state == "connecting"
        assert "api.example:443" in last.reason
        assert "3 attempts before it" in last.reason
        assert last.retry_at is not None
        assert began < last.retry_at <= began + 4 * HOST.every * 1.3
        for bench in benches:
            await bench.ready()
        assert all(b.status.retry_at is None for b in benches)


async def test_a_host_that_asks_for_patience_is_left_alone_by_all(
    autojump_clock: MockClock,
) -> None:
    turns = shared()
    here, there = at(HERE, turns, 20), at("https://other.example/", turns, 3)
    busy = RequestRefused("busy", status=503, retry_after=90.0)
    for bench in here:
        bench.transport.down = busy
        bench.transport.opening = 0.01
    async with all_running([*here, *there]):
        for bench in there:
            await bench.ready()  # another host's upstreams notice nothing
        assert trio.current_time() < 1.0
        await trio.sleep(80)
        tried = attempts(here)
        assert len(tried) <= HOST.burst
        assert {b.status.phase for b in here} == {"backing_off"}
        spared = [b for b in here if not b.transport.opened_at]
        assert len(spared) == len(here) - len(tried)
        assert all("patience" in b.status.reason for b in spared)
        _, outcome = spared[0].call()
        error = await outcome.error(UpstreamUnavailable)
        assert error.retry_after == pytest.approx(5, abs=1)
        for bench in here:
            bench.transport.down = None
            bench.transport.opened_at.clear()
        await trio.sleep(4)
        assert attempts(here) == []
        for bench in here:
            await bench.ready()
        first, second, *_ = attempts(here)
        assert second - first >= 0.01  # one alone, until it has succeeded


@pytest.mark.parametrize("wish", [1e12, float("inf")])
async def test_no_wish_for_patience_is_without_end(
    autojump_clock: MockClock, wish: float
) -> None:
    benches = at(HERE, shared(), 2)
    benches[0].transport.faults.append(
        RequestRefused("busy", status=429, retry_after=wish)
    )
    async with all_running(benches[:1]):
        await settle()
        async with running(benches[1]):
            await benches[1].ready()
            assert trio.current_time() == pytest.approx(300, abs=1)


@pytest.mark.parametrize("wish", [0.0, -5.0, float("nan"), None])
async def test_junk_puts_nobody_aside(
    autojump_clock: MockClock, wish: float | None
) -> None:
    benches = at(HERE, shared(), 2)
    benches[0].transport.faults.append(
        RequestRefused("busy", status=503, retry_after=wish)
    )
    async with all_running(benches):
        await benches[1].ready()
        assert trio.current_time() < 1.0


async def test_a_listing_that_is_refused_puts_the_host_aside_too(
    autojump_clock: MockClock,
) -> None:
    benches = at(HERE, shared(), 2)

    def refuse(_params: object) -> object:
        raise RequestRefused("slow down", status=429, retry_after=40.0)

    methods = benches[0].server.methods
    listing, methods["tools/list"] = methods["tools/list"], refuse
    async with running(benches[0]):
        await benches[0].reach("backing_off")
        methods["tools/list"] = listing
        async with running(benches[1]):
            await benches[1].ready()
            assert trio.current_time() == pytest.approx(40, abs=1)


async def test_patience_is_no_failure_and_no_poke_ends_it(
    autojump_clock: MockClock,
) -> None:
    benches = at(HERE, shared(), 2)
    benches[0].transport.faults.append(ConnectFailed("busy", retry_after=200.0))
    async with all_running(benches[:1]):
        await settle()
        async with running(benches[1]):
            with logged() as lines:
                for _ in range(20):
                    await trio.sleep(5)
                    benches[1].post(Poke(reason="operator", reconnect=True))
                    await settle()
            assert benches[1].transport.opened_at == []
            assert benches[1].status.state == "backoff"  # never "failed"
            assert len(lines) < 100
            await benches[1].ready()


async def test_who_stops_waiting_leaves_the_line(autojump_clock: MockClock) -> None:
    turns = shared()
    benches = at("", turns, MACHINE.at_once + 2)
    for bench in benches:
        bench.transport.opening = 9.0
    async with all_running(benches[: MACHINE.at_once]):
        await settle()
        async with running(benches[-1]):
            async with running(benches[-2]):
                await settle()
                assert benches[-2].status.phase == "queued"
            assert benches[-2].transport.opened_at == []
            await benches[-1].ready()
            assert benches[-1].transport.opened_at == [pytest.approx(9, abs=0.1)]


@pytest.mark.requirement("R130")
async def test_children_start_a_few_at_a_time(autojump_clock: MockClock) -> None:
    benches = at("", shared(), 50)
    for bench in benches:
        bench.transport.opening = 2.0  # a package runner
    async with all_running(benches):
        for bench in benches:
            await bench.ready()
        took = trio.current_time()
    starts = attempts(benches)
    assert most_within(starts, 1.9) <= MACHINE.at_once
    assert took == pytest.approx(2.0 * 7, abs=0.5)  # 50 in waves of eight


async def test_a_child_that_never_speaks_holds_the_others_up_for_a_bounded_time(
    autojump_clock: MockClock,
) -> None:
    turns = shared()
    deaf = at("", turns, MACHINE.at_once)
    for bench in deaf:
        del bench.server.methods["initialize"]
    well = at("", turns, 3)
    async with all_running(deaf):
        await settle()
        async with all_running(well):
            for bench in well:
                await bench.ready()
            assert trio.current_time() == pytest.approx(MACHINE.hold, abs=0.1)


async def test_one_that_is_alone_waits_for_nobody(autojump_clock: MockClock) -> None:
    turns = shared()
    for bench in [*at(HERE, turns, 1), *at("", turns, 1)]:
        async with running(bench):
            await bench.ready()
            assert "queued" not in bench.phases()
    assert trio.current_time() == 0.0


async def test_an_attempt_that_is_over_gives_its_place_to_the_next(
    autojump_clock: MockClock,
) -> None:
    turns = shared()
    place = Place(name="h", manner=Manner(burst=9, at_once=1, hold=1000.0))
    for _ in range(3):
        attempt = turns.at(place)
        await attempt.take(lambda _until, _why: None, within=1.0)
        attempt.over()
    await turns.at(place).take(lambda _until, _why: None)  # never over
    with pytest.raises(PutAside, match="too many others"):
        await turns.at(place).take(lambda _until, _why: None, within=1.0)


async def test_who_will_not_wait_so_long_is_told_at_once(
    autojump_clock: MockClock,
) -> None:
    turns = shared()
    place = Place(name="h", manner=HOST)
    for _ in range(HOST.burst):
        await turns.at(place).take(lambda _until, _why: None)
    with pytest.raises(PutAside) as refused:
        await turns.at(place).take(lambda _until, _why: None, within=0.01)
    assert refused.value.seconds <= HOST.every * 1.3
    assert trio.current_time() == 0.0


async def test_places_nobody_needs_are_forgotten(autojump_clock: MockClock) -> None:
    turns = shared()
    for number in range(1000):
        turn = turns.at(Place(name=f"h{number}", manner=HOST))
        await turn.take(lambda _until, _why: None)
        turn.went_well()
        await trio.sleep(1)
    assert len(turns) == 1


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.example/x?y", "a.example:443"),
        ("wss://A.example/", "a.example:443"),
        ("http://a.example:8080/", "a.example:8080"),
        ("ws://[::1]/", "[::1]:80"),
        ("https://a.example:99999/", "an unknown host"),
    ],
)
def test_a_place_is_a_host_and_a_port(url: str, name: str) -> None:
    assert authority_of(url) == name


async def test_a_lost_session_that_many_have_is_renewed_in_turns(
    autojump_clock: MockClock,
) -> None:
    benches = at(HERE, shared(), 60)
    async with all_running(benches):
        for bench in benches:
            await bench.ready()
            bench.transport.opened_at.clear()
            bench.transport.down = ConnectFailed("restarting")
        await trio.sleep(60)
        for bench in benches:
            bench.link.fail()
        await trio.sleep(30)
    assert most_within(attempts(benches), 1.0) <= HOST.burst + 1 / HOST.every


async def test_refusals_of_calls_put_no_host_aside(autojump_clock: MockClock) -> None:
    benches = at(HERE, shared(), 2)

    def refuse(_params: object) -> object:
        raise Refusal(-32603)

    benches[0].server.methods["tools/call"] = refuse
    async with running(benches[0]):
        await benches[0].ready()
        _, outcome = benches[0].call()
        await outcome.wait()
        async with running(benches[1]):
            await benches[1].ready()
            assert trio.current_time() < 0.1
