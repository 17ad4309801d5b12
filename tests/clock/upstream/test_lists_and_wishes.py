"""What an upstream offers, kept fresh; what sessions want of it, told again."""

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.router import CatalogChanged, UpstreamUp
from bridge.contract.upstream import LogLevel, Rescan, Subscriptions
from bridge.protocol.frame import notification
from kit.upstream import (
    Bench,
    Refusal,
    ScriptedServer,
    logged,
    params_of,
    quiet,
    ready,
    running,
    settle,
    tool,
)

CHANGED = notification("notifications/tools/list_changed")
ALL: dict[str, object] = {
    "tools": {},
    "prompts": {},
    "resources": {"subscribe": True},
    "logging": {},
}


@pytest.mark.requirement("R125", "R126")
async def test_a_changed_list_is_read_again_and_told(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.server.tools = [tool("echo"), tool("new")]
        bench.link.say(CHANGED)
        await trio.sleep(1.1)
        (changed,) = bench.told_router(CatalogChanged)
        assert [entry.key for entry in changed.catalog.tools] == ["echo", "new"]
        assert changed.epoch == 1
        assert bench.status.tools == 2


async def test_a_list_that_is_still_the_same_is_not_told(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.post(Rescan())
        await trio.sleep(2)
        assert len(bench.server.heard_of("tools/list")) == 2
        assert bench.told_router(CatalogChanged) == []


@pytest.mark.requirement("C31")
async def test_a_flood_of_list_changes_costs_one_reading_a_second(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        for _ in range(1000):
            bench.link.say(CHANGED)
            await trio.sleep(0.01)
        assert len(bench.server.heard_of("tools/list")) <= 12


@pytest.mark.requirement("C31", "C36")
async def test_a_flood_without_end_costs_ever_less_and_the_last_change_is_seen(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        for n in range(3000):
            bench.server.tools = [tool(f"t{n}")]
            bench.link.say(CHANGED)
            await trio.sleep(0.1)
        assert len(bench.server.heard_of("tools/list")) <= 10 + 300 / 10 + 2
        await trio.sleep(15)
        told = bench.told_router(CatalogChanged)
        assert told[-1].catalog.tools[0].key == "t2999"
        await trio.sleep(300)
        before = len(bench.server.heard_of("tools/list"))
        for n in range(5):
            bench.server.tools = [tool(f"late{n}")]
            bench.link.say(CHANGED)
            await trio.sleep(1.5)
        assert len(bench.server.heard_of("tools/list")) == before + 5


async def test_a_change_during_a_reading_causes_another_one(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        del bench.server.methods["tools/list"]
        bench.link.say(CHANGED)
        await trio.sleep(2)
        bench.link.say(CHANGED)
        await trio.sleep(2)
        assert len(bench.server.held) == 1
        bench.server.answer_held({"tools": []})
        await trio.sleep(2)
        bench.server.answer_held({"tools": [tool("last")]})
        await settle()
        told = bench.told_router(CatalogChanged)
        assert [len(message.catalog.tools) for message in told] == [0, 1]


async def test_a_reading_that_fails_keeps_the_last_good_lists_and_is_tried_again(
    autojump_clock: MockClock,
) -> None:
    def fail(_params: object) -> object:
        raise Refusal(-32603)

    bench = Bench()
    async with ready(bench):
        good = bench.server.methods["tools/list"]
        bench.server.methods["tools/list"] = fail
        bench.server.tools = []
        with logged() as lines:
            bench.link.say(CHANGED)
            await trio.sleep(5)
        assert "upstream.list_failed" in [line["event"] for line in lines]
        assert bench.status.phase == "ready"
        assert bench.status.tools == 1
        bench.server.methods["tools/list"] = good
        await trio.sleep(31)
        assert bench.status.tools == 0


async def test_a_first_reading_that_fails_is_a_failed_connection(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(retry_attempts=0))
    bench.server.methods["tools/list"] = lambda _params: {"tools": 7}
    async with running(bench):
        await bench.reach("backing_off")
        assert "tools/list" in bench.status.reason


async def test_a_list_that_never_comes_is_a_failed_connection(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(retry_attempts=0))
    del bench.server.methods["tools/list"]
    async with running(bench):
        began = trio.current_time()
        await bench.reach("backing_off")
        assert trio.current_time() - began == pytest.approx(60, abs=0.1)


@pytest.mark.requirement("C33", "C36")
async def test_bad_entries_are_left_out_alone_and_logged_together(
    autojump_clock: MockClock,
) -> None:
    bad: list[dict[str, object]] = [{"title": str(n)} for n in range(50)]
    bench = Bench(server=ScriptedServer(tools=[tool("a"), *bad, tool("a"), tool("b")]))
    with logged() as lines:
        async with ready(bench):
            (up,) = bench.told_router(UpstreamUp)
    assert [entry.key for entry in up.catalog.tools] == ["a", "b"]
    skipped = [line for line in lines if line["event"] == "upstream.entries_skipped"]
    assert [(line["reason"], line["entries"]) for line in skipped] == [
        ("no name", 50),
        ("doubled name: the first one counts", 1),
    ]


@pytest.mark.requirement("C35")
async def test_a_definition_that_changes_under_its_name_is_logged(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.server.tools = [tool("echo", description="now with more")]
        with logged() as lines:
            bench.link.say(CHANGED)
            await trio.sleep(2)
        (line,) = [x for x in lines if x["event"] == "upstream.definition_changed"]
        assert line["key"] == "echo"
        assert line["old_hash"] != line["new_hash"]


@pytest.mark.requirement("R125")
async def test_subscriptions_follow_the_sessions_and_survive_a_reconnect(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(server=ScriptedServer(capabilities=ALL))
    async with ready(bench):

        def heard(method: str) -> list[str]:
            frames = bench.server.heard_of(f"resources/{method}")
            return [params_of(frame)["uri"] for frame in frames]

        bench.post(Subscriptions(uris=frozenset({"a:1", "a:2"})))
        await settle()
        assert heard("subscribe") == ["a:1", "a:2"]
        bench.post(Subscriptions(uris=frozenset({"a:2", "a:3"})))
        await settle()
        assert heard("unsubscribe") == ["a:1"]
        assert heard("subscribe") == ["a:1", "a:2", "a:3"]
        bench.link.fail()
        await settle()
        bench.post(Subscriptions(uris=frozenset({"a:3"})))
        await bench.ready()
        assert heard("subscribe")[3:] == ["a:3"]


@pytest.mark.requirement("R125")
async def test_a_log_level_is_set_and_set_again_after_a_reconnect(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(server=ScriptedServer(capabilities=ALL))
    async with ready(bench):
        bench.post(LogLevel(level="debug"))
        bench.post(LogLevel(level="debug"))
        bench.post(LogLevel(level=None))
        await settle()
        bench.post(LogLevel(level="error"))
        await settle()
        bench.link.fail()
        await settle()
        await bench.ready()
        sent = bench.server.heard_of("logging/setLevel")
        levels = [params_of(frame)["level"] for frame in sent]
        assert levels == ["debug", "error", "error"]


@pytest.mark.parametrize("resources", [{}, {"subscribe": False}, 7])
async def test_nothing_is_asked_of_a_server_that_does_not_offer_it(
    autojump_clock: MockClock, resources: object
) -> None:
    bench = Bench(server=ScriptedServer(capabilities={"resources": resources}))
    async with ready(bench):
        bench.post(Subscriptions(uris=frozenset({"a:1"})))
        bench.post(LogLevel(level="debug"))
        await settle()
        assert bench.server.heard_of("resources/subscribe") == []
        assert bench.server.heard_of("logging/setLevel") == []


async def test_a_refused_subscription_is_logged_and_not_repeated(
    autojump_clock: MockClock,
) -> None:
    def refuse(_params: object) -> object:
        raise Refusal(-32602, "no such resource")

    bench = Bench(server=ScriptedServer(capabilities=ALL))
    async with ready(bench):
        bench.server.methods["resources/subscribe"] = refuse
        with logged() as lines:
            bench.post(Subscriptions(uris=frozenset({"a:1", "a:2"})))
            await settle()
        assert len(bench.server.heard_of("resources/subscribe")) == 2
        failed = [line for line in lines if line["event"] == "upstream.request_failed"]
        assert failed[0]["error"] == "no such resource"


async def test_a_busy_link_does_not_lose_a_wish_for_ever(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(server=ScriptedServer(capabilities=ALL))
    async with ready(bench):
        bench.link.busy = True
        bench.post(Subscriptions(uris=frozenset({"a:1", "a:2"})))
        await trio.sleep(5)
        bench.link.busy = False
        await trio.sleep(2)
        frames = bench.server.heard_of("resources/subscribe")
        assert [params_of(frame)["uri"] for frame in frames] == ["a:1", "a:2"]
        bench.link.busy = True
        bench.post(LogLevel(level="info"))
        bench.post(Subscriptions(uris=frozenset({"a:2"})))
        await trio.sleep(5)
        bench.link.busy = False
        await trio.sleep(2)
        assert len(bench.server.heard_of("resources/unsubscribe")) == 1
        assert len(bench.server.heard_of("logging/setLevel")) == 1
        bench.link.busy = True
        bench.post(Subscriptions(uris=frozenset()))
        await trio.sleep(5)
        bench.link.busy = False
        await trio.sleep(2)
        assert len(bench.server.heard_of("resources/unsubscribe")) == 2
