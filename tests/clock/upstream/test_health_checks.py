"""Pings and probes: when they are sent, and what their failures lead to."""

import pytest
import trio
from trio.testing import MockClock

from bridge.config.model import HealthCheckConfig, UpstreamConfig
from bridge.errors import ConnectFailed
from bridge.upstream.vitals import Fetched
from kit.upstream import Bench, Refusal, logged, quiet, ready, settle


def checked(**settings: object) -> UpstreamConfig:
    """A configuration with health checks; 30 s probes, 60 s pings by default."""
    check = HealthCheckConfig(**settings)  # type: ignore[arg-type]
    return quiet(health_check=check)


@pytest.mark.requirement("R135")
async def test_a_probe_is_sent_at_its_interval(autojump_clock: MockClock) -> None:
    bench = Bench(config=checked())
    async with ready(bench):
        await trio.sleep(301)
        assert len(bench.server.heard_of("tools/list")) == 1 + 10
        assert bench.server.heard_of("ping") == []  # probes are signs of life


@pytest.mark.requirement("R135")
async def test_without_health_checks_nothing_is_sent(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        heard = len(bench.server.heard)
        await trio.sleep(36_000)
        assert len(bench.server.heard) == heard


@pytest.mark.requirement("R54", "E10")
async def test_the_last_answer_is_told_with_its_method_its_time_and_its_speed(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=checked())
    async with ready(bench):
        await trio.sleep(2)
        first = bench.status.proved
        assert first is not None
        assert first.by == "tools/list"
        await trio.sleep(40)
        probed = bench.status.proved
        assert probed is not None
        assert (probed.by, probed.at > first.at) == ("tools/list", True)
        bench.call()
        await trio.sleep(0.5)
        bench.server.answer_held()
        await trio.sleep(2)
        called = bench.status.proved
        assert called is not None
        assert (called.by, called.took) == ("tools/call", 0.5)
        bench.transport.down = ConnectFailed("refused")
        bench.link.fail()
        await settle()
        assert bench.status.state == "backoff"
        assert bench.status.proved == called  # of how long ago, whoever asks can tell
        assert bench.status.last_error_at == trio.current_time()


async def test_answered_calls_are_signs_of_life_enough(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=checked(operation="ping"))
    async with ready(bench):
        for _ in range(30):
            _, outcome = bench.call()
            await settle()
            bench.server.answer_held()
            await outcome.result()
            await trio.sleep(20)
        assert bench.server.heard_of("ping") == []


@pytest.mark.requirement("R135", "R133")
async def test_a_server_that_falls_silent_is_connected_anew(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=checked(operation="ping"))
    async with ready(bench):
        del bench.server.methods["ping"]
        began = trio.current_time()
        with logged() as lines:
            await bench.reach("backing_off")
        assert trio.current_time() - began <= 30 * 3 + 10
        failed = [line for line in lines if line["event"] == "upstream.probe_failed"]
        assert [line["failures"] for line in failed] == [1, 2, 3]
        assert "3 health checks failed" in bench.status.reason
        assert len(bench.server.heard_of("notifications/cancelled")) == 3


@pytest.mark.requirement("R15")
async def test_a_success_forgives_earlier_failures(autojump_clock: MockClock) -> None:
    replies = [False, False, True] * 20

    def sometimes(_params: object) -> object:
        if replies.pop(0):
            return {}
        raise Refusal(-32603)

    bench = Bench(config=checked(operation="ping"))
    async with ready(bench):
        bench.server.methods["ping"] = sometimes
        await trio.sleep(1200)
        assert bench.status.epoch == 1


@pytest.mark.requirement("R135")
async def test_the_keepalive_pings_a_quiet_link(autojump_clock: MockClock) -> None:
    config = checked(interval_ms=3_600_000, keep_alive_interval_ms=20_000)
    bench = Bench(config=config)
    async with ready(bench):
        await trio.sleep(101)
        assert len(bench.server.heard_of("ping")) == 5


async def test_a_method_the_server_does_not_know_was_answered_too(
    autojump_clock: MockClock,
) -> None:
    def unknown(_params: object) -> object:
        raise Refusal(-32601)

    bench = Bench(config=checked(operation="ping"))
    async with ready(bench):
        bench.server.methods["ping"] = unknown
        await trio.sleep(1200)
        assert bench.status.epoch == 1


async def test_a_probe_fetches_over_http_where_there_is_http(
    autojump_clock: MockClock,
) -> None:
    fetched: list[tuple[str, str]] = []
    answers = [
        Fetched(status=200, body=b"all well"),
        Fetched(status=500, body=b""),
        Fetched(status=200, body=b"sick"),
    ]

    async def fetch(method: str, path: str) -> Fetched:
        fetched.append((method, path))
        await trio.sleep(1)
        if not answers:
            raise ConnectFailed("refused")
        return answers.pop(0)

    config = checked(
        operation="health",
        http_path="/health",
        expected_content="well",
        keep_alive_interval_ms=3_600_000,
    )
    bench = Bench(config=config, fetch=fetch)
    async with ready(bench):
        with logged() as lines:
            await bench.reach("backing_off")
        assert fetched == [("GET", "/health")] * 4
        failed = [line for line in lines if line["event"] == "upstream.probe_failed"]
        assert [line["error"] for line in failed] == [
            "status 500",
            "the expected content is missing",
            "refused",
        ]


async def test_an_http_probe_that_hangs_is_a_failed_one(
    autojump_clock: MockClock,
) -> None:
    async def fetch(_method: str, _path: str) -> Fetched:
        await trio.sleep_forever()
        raise AssertionError

    config = checked(operation="status", http_path="/s", max_consecutive_failures=1)
    bench = Bench(config=config, fetch=fetch)
    async with ready(bench):
        await bench.reach("backing_off")
        assert "no answer in time" in bench.status.reason


async def test_a_late_http_verdict_does_not_touch_the_next_connection(
    autojump_clock: MockClock,
) -> None:
    begun = trio.Event()

    async def fetch(_method: str, _path: str) -> Fetched:
        begun.set()
        await trio.sleep(4)
        return Fetched(status=500, body=b"")

    config = checked(operation="status", http_path="/s", max_consecutive_failures=1)
    bench = Bench(config=config, fetch=fetch)
    async with ready(bench):
        await begun.wait()
        bench.link.fail()
        await settle()
        await trio.sleep(10)
        assert (bench.status.phase, bench.status.epoch) == ("ready", 2)
