"""What becomes of calls: answers, cancels, deadlines, limits."""

import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock

from bridge.contract.upstream import Answered, Cancel, Progress
from bridge.errors import (
    CallTimeout,
    FrameInvalid,
    LinkError,
    LinkTimeout,
    LoginNeeded,
    Overloaded,
    RequestRefused,
    Unauthorized,
    UpstreamLost,
    UpstreamUnavailable,
)
from bridge.protocol.frame import Frame, notification, raw
from kit.upstream import (
    Bench,
    ScriptedServer,
    decoded,
    id_of,
    params_of,
    quiet,
    ready,
    settle,
)


def progress(token: object, value: object) -> Frame:
    return notification(
        "notifications/progress", {"progressToken": token, "progress": value}
    )


async def test_an_error_of_the_server_is_passed_on_unchanged(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        link, frame = bench.server.held.pop()
        link.say(Frame(id=frame.id, error=Raw(b'{"code":-32099,"x":1}')))
        answer = await outcome.wait()
        assert answer == Answered(error=Raw(b'{"code":-32099,"x":1}'))


async def test_two_calls_are_never_mixed_up(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        outcomes = [bench.call(params={"name": str(n)})[1] for n in range(5)]
        await settle()
        for link, frame in reversed(bench.server.held):
            name = params_of(frame)["name"]
            link.say(Frame(id=frame.id, result=raw({"is": name})))
        for number, outcome in enumerate(outcomes):
            assert await outcome.result() == {"is": str(number)}


async def test_a_cancel_reaches_the_server_under_the_servers_own_id(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        call_id, outcome = bench.call()
        await settle()
        upstream_id = id_of(bench.server.held[0][1])
        bench.post(Cancel(call_id=call_id, reason="not needed"))
        await settle()
        told = bench.server.heard_of("notifications/cancelled")[0]
        assert params_of(told) == {"requestId": upstream_id, "reason": "not needed"}
        assert bench.link.cancelled == [upstream_id]
        bench.server.answer_held()
        await settle()
        assert not outcome.done
        await trio.sleep(2)
        assert bench.status.dropped == 1


async def test_a_cancel_of_a_call_that_waits_frees_its_place(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(max_in_flight=1))
    async with ready(bench):
        _, first = bench.call()
        waiting_id, waiting = bench.call()
        _, third = bench.call()
        await settle()
        bench.post(Cancel(call_id=waiting_id, reason="gone"))
        bench.post(Cancel(call_id=999, reason="never seen"))
        await settle()
        bench.server.answer_held()
        await first.result()
        await settle()
        bench.server.answer_held()
        await third.result()
        assert not waiting.done
        assert bench.server.heard_of("notifications/cancelled") == []


@pytest.mark.requirement("R127")
async def test_no_more_calls_than_the_limit_are_in_flight(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(max_in_flight=2))
    async with ready(bench):
        outcomes = [bench.call()[1] for _ in range(5)]
        await settle()
        for outcome in outcomes:
            assert len(bench.server.held) <= 2
            bench.server.answer_held()
            await outcome.result()
            await settle()


@pytest.mark.requirement("R127")
async def test_beyond_the_waiting_list_a_call_is_refused_at_once(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(max_in_flight=1), bound=3)
    async with ready(bench):
        outcomes = [bench.call()[1] for _ in range(3)]
        await settle()
        outcomes += [bench.call()[1] for _ in range(2)]
        await settle()
        await outcomes[4].error(Overloaded)
        assert [outcome.done for outcome in outcomes] == [False] * 4 + [True]


@pytest.mark.requirement("R127")
async def test_a_server_that_hangs_costs_a_call_its_timeout_and_no_more(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(timeout=10.0))
    async with ready(bench):
        began = trio.current_time()
        _, outcome = bench.call()
        await outcome.error(CallTimeout)
        assert trio.current_time() - began == pytest.approx(10)
        assert bench.actor.at_rest
        assert len(bench.server.heard_of("notifications/cancelled")) == 1


async def test_waiting_for_a_slot_counts_towards_the_deadline(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(timeout=10.0, max_in_flight=1))
    async with ready(bench):
        _, first = bench.call(wants_progress=True)
        await settle()
        _, second = bench.call()
        began = trio.current_time()
        for step in range(3):
            await trio.sleep(5)
            bench.link.say(progress(id_of(bench.server.held[0][1]), step))
        error = await second.error(Overloaded)
        assert error.retryable
        assert trio.current_time() - began <= 15
        bench.server.answer_held()
        await first.result()


async def test_progress_keeps_a_call_alive_but_not_for_ever(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(timeout=10.0))
    async with ready(bench):
        began = trio.current_time()
        _, outcome = bench.call(wants_progress=True)
        await settle()
        token = id_of(bench.server.held[0][1])
        for value in range(100):
            if outcome.done:
                break
            bench.link.say(progress(token, value))
            await trio.sleep(5)
        await outcome.error(CallTimeout)
        assert 300 <= trio.current_time() - began <= 305


async def test_a_progress_token_is_added_and_other_members_stay_untouched(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        big = {"name": "echo", "arguments": {"n": 10**30}, "_meta": {"vendor": [1]}}
        bench.call(params=big, wants_progress=True)
        bench.call(params=big)
        await settle()
        (_, first), (_, second) = bench.server.held
        meta = {"vendor": [1], "progressToken": id_of(first)}
        assert isinstance(first.params, Raw)
        assert b"1000000000000000000000000000000" in bytes(first.params)
        assert decoded(first.params)["_meta"] == meta
        assert params_of(second)["_meta"] == {"vendor": [1]}


async def test_params_that_cannot_carry_a_token_fail_that_call_alone(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call(params=[1], wants_progress=True)
        await outcome.error(FrameInvalid)
        assert bench.actor.at_rest


@pytest.mark.requirement("C31", "R125")
async def test_progress_passes_ten_times_a_second_after_a_burst_of_ten(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call(wants_progress=True)
        await settle()
        token = id_of(bench.server.held[0][1])
        for value in range(1, 101):
            bench.link.say(progress(token, value))
            await trio.sleep(0.01)
        told = [decoded(news.params["progress"]) for news in outcome.told(Progress)]
        assert 20 <= len(told) <= 22  # the burst, and ten in the second after it
        assert told == sorted(told)
        bench.server.answer_held()
        await outcome.result()
        last = outcome.told(Progress)[-1]
        assert decoded(last.params["progress"]) == 100


async def test_progress_that_does_not_rise_or_is_of_nobody_is_dropped(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call(wants_progress=True)
        _, silent = bench.call()
        await settle()
        (_, mine), (_, other) = bench.server.held
        for frame in (
            progress(id_of(mine), 5),
            progress(id_of(mine), 5),
            progress(id_of(mine), 3),
            progress(id_of(mine), "7"),
            progress(str(id_of(mine)), 8),
            progress(id_of(mine) + 1, 8),
            progress(id_of(other), 8),
            notification("notifications/progress", [1]),
        ):
            bench.link.say(frame)
            await trio.sleep(1)
        assert len(outcome.told(Progress)) == 1
        assert silent.events == []


@pytest.mark.requirement("C30")
async def test_doubled_foreign_and_mistyped_answers_are_dropped_and_counted(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        link, frame = bench.server.held.pop()
        key = id_of(frame)
        link.say(Frame(id=str(key), result=raw("mistyped")))
        link.say(Frame(id=key + 1, result=raw("in advance")))
        link.say(Frame(error=raw({"code": -32700, "message": "of nobody"})))
        link.say(Frame(id=key, result=raw("first")))
        link.say(Frame(id=key, result=raw("second")))
        assert await outcome.result() == "first"
        await trio.sleep(2)
        assert outcome.outcomes == [Answered(result=raw("first"))]
        assert bench.status.dropped == 4


@pytest.mark.requirement("C30")
async def test_ids_of_two_connections_do_not_follow_from_each_other(
    autojump_clock: MockClock,
) -> None:
    first, second = Bench(seed=1), Bench(seed=2)
    async with ready(first), ready(second):
        ids = [
            [id_of(frame) for frame in bench.server.heard if frame.is_request]
            for bench in (first, second)
        ]
        assert not set(ids[0]) & set(ids[1])
        assert all(later - earlier != 1 for earlier, later in ids)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (RequestRefused("HTTP 400", status=400), UpstreamUnavailable),
        (RequestRefused("HTTP 429", status=429), Overloaded),
        (RequestRefused("HTTP 502", status=502), UpstreamLost),
        (LinkTimeout("no head"), CallTimeout),
        (LinkError("an answer too large"), UpstreamLost),
    ],
)
async def test_a_request_that_fails_alone_fails_nobody_else(
    autojump_clock: MockClock, fault: LinkError, expected: type[Exception]
) -> None:
    bench = Bench()
    async with ready(bench):
        _, failing = bench.call()
        _, well = bench.call()
        await settle()
        bench.server.fail_held(fault)
        await failing.error(expected)
        bench.server.answer_held()
        await well.result()
        assert bench.status.phase == "ready"


async def test_a_401_of_one_call_is_that_calls_error_when_a_ping_is_welcome(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.server.fail_held(Unauthorized("HTTP 401"))
        await outcome.error(LoginNeeded)
        await settle()
        assert len(bench.server.heard_of("ping")) == 1
        assert bench.status.phase == "ready"


async def test_a_401_of_the_ping_too_is_the_upstreams(
    autojump_clock: MockClock,
) -> None:
    def refuse(_params: object) -> object:
        raise Unauthorized("HTTP 401")

    bench = Bench()
    async with ready(bench):
        bench.server.methods["ping"] = refuse
        _, outcome = bench.call()
        _, other = bench.call()
        await settle()
        bench.server.fail_held(Unauthorized("HTTP 401"))
        await outcome.error(LoginNeeded)
        await other.error(UpstreamLost)
        await bench.reach("awaiting_login")
        assert bench.status.state == "auth_required"


async def test_a_busy_link_refuses_the_call_alone(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.busy = True
        _, outcome = bench.call()
        await outcome.error(Overloaded)
        bench.link.busy = False
        _, later = bench.call()
        await settle()
        bench.server.answer_held()
        await later.result()


async def test_a_call_abandoned_while_it_waits_is_never_sent(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(server=ScriptedServer(), config=quiet(max_in_flight=1))
    async with ready(bench):
        _, first = bench.call()
        await settle()
        abandoned = bench.abandoned()
        await settle()
        bench.server.answer_held()
        await first.result()
        await settle()
        assert not abandoned.done
        assert len(bench.server.heard_of("tools/call")) == 1
