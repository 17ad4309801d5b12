"""Clients come and go in every way there is, ten thousand times; nothing stays behind.

``CYCLES=10000`` in the environment asks for the full figure.
"""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.caller import callers
from interop.rig.gauges import open_files, sessions, settled
from interop.rig.raw_client import memory
from interop.rig.steady import steady_entry
from interop.rig.visitors import VISITORS

CYCLES = int(os.environ.get("CYCLES", "1400"))
WARM = 30 * len(VISITORS)
AT_ONCE = 12
IDLE = 2.0  # after which a session on /mcp that nobody has ended goes
GROWTH = 20  # MiB

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120 + CYCLES // 10)]


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[RunningBridge]:
    limits = {"session_idle": IDLE, "sessions_per_principal": 1000}
    config = {
        "mcpServers": {"up": steady_entry(tmp_path / "ledger")},
        "bridge": {"limits": limits},
    }
    with running_bridge(config, tmp_path / "bridge", args=["--no-auth"]) as running:
        yield running


async def visit(port: int, count: int) -> None:
    """So many visits, a few at a time, each kind in turn."""
    kinds = itertools.islice(itertools.cycle(VISITORS), count)

    async def one_after_the_other() -> None:
        for kind in kinds:
            with trio.fail_after(30):
                await kind(port)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(one_after_the_other)


@pytest.mark.requirement("B11", "B14", "B15", "E7", "P4")
async def test_visitors_leave_nothing_behind(bridge: RunningBridge) -> None:
    async with callers(bridge.port, sse=1, mcp=0) as [resident]:
        await visit(bridge.port, WARM)
        settled(lambda: sessions(bridge), 1)
        files, before = open_files(bridge, 0, within=2), memory(bridge)
        began = time.monotonic()
        await visit(bridge.port, CYCLES)
        took = time.monotonic() - began
        sessions_left = settled(lambda: sessions(bridge), 1)
        files_left = open_files(bridge, files)
        grown = (memory(bridge) - before) / 1024
        answer = await resident.call(1, "up__echo", {"text": "still here"})
    print(
        f"{CYCLES} cycles in {took:.0f} s: {files_left - files:+} files, "
        f"{grown:+.1f} MiB, {sessions_left - 1} sessions left"
    )
    assert sessions_left == 1  # the one that never left
    assert files_left <= files + 10
    assert grown < GROWTH
    assert answer["result"]["content"][0]["text"] == "still here"
    assert bridge.events("server.connection_failed") == []
    assert bridge.events("request.failed") == []
    assert bridge.events("child.crashed") == []
