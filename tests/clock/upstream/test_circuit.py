"""An upstream that is connected but answers only errors is left alone for a while."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from bridge.config.model import FailoverConfig, HealthCheckConfig
from bridge.contract.upstream import Answered, Cancel, Poke
from bridge.errors import (
    CallTimeout,
    CircuitOpen,
    ConnectFailed,
    Forbidden,
    LinkError,
    LinkLost,
    Overloaded,
    RequestRefused,
    UpstreamPaused,
    UpstreamUnavailable,
)
from bridge.protocol.frame import notification
from kit.upstream import (
    Bench,
    Outcome,
    Refusal,
    logged,
    params_of,
    quiet,
    ready,
    settle,
    tool,
)

INTERNAL = -32603


def broken(code: int = INTERNAL) -> Bench:
    """Every call is answered with this error."""
    bench = Bench(config=quiet())
    break_it(bench, code)
    return bench


def break_it(bench: Bench, code: int = INTERNAL) -> None:
    def refuse(_params: object) -> object:
        raise Refusal(code)

    bench.server.methods["tools/call"] = refuse


def heal(bench: Bench) -> None:
    bench.server.methods["tools/call"] = lambda _params: {"content": []}


def refused_with(bench: Bench, error: LinkError) -> None:
    def fail(_params: object) -> object:
        raise error

    bench.server.methods["tools/call"] = fail


async def call(bench: Bench, name: str = "echo") -> Any:
    _, outcome = bench.call(params={"name": name, "arguments": {}})
    return await outcome.wait()


async def trip(bench: Bench) -> None:
    """Three failures of two tools."""
    for name in ("a", "b", "a"):
        await call(bench, name)
    await settle()


@pytest.mark.requirement("R127")
async def test_after_failures_in_a_row_calls_are_refused_at_once(
    autojump_clock: MockClock,
) -> None:
    bench = broken()
    async with ready(bench):
        with logged() as lines:
            await trip(bench)
        (opened,) = [x for x in lines if x["event"] == "upstream.circuit_opened"]
        assert (opened["failures"], opened["openings"]) == (3, 1)
        assert 30 <= opened["retry_in"] <= 33
        sent = len(bench.link.sent)
        await trio.sleep(10)
        error = await call(bench)
        assert isinstance(error, CircuitOpen)
        assert (error.upstream, error.retryable) == ("files", True)
        assert error.retry_after == pytest.approx(opened["retry_in"] - 10, abs=0.1)
        for words in ("circuit has been open for 10 s", "-32603", "nothing ran"):
            assert words in error.public
        assert len(bench.link.sent) == sent
        status = bench.status
        assert (status.state, status.circuit) == ("connected", "open")
        assert status.retry_at == pytest.approx(opened["retry_in"], abs=0.1)


async def test_one_call_tries_and_its_answer_closes_the_circuit(
    autojump_clock: MockClock,
) -> None:
    bench = broken()
    async with ready(bench):
        await trip(bench)
        await trio.sleep(34)
        assert bench.status.circuit == "half_open"
        del bench.server.methods["tools/call"]
        _, trial = bench.call()
        other = await call(bench)
        assert isinstance(other, CircuitOpen)
        assert other.retry_after == 1.0
        assert len(bench.server.held) == 1
        heal(bench)
        with logged() as lines:
            bench.server.answer_held()
            assert isinstance(await trial.wait(), Answered)
        assert [x["event"] for x in lines] == ["upstream.circuit_closed"]
        await settle()
        assert (bench.status.circuit, bench.status.retry_at) == ("closed", None)
        assert isinstance(await call(bench), Answered)


async def test_a_trial_that_fails_opens_it_for_longer(
    autojump_clock: MockClock,
) -> None:
    bench = broken()
    rests = list[float]()
    async with ready(bench):
        await trip(bench)
        for _ in range(12):
            rests.append((bench.status.retry_at or 0) - trio.current_time())
            await trio.sleep(rests[-1] + 0.01)
            assert isinstance(await call(bench), Answered)  # its error, passed on
            await settle()
    assert [round(rest / 30) for rest in rests[:4]] == [1, 2, 3, 4]
    assert max(rests) <= 330
    assert len(bench.server.heard_of("tools/call")) == 3 + 12


async def test_a_cancelled_trial_gives_way_to_the_next_call(
    autojump_clock: MockClock,
) -> None:
    bench = broken()
    async with ready(bench):
        await trip(bench)
        await trio.sleep(34)
        del bench.server.methods["tools/call"]
        call_id, _ = bench.call()
        bench.post(Cancel(call_id=call_id, reason="left"))
        await settle()
        _, trial = bench.call()
        await settle()
        assert not trial.done
        bench.server.held.pop(0)
        bench.server.answer_held()
        assert isinstance(await trial.wait(), Answered)


async def test_calls_the_clients_cancelled_say_nothing_of_the_server(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet())
    async with ready(bench):
        for number in range(50):
            call_id, _ = bench.call(params={"name": f"t{number}"})
            await settle()
            bench.post(Cancel(call_id=call_id, reason="left"))
            await settle()
        assert bench.status.circuit == "closed"
        heal(bench)
        assert isinstance(await call(bench), Answered)


@pytest.mark.parametrize("code", [-32602, -32601, -32002, -32000, 7])
async def test_the_clients_own_mistakes_open_nothing(
    autojump_clock: MockClock, code: int
) -> None:
    bench = broken(code)
    async with ready(bench):
        for number in range(20):
            assert isinstance(await call(bench, f"t{number}"), Answered)
        assert bench.status.circuit == "closed"


async def test_a_tool_that_says_is_error_has_answered(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet())
    bench.server.methods["tools/call"] = lambda _p: {"isError": True, "content": []}
    async with ready(bench):
        for number in range(20):
            assert isinstance(await call(bench, f"t{number}"), Answered)
        assert bench.status.circuit == "closed"


@pytest.mark.parametrize(
    "error",
    [
        RequestRefused("500", status=500),
        RequestRefused("429", status=429),
        LinkError("garbage"),
        LinkLost("cut"),
    ],
)
async def test_refusals_of_the_transport_count(
    autojump_clock: MockClock, error: LinkError
) -> None:
    bench = Bench(config=quiet())
    refused_with(bench, error)
    async with ready(bench):
        await trip(bench)
        assert isinstance(await call(bench), CircuitOpen)


async def test_what_forbids_or_asks_to_log_in_does_not_count(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet())
    refused_with(bench, Forbidden("no"))
    async with ready(bench):
        for _ in range(5):
            await trip(bench)
        assert bench.status.circuit == "closed"


async def test_deadlines_that_pass_count(autojump_clock: MockClock) -> None:
    bench = Bench(config=quiet(timeout=5.0))
    async with ready(bench):
        outcomes = [bench.call(params={"name": f"t{n}"})[1] for n in range(3)]
        for outcome in outcomes:
            await outcome.error(CallTimeout)
        assert isinstance(await call(bench), CircuitOpen)


async def test_one_broken_tool_does_not_take_its_siblings_with_it(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet())
    bench.server.tools = [tool("good"), tool("bad")]

    def answer(params: dict[str, Any]) -> object:
        if params["name"] == "bad":
            raise Refusal(INTERNAL)
        return {"content": []}

    bench.server.methods["tools/call"] = answer
    async with ready(bench):
        for _ in range(8):
            await call(bench, "bad")
        assert isinstance(await call(bench, "good"), Answered)
        for _ in range(9):
            assert not isinstance(await call(bench, "bad"), CircuitOpen)
        assert isinstance(await call(bench, "bad"), CircuitOpen)


async def test_who_waited_for_a_slot_is_refused_when_it_opens(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(max_in_flight=3))
    async with ready(bench):
        flying = [bench.call(params={"name": f"t{n}"})[1] for n in range(3)]
        waiting = [bench.call()[1] for _ in range(5)]
        await settle()
        for _ in flying:
            bench.server.fail_held(RequestRefused("500", status=500))
        for outcome in waiting[2:]:
            await outcome.error(CircuitOpen)
        # a slot became free before the last failure: these two were sent
        assert [outcome.done for outcome in waiting[:2]] == [False, False]


async def test_nothing_at_all_is_asked_while_it_is_open(
    autojump_clock: MockClock,
) -> None:
    check = HealthCheckConfig(interval_ms=1000, keep_alive_interval_ms=1000)
    bench = Bench(config=quiet(health_check=check))
    break_it(bench)
    async with ready(bench):
        await trip(bench)
        bench.link.sent.clear()
        bench.server.heard.clear()
        bench.link.say(changed())
        await trio.sleep(29)
        assert bench.server.heard == []
        await trio.sleep(6)
        assert bench.server.heard_of("tools/list")  # what has changed is read now


async def test_an_operator_closes_it_by_reconnecting(
    autojump_clock: MockClock,
) -> None:
    bench = broken()
    async with ready(bench):
        await trip(bench)
        bench.post(Poke(reason="operator", reconnect=True))
        await settle()
        await bench.ready()
        assert bench.status.circuit == "closed"
        heal(bench)
        assert isinstance(await call(bench), Answered)


async def test_a_new_connection_is_a_reason_to_try(autojump_clock: MockClock) -> None:
    bench = broken()
    async with ready(bench):
        await trip(bench)
        bench.link.fail()
        await settle()
        assert isinstance(await call(bench), UpstreamUnavailable)
        await bench.ready()
        assert bench.status.circuit == "half_open"
        heal(bench)
        assert isinstance(await call(bench), Answered)
        await settle()
        assert bench.status.circuit == "closed"


@pytest.mark.parametrize(
    "failover", [FailoverConfig(enabled=False), FailoverConfig(max_failures=0)]
)
async def test_switched_off_calls_go_out_whatever_is_answered(
    autojump_clock: MockClock, failover: FailoverConfig
) -> None:
    bench = Bench(config=quiet(), failover=failover)
    break_it(bench)
    async with ready(bench):
        for number in range(40):
            assert isinstance(await call(bench, f"t{number}"), Answered)


@pytest.mark.parametrize(("status", "kind"), [(429, Overloaded), (503, None)])
async def test_a_wish_for_patience_on_a_call_pauses_the_others(
    autojump_clock: MockClock, status: int, kind: type[Overloaded] | None
) -> None:
    bench = Bench(config=quiet())
    refused_with(bench, RequestRefused("busy", status=status, retry_after=20.0))
    async with ready(bench):
        error = await call(bench)
        assert isinstance(error, kind or UpstreamUnavailable)
        assert (error.retryable, error.retry_after) == (True, 20.0)
        sent = len(bench.link.sent)
        await trio.sleep(5)
        other = await call(bench)
        assert isinstance(other, UpstreamPaused)
        assert other.retry_after == pytest.approx(15, abs=0.01)
        assert len(bench.link.sent) == sent
        assert bench.status.retry_at == pytest.approx(20, abs=0.1)
        heal(bench)
        await trio.sleep(15.01)
        assert isinstance(await call(bench), Answered)
        await trio.sleep(2)
        assert bench.status.retry_at is None


async def test_no_wish_for_patience_is_without_end(autojump_clock: MockClock) -> None:
    bench = Bench(config=quiet())
    refused_with(bench, RequestRefused("busy", status=503, retry_after=1e12))
    async with ready(bench):
        await call(bench)
        other = await call(bench)
        assert isinstance(other, UpstreamPaused)
        assert other.retry_after == pytest.approx(300)


async def test_other_statuses_use_the_header_for_other_things(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet())
    refused_with(bench, RequestRefused("moved", status=301, retry_after=20.0))
    async with ready(bench):
        await call(bench)
        heal(bench)
        assert isinstance(await call(bench), Answered)


async def test_a_list_that_is_refused_is_read_again_when_asked_to(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet())
    async with ready(bench):
        times = list[float]()

        def refuse(_params: object) -> object:
            times.append(trio.current_time())
            raise RequestRefused("busy", status=429, retry_after=120.0)

        bench.server.methods["tools/list"] = refuse
        bench.link.say(changed())
        await trio.sleep(300)
        assert 120 <= times[1] - times[0] <= 145
        assert bench.status.state == "connected"


def changed() -> Any:
    return notification("notifications/tools/list_changed")


async def test_the_names_of_what_failed_need_no_params(
    autojump_clock: MockClock,
) -> None:
    bench = broken()
    bench.server.methods["prompts/get"] = bench.server.methods["tools/call"]
    async with ready(bench):
        outcome: Outcome
        for method, params in (("tools/call", {}), ("prompts/get", {"name": 3})):
            _, outcome = bench.call(method, params)
            await outcome.wait()
        assert params_of(bench.server.heard_of("prompts/get")[0]) == {"name": 3}
        _, outcome = bench.call("tools/call", ["no object"])
        await outcome.wait()
        assert isinstance(await call(bench), CircuitOpen)


@pytest.mark.requirement("C20")
async def test_a_server_that_is_not_there_is_reconnected_to_and_opens_no_circuit(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    gone = ConnectFailed("connection refused")
    refused_with(bench, gone)
    async with ready(bench):
        del bench.server.methods["ping"]
        for outcome in [bench.call()[1] for _ in range(20)]:
            assert not (await outcome.error(UpstreamUnavailable)).written
        assert len(bench.server.held) == 1  # one question for all the doubts
        assert bench.status.phase == "ready"
        bench.server.fail_held(gone)
        await trio.sleep(1)
        assert (bench.status.circuit, bench.status.phase) == ("closed", "backing_off")
