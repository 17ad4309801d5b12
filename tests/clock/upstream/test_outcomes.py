"""Every call ends as a result, as not executed, or as unknown; and what is repeated."""

import pytest
import trio
from trio.testing import MockClock

from bridge.config.model import UpstreamConfig
from bridge.contract.upstream import Cancel
from bridge.errors import (
    CallTimeout,
    ConnectFailed,
    LinkError,
    RequestRefused,
    RoutingError,
    UpstreamLost,
    UpstreamUnavailable,
)
from kit.upstream import Bench, quiet, ready, settle

#: By then there is a new connection.
RECONNECTED = 6


def repeating() -> UpstreamConfig:
    return quiet(repeat_calls="idempotent")


@pytest.mark.requirement("P2")
async def test_a_call_that_may_have_run_is_not_repeated_unless_configuration_agrees(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call(repeatable=True)
        await settle()
        bench.link.fail()
        error = await outcome.error(UpstreamLost)
        assert error.written
        assert len(bench.server.heard_of("tools/call")) == 1


@pytest.mark.requirement("P2")
async def test_what_its_upstream_does_not_mark_is_not_repeated(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=repeating())
    async with ready(bench):
        _, outcome = bench.call(repeatable=False)
        await settle()
        bench.link.fail()
        assert (await outcome.error(UpstreamLost)).written
        assert len(bench.server.heard_of("tools/call")) == 1


@pytest.mark.requirement("P2")
async def test_a_repeatable_call_goes_once_more_to_the_next_connection(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=repeating())
    async with ready(bench):
        _, outcome = bench.call(repeatable=True)
        await settle()
        bench.server.held.clear()
        bench.link.fail()
        await trio.sleep(RECONNECTED)
        bench.server.answer_held({"is": "done"})
        assert await outcome.result() == {"is": "done"}
        assert len(bench.server.heard_of("tools/call")) == 2


async def test_a_repetition_is_lost_for_good(autojump_clock: MockClock) -> None:
    bench = Bench(config=repeating())
    async with ready(bench):
        _, outcome = bench.call(repeatable=True)
        await settle()
        bench.link.fail()
        await trio.sleep(RECONNECTED)
        bench.link.fail()
        assert (await outcome.error(UpstreamLost)).written
        assert len(bench.server.heard_of("tools/call")) == 2


async def test_a_repetition_waits_for_a_connection_but_not_for_ever(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=repeating())
    async with ready(bench):
        _, outcome = bench.call(repeatable=True)
        await settle()
        bench.transport.down = ConnectFailed("refused")
        bench.link.fail()
        began = trio.current_time()
        error = await outcome.error(UpstreamLost)
        assert error.written  # the first time it may have run
        assert trio.current_time() - began == 10.0


async def test_whatever_a_repetition_ends_with_it_may_have_run_before(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=repeating())
    async with ready(bench):
        _, outcome = bench.call(repeatable=True)
        await settle()
        bench.link.fail()
        await trio.sleep(RECONNECTED)
        bench.server.fail_held(RequestRefused("HTTP 403", status=403))
        assert (await outcome.error(RoutingError)).written


async def test_a_repeatable_call_that_a_server_fault_ended_is_asked_again_at_once(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=repeating())
    async with ready(bench):
        _, outcome = bench.call(repeatable=True)
        await settle()
        bench.server.fail_held(RequestRefused("HTTP 502", status=502))
        await settle()
        bench.server.answer_held({"is": "done"})
        assert await outcome.result() == {"is": "done"}


@pytest.mark.parametrize(
    ("error", "kind", "written"),
    [
        (RequestRefused("HTTP 502", status=502), UpstreamLost, True),
        (RequestRefused("HTTP 503", status=503), UpstreamUnavailable, True),
        (
            RequestRefused("HTTP 503", status=503, retry_after=1),
            UpstreamUnavailable,
            False,
        ),
        (RequestRefused("HTTP 403", status=403), UpstreamUnavailable, False),
        (ConnectFailed("refused"), UpstreamUnavailable, False),
    ],
)
async def test_each_refusal_says_whether_the_call_may_have_run(
    error: LinkError,
    kind: type[RoutingError],
    autojump_clock: MockClock,
    *,
    written: bool,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.server.fail_held(error)
        assert (await outcome.error(kind)).written is written


async def test_a_call_that_was_not_written_in_time_is_taken_back(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(timeout=5))
    async with ready(bench):
        bench.link.writes = False
        _, outcome = bench.call()
        assert not (await outcome.error(CallTimeout)).written
        call = next(o for o in bench.link.sent if o.frame.method == "tools/call")
        assert call.revoked
        said = [outgoing.frame.method for outgoing in bench.link.sent]
        assert "notifications/cancelled" not in said  # of what it never heard


async def test_a_cancelled_call_that_was_not_written_is_never_heard_of(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.writes = False
        call_id, _ = bench.call()
        await settle()
        bench.post(Cancel(call_id=call_id, reason="gone"))
        await settle()
        call = next(o for o in bench.link.sent if o.frame.method == "tools/call")
        assert call.revoked
        assert call.upstream_id in bench.link.cancelled
