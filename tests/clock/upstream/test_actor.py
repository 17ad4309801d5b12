"""One connection, one call: the way through the whole actor."""

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.router import UpstreamDown, UpstreamUp
from bridge.errors import UpstreamLost
from kit.upstream import Bench, params_of, ready, running, settle


@pytest.mark.requirement("R130")
async def test_a_call_goes_to_the_server_and_its_answer_comes_back(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call(params={"name": "echo", "arguments": {"x": 1}})
        await settle()
        (link, frame) = bench.server.held[0]
        assert frame.method == "tools/call"
        assert params_of(frame) == {"name": "echo", "arguments": {"x": 1}}
        bench.server.answer_held({"content": [], "odd": 12345678901234567890})
        assert await outcome.result() == {"content": [], "odd": 12345678901234567890}
        assert link.revision == "2025-11-25"


async def test_the_way_to_ready_is_published_step_by_step(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with running(bench):
        await bench.ready()
        assert bench.phases() == ["connecting", "handshaking", "discovering", "ready"]
        methods = [frame.method for frame in bench.server.heard]
        assert methods == ["initialize", "notifications/initialized", "tools/list"]
        up = bench.told_router(UpstreamUp)[0]
        assert [entry.key for entry in up.catalog.tools] == ["echo"]
        assert up.catalog.instructions == "be kind"
        assert bench.status.server == "scripted 1"
        assert bench.status.transport == "auto"  # none was named
        assert (bench.status.tools, bench.status.epoch) == (1, 1)


@pytest.mark.requirement("R133")
async def test_a_call_in_flight_is_answered_when_its_upstream_dies(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        began = trio.current_time()
        bench.link.fail()
        error = await outcome.error(UpstreamLost)
        assert error.written
        assert trio.current_time() == began
        downs = bench.told_router(UpstreamDown)
        assert downs[-1].retry_at is not None
