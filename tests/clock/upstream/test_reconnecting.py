"""How an upstream comes back: attempts, pauses, sessions, logins."""

import itertools

import pytest
import trio
from trio.testing import MockClock

from bridge.config.model import FailoverConfig, HealthCheckConfig
from bridge.contract.router import UpstreamDown, UpstreamUp
from bridge.contract.upstream import Announce, Poke, Reauthorize, UpstreamState
from bridge.errors import (
    ConnectFailed,
    LinkLost,
    LoginNeeded,
    SessionLost,
    Unauthorized,
    UpstreamLost,
    UpstreamUnavailable,
)
from bridge.upstream.state import BearerReady, RenewFailed
from bridge.upstream.state import LoginNeeded as NeedsLogin
from kit.upstream import (
    Bench,
    FakeTokens,
    FakeTransport,
    Refusal,
    ScriptedServer,
    logged,
    params_of,
    quiet,
    ready,
    running,
    settle,
)


def pauses(transport: FakeTransport) -> list[float]:
    """The seconds between attempts."""
    times = transport.opened_at
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.requirement("R134", "R132")
async def test_first_attempts_are_quick_then_back_off_then_slow_and_never_end(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(retry_attempts=2, retry_delay_ms=1000))
    bench.transport.down = ConnectFailed("refused")
    async with running(bench):
        await trio.sleep(1200)
        found = pauses(bench.transport)
        assert found[:2] == [pytest.approx(1), pytest.approx(1)]
        for pause, bound in zip(found[2:7], (5, 10, 20, 40, 60), strict=True):
            assert bound / 10 <= pause <= bound + 0.01
        assert len(found) > 20
        assert all(60 <= pause <= 66.01 for pause in found[7:])
        assert bench.status.state == "failed"
        assert bench.status.last_error == "refused"
        bench.transport.down = None
        await bench.ready()


@pytest.mark.requirement("R131", "R136")
async def test_a_lost_link_is_opened_again_and_the_time_is_told(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.told_router(UpstreamUp)
        with logged() as lines:
            bench.link.fail()
            await settle()
            assert bench.status.state == "backoff"
            (down,) = bench.told_router(UpstreamDown)
            assert down.state is UpstreamState.BACKOFF
            assert down.retry_at == bench.status.retry_at
            await bench.ready()
        (up,) = bench.told_router(UpstreamUp)
        assert up.epoch == 2
        assert bench.status.epoch == 2
        changes = [x for x in lines if x["event"] == "upstream.state_changed"]
        said = [(x["log_level"], x["from"], x["to"], x["phase"]) for x in changes]
        assert said == [
            ("warning", "connected", "backoff", "backing_off"),
            ("info", "backoff", "connecting", "connecting"),
            ("debug", "connecting", "connecting", "handshaking"),
            ("debug", "connecting", "connecting", "discovering"),
            ("info", "connecting", "connected", "ready"),
        ]
        assert changes[0]["upstream"] == "files"
        assert changes[0]["reason"] == "the server has gone"
        retry_in = f"{changes[0]['retry_in']:.0f} s"
        assert (
            changes[0]["next"] == f"reconnect in {retry_in} after: the server has gone"
        )
        assert [x["next"] for x in changes[2:]] == [
            "its answer to the handshake",
            "its lists of tools, prompts and resources",
            "",
        ]
        assert changes[0]["retry_in"] > 0


@pytest.mark.requirement("R131")
async def test_without_auto_restart_it_stays_down_until_poked(
    autojump_clock: MockClock,
) -> None:
    check = HealthCheckConfig(enabled=False, auto_restart=False)
    bench = Bench(config=quiet(health_check=check))
    async with ready(bench):
        bench.link.fail()
        await trio.sleep(7200)
        assert len(bench.transport.links) == 1
        assert bench.status.state == "failed"
        assert bench.status.retry_at is None
        bench.post(Poke(reason="operator"))
        await bench.ready()


@pytest.mark.requirement("R132")
async def test_a_stable_time_forgives_earlier_failures(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        for _ in range(10):
            await trio.sleep(31)
            bench.link.fail()
            await settle()
            assert bench.status.state == "backoff"
            assert bench.status.retry_at is not None
            assert bench.status.retry_at - trio.current_time() <= 5
            await bench.ready()


@pytest.mark.requirement("R132")
async def test_a_server_that_dies_at_once_each_time_is_never_a_hot_loop(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        began = trio.current_time()
        while trio.current_time() - began < 600:
            bench.link.fail()
            await settle()
            await bench.ready()
        # 5 backed-off attempts, then one every 60 s
        assert len(bench.transport.links) < 5 + 600 / 60 + 2


async def test_the_servers_own_retry_after_wins_within_a_cap(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(retry_attempts=0))
    bench.transport.faults.append(ConnectFailed("busy", retry_after=42.0))
    bench.transport.faults.append(ConnectFailed("busy", retry_after=1e9))
    async with running(bench):
        await bench.ready()
        assert pauses(bench.transport) == [pytest.approx(42), pytest.approx(300)]


@pytest.mark.requirement("R137")
async def test_before_it_was_ever_ready_a_call_waits_a_little(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    bench.transport.opening = 3.0
    async with running(bench):
        _, outcome = bench.call()
        await bench.ready()
        bench.server.answer_held()
        assert await outcome.result() == {"ok": True}


@pytest.mark.requirement("R137", "R138")
async def test_but_no_longer_than_five_seconds(autojump_clock: MockClock) -> None:
    bench = Bench()
    bench.transport.opening = 20.0
    async with running(bench):
        began = trio.current_time()
        _, outcome = bench.call()
        error = await outcome.error(UpstreamUnavailable)
        assert trio.current_time() - began == pytest.approx(5)
        assert (error.upstream, error.state) == ("files", "connecting")


@pytest.mark.requirement("R137", "R124")
async def test_afterwards_a_call_fails_at_once_with_reason_and_time(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.fail(LinkLost("exit status 9"))
        await settle()
        began = trio.current_time()
        _, outcome = bench.call()
        error = await outcome.error(UpstreamUnavailable)
        assert trio.current_time() == pytest.approx(began, abs=0.1)
        assert (error.state, error.retryable) == ("backoff", True)
        assert "exit status 9" in error.public
        assert error.retry_after == pytest.approx(
            (bench.status.retry_at or 0) - began, abs=0.1
        )


@pytest.mark.requirement("R137")
async def test_by_setting_a_call_waits_for_the_restart(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(wait_for_restart=10.0))
    async with ready(bench):
        bench.link.fail()
        await settle()
        _, outcome = bench.call()
        await bench.ready()
        bench.server.answer_held()
        assert await outcome.result() == {"ok": True}


async def test_a_call_that_was_not_written_did_not_run_and_may_be_asked_again(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.writes = False
        _, outcome = bench.call()
        await settle()
        bench.link.fail()
        error = await outcome.error(UpstreamUnavailable)
        assert error.retryable


async def test_a_call_that_was_not_written_is_repeated_within_its_wait(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(wait_for_restart=60.0))
    async with ready(bench):
        bench.link.writes = False
        _, first = bench.call(params={"name": "1"})
        _, second = bench.call(params={"name": "2"})
        await settle()
        bench.link.fail()
        await settle()
        await bench.ready()
        names = [params_of(frame)["name"] for _, frame in bench.server.held]
        assert names == ["1", "2"]
        bench.server.answer_held()
        bench.server.answer_held()
        await first.result()
        await second.result()


async def test_a_call_sent_while_the_link_is_dying_is_not_lost(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.fall_silent()
        _, outcome = bench.call()
        await settle()
        _, another = bench.call()
        bench.link.fail()
        await outcome.error(UpstreamUnavailable)
        await another.error(UpstreamUnavailable)
        assert bench.server.heard_of("tools/call") == []


async def test_a_lost_session_is_renewed_and_the_call_that_met_it_repeated_once(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, met = bench.call(params={"name": "met"})
        _, other = bench.call(params={"name": "other"})
        await settle()
        began = trio.current_time()
        bench.server.fail_held(SessionLost("HTTP 404"))
        await other.error(UpstreamLost)
        await bench.ready()
        assert trio.current_time() - began < 1  # at once: the server is there
        assert bench.status.epoch == 2
        bench.server.held.pop(0)  # the other one, of the old session
        (_, frame) = bench.server.held[0]
        assert params_of(frame) == {"name": "met"}
        bench.server.fail_held(SessionLost("HTTP 404"))
        error = await met.error(UpstreamUnavailable)
        assert error.retryable
        assert len(bench.server.heard_of("tools/call")) == 3


async def test_a_server_that_forgets_every_session_is_backed_off_from(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.fail(SessionLost("HTTP 404"))
        await settle()
        await bench.ready()
        bench.link.fail(SessionLost("HTTP 404"))
        await settle()
        assert bench.status.state == "backoff"


async def test_a_call_that_waits_for_a_new_session_does_not_wait_for_ever(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(timeout=20.0))
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.transport.down = ConnectFailed("refused")
        began = trio.current_time()
        bench.server.fail_held(SessionLost("HTTP 404"))
        await outcome.error(UpstreamUnavailable)
        assert trio.current_time() - began == pytest.approx(20, abs=0.1)


@pytest.mark.requirement("R136")
async def test_a_login_is_asked_for_and_tried_again_slowly(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(failover=FailoverConfig(recovery_interval_ms=60_000))
    bench.transport.down = Unauthorized("HTTP 401", challenge="Bearer")
    async with running(bench):
        await bench.reach("awaiting_login")
        assert bench.status.state == "auth_required"
        assert "configure headers/authentication or oauth" in bench.status.reason
        _, outcome = bench.call()
        error = await outcome.error(LoginNeeded)
        assert "asks for a login" in error.public
        await trio.sleep(600)
        assert all(60 <= pause <= 66.1 for pause in pauses(bench.transport))
        bench.transport.down = None
        bench.post(Reauthorize(reason="configured"))
        await bench.ready()


@pytest.mark.parametrize(
    ("event", "phase"),
    [
        (BearerReady(), "ready"),
        (NeedsLogin("log in"), "awaiting_login"),
        (RenewFailed("HTTP 503"), "backing_off"),
        (None, "backing_off"),
    ],
)
async def test_who_holds_credentials_is_asked_before_a_login_is(
    autojump_clock: MockClock,
    event: BearerReady | NeedsLogin | RenewFailed | None,
    phase: str,
) -> None:
    tokens = FakeTokens()
    bench = Bench(config=quiet(retry_attempts=0), tokens=tokens)
    bench.transport.faults.append(Unauthorized("HTTP 401", challenge="Bearer x"))
    async with running(bench):
        await bench.reach("authorizing")
        await settle()
        assert tokens.asked == [("Bearer x", 0)]
        assert bench.status.state == "connecting"
        if event is not None:
            tokens.tell(event)
        await bench.reach(phase)


@pytest.mark.requirement("R138")
async def test_a_handshake_nobody_answers_is_given_up(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(retry_attempts=0))
    del bench.server.methods["initialize"]
    async with running(bench):
        began = trio.current_time()
        await bench.reach("backing_off")
        assert trio.current_time() - began == pytest.approx(60, abs=0.1)
        assert bench.server.heard_of("notifications/cancelled") == []
        bench.stopping.set()


@pytest.mark.requirement("R138")
async def test_a_link_that_never_opens_is_given_up(autojump_clock: MockClock) -> None:
    bench = Bench(config=quiet(timeout=5.0))
    bench.transport.opening = 1e6
    async with running(bench):
        await bench.reach("backing_off")
        assert bench.status.reason == "connecting took too long"


async def test_a_server_that_speaks_another_revision_is_retried_slowly(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(server=ScriptedServer(revision="2031-01-01"))
    async with running(bench):
        await bench.reach("failed")
        assert "2031-01-01" in bench.status.reason
        bench.server.revision = "2024-11-05"
        await trio.sleep(70)
        await bench.ready()
        assert bench.link.revision == "2024-11-05"


async def test_a_server_that_refuses_initialize_is_backed_off_from(
    autojump_clock: MockClock,
) -> None:
    def refuse(_params: object) -> object:
        raise Refusal(-32603, "not today")

    bench = Bench(config=quiet(retry_attempts=0))
    bench.server.methods["initialize"] = refuse
    async with running(bench):
        await bench.reach("backing_off")
        assert "not today" in bench.status.reason


async def test_a_reconnect_gives_up_a_good_link(autojump_clock: MockClock) -> None:
    bench = Bench()
    bench.transport.closing = 6.0
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.post(Poke(reason="operator", reconnect=False))
        await settle()
        assert bench.status.phase == "ready"
        bench.post(Poke(reason="operator", reconnect=True))
        await outcome.error(UpstreamLost)
        await settle()
        assert len(bench.transport.links) == 1  # the old one is closed first
        await bench.ready()
        assert len(bench.transport.links) == 2


async def test_a_restarted_router_is_told_again(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        bench.told_router(UpstreamUp)
        bench.post(Announce())
        await settle()
        assert bench.told_router(UpstreamUp)[0].epoch == 1
        bench.link.fail()
        await settle()
        bench.told_router(UpstreamDown)
        bench.post(Announce())
        await settle()
        assert bench.told_router(UpstreamDown)[0].address.name == "files"


async def test_a_router_that_has_ended_does_not_trouble_the_upstream(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    bench.router.seal()
    async with ready(bench):
        assert bench.status.phase == "ready"
