"""Nothing grows: after a time under load, every gauge is where it was before (E7).

``SOAK_SECONDS=600 pytest tests/interop/test_soak.py`` is part of a release. Sessions
come and go on both endpoints, calls run beside each other, one upstream is killed now
and then and one can never be reached.
"""

import os
import signal
from pathlib import Path

import httpx
import msgspec
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.caller import McpCaller, SseCaller, callers
from interop.rig.event_stream import Json
from interop.rig.steady import children_with, steady_entry

SECONDS = float(os.environ.get("SOAK_SECONDS", "20"))
#: Caches fill and the allocator finds its size: the start is measured after this.
WARM = max(SECONDS / 4, 5.0)
SESSIONS = 4  # on each endpoint, in each round
CALLS = 20  # of each session
KILL_EVERY = 7.0
EMPTY_WITHIN = 20.0  # connections the clients have dropped are noticed, sessions end
MORE_DESCRIPTORS = 10
MORE_MEMORY = 20 * 2**20
UNREACHABLE = "http://127.0.0.1:9/mcp"

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180 + 3 * SECONDS)]


class Gauges(msgspec.Struct, frozen=True):
    """One reading of ``/metrics``: values by name, those of all labels added up."""

    values: dict[str, float]

    def __getitem__(self, name: str) -> float:
        return self.values[name]


async def read(bridge: RunningBridge) -> Gauges:
    async with httpx.AsyncClient() as http:
        text = (await http.get(bridge.url + "/metrics")).text
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0.0) + sample.value
    return Gauges(values)


async def work(caller: SseCaller | McpCaller, who: int) -> None:
    for number in range(1, CALLS + 1):
        arguments = {"marker": f"{who}-{number}", "text": "x" * 200}
        await caller.call(number, "calm__echo", arguments)


async def one_round(bridge: RunningBridge) -> None:
    """Sessions open, call, and go: some say goodbye, some only close."""
    async with callers(bridge.port, sse=SESSIONS, mcp=SESSIONS) as everybody:
        async with trio.open_nursery() as nursery:
            for who, caller in enumerate(everybody):
                nursery.start_soon(work, caller, who)
        for caller in everybody:
            if isinstance(caller, McpCaller):
                await caller.delete()


async def kill_now_and_then(bridge: RunningBridge, word: str) -> None:
    while True:
        await trio.sleep(KILL_EVERY)
        for pid in children_with(bridge.process.pid, word):
            os.kill(pid, signal.SIGKILL)


async def load(bridge: RunningBridge, ledger: Path, *, seconds: float) -> int:
    rounds = 0
    until = trio.current_time() + seconds
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kill_now_and_then, bridge, str(ledger))
        while trio.current_time() < until:
            await one_round(bridge)
            rounds += 1
        nursery.cancel_scope.cancel()
    return rounds


async def at_rest(bridge: RunningBridge) -> Gauges:
    """The gauges once all clients have gone and every upstream is back."""
    with trio.move_on_after(EMPTY_WITHIN):
        while not is_at_rest(await read(bridge)):  # noqa: ASYNC110 - another process
            await trio.sleep(0.5)
    return await read(bridge)


def is_at_rest(now: Gauges) -> bool:
    still = now["bridge_sessions"] + now["bridge_upstream_in_flight"]
    return (
        not still and now["bridge_connections"] == 1 and now["bridge_upstream_up"] == 2
    )


@pytest.mark.requirement("E7", "E8")
async def test_gauges_return_to_their_start(tmp_path: Path) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    soon = {"healthCheck": {"restartDelay": 200}, "retryDelay": 200}
    config = {
        "mcpServers": {
            "calm": steady_entry(calm),
            "killed": steady_entry(killed, **soon),
            "gone": {"url": UNREACHABLE, "transport": "streamablehttp"},
        },
        "bridge": {"failover": {"recoveryInterval": 1000}},
    }
    with running_bridge(config, tmp_path, args=["--no-auth"]) as bridge:
        await load(bridge, killed, seconds=WARM)
        before = await at_rest(bridge)
        rounds = await load(bridge, killed, seconds=SECONDS)
        after = await at_rest(bridge)
        stalls = bridge.events("bridge.stalled")
        report(before, after, rounds)
        print(*stalls, sep="\n")
        assert rounds > 0
        judge(before, after)
        assert [stall for stall in stalls if is_ours(stall)] == []


def is_ours(stall: Json) -> bool:
    """One task computed for so long. Many tasks at once, or a process that did not get
    a processor, say something of the machine the tests share."""
    return stall["cpu"] >= 0.1 and not stall["task"].startswith("(")


def judge(before: Gauges, after: Gauges) -> None:
    for name in (
        "bridge_sessions",
        "bridge_calls_in_flight",
        "bridge_router_mailbox",
        "bridge_upstream_mailbox",
        "bridge_upstream_in_flight",
        "bridge_upstream_queued",
        "bridge_outbox_frames",
        "bridge_outbox_bytes",
        "bridge_child_processes",
        "bridge_log_lines_dropped",
    ):
        assert after[name] == before[name], name
    # A reconnection may be under way in either reading: its link has a few tasks.
    assert after["bridge_tasks"] <= before["bridge_tasks"] + 5
    grown = after["process_open_fds"] - before["process_open_fds"]
    assert grown <= MORE_DESCRIPTORS
    resident = "process_resident_memory_bytes"
    assert after[resident] - before[resident] < MORE_MEMORY


def report(before: Gauges, after: Gauges, rounds: int) -> None:
    """Figures for whoever runs it by hand (``-s``)."""
    print(f"\n{rounds} rounds of {2 * SESSIONS} sessions, {CALLS} calls each")
    for name in (
        *("bridge_tasks", "process_open_fds", "bridge_child_processes"),
        *("process_resident_memory_bytes", "bridge_outbox_bytes"),
        *("bridge_upstream_reconnections", "bridge_loop_stalls_total"),
        *("bridge_loop_longest_stall_seconds", "process_cpu_seconds_total"),
    ):
        print(f"{name}: {before[name]:g} before, {after[name]:g} after")
