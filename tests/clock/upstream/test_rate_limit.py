"""``rateLimit``: calls per second to one upstream."""

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.upstream import Answered
from bridge.errors import RateLimited
from kit.upstream import Bench, quiet, ready, settle


def limited(rate: float) -> Bench:
    bench = Bench(config=quiet(rate_limit=rate))
    bench.server.methods["tools/call"] = lambda _params: {"content": []}
    return bench


@pytest.mark.requirement("R127")
async def test_calls_within_the_rate_go_at_once(autojump_clock: MockClock) -> None:
    bench = limited(10.0)
    async with ready(bench):
        began = trio.current_time()
        outcomes = [bench.call()[1] for _ in range(10)]
        for outcome in outcomes:
            assert isinstance(await outcome.wait(), Answered)
        assert trio.current_time() == began


async def test_a_turn_that_comes_soon_is_waited_for_and_others_are_refused(
    autojump_clock: MockClock,
) -> None:
    bench = limited(5.0)
    async with ready(bench):
        began = trio.current_time()
        outcomes = [bench.call()[1] for _ in range(20)]
        answers = [await outcome.wait() for outcome in outcomes]
        assert trio.current_time() - began == pytest.approx(1.0, abs=0.01)
        assert all(isinstance(answer, Answered) for answer in answers[:10])
        for answer in answers[10:]:
            assert isinstance(answer, RateLimited)
            assert (answer.upstream, answer.retryable) == ("files", True)
            assert answer.retry_after == pytest.approx(1.2)
            assert "5 calls a second" in answer.public
        assert len(bench.server.heard_of("tools/call")) == 10


async def test_in_the_long_run_the_rate_is_kept(autojump_clock: MockClock) -> None:
    bench = limited(2.0)
    async with ready(bench):
        for _ in range(1000):
            bench.call()
            await trio.sleep(0.1)
        heard = len(bench.server.heard_of("tools/call"))
        assert heard == pytest.approx(2 * 100, abs=5)


async def test_a_slow_rate_refuses_with_the_time_to_wait(
    autojump_clock: MockClock,
) -> None:
    bench = limited(0.1)
    async with ready(bench):
        _, first = bench.call()
        assert isinstance(await first.wait(), Answered)
        await trio.sleep(4)
        _, second = bench.call()
        error = await second.error(RateLimited)
        assert error.retry_after == pytest.approx(6)
        await trio.sleep(error.retry_after or 0)
        _, third = bench.call()
        assert isinstance(await third.wait(), Answered)


async def test_without_a_limit_nothing_is_counted(autojump_clock: MockClock) -> None:
    bench = limited(0.0)
    async with ready(bench):
        outcomes = [bench.call()[1] for _ in range(200)]
        await settle()
        assert all(outcome.done for outcome in outcomes)
        assert bench.actor._throttle._bucket is None  # pyright: ignore[reportPrivateUsage]


async def test_health_checks_and_lists_are_no_calls(autojump_clock: MockClock) -> None:
    bench = limited(0.001)
    async with ready(bench):
        _, outcome = bench.call()
        assert isinstance(await outcome.wait(), Answered)
