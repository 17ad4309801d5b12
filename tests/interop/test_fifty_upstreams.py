"""Fifty upstreams start side by side: no one waits for another."""

import time
from pathlib import Path

import pytest
import trio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.places import scripted_server
from interop.rig.sdk import sdk_client, tool_names
from interop.rig.servers import scripted_entry

pytestmark = pytest.mark.interop

COUNT = 50
DELAY = "0.3"
# The promise is 1.5 times the slowest and 0.5 s on an idle machine. Where others work
# too it is held to three times that; one after another the fifty would take 15 s.
SHARED_MACHINE = 3


async def _slowest_alone() -> float:
    """How long the slowest takes when all fifty start together, without a bridge."""
    took: list[float] = []

    async def start(command: list[str]) -> None:
        began = time.monotonic()
        parameters = StdioServerParameters(command=command[0], args=command[1:])
        async with Client(parameters, mode="legacy") as client:
            await client.list_tools()
            took.append(time.monotonic() - began)

    async with trio.open_nursery() as nursery:
        for _ in range(COUNT):
            nursery.start_soon(start, scripted_server(DELAY))
    return max(took)


def _seconds_to_ready(bridge: RunningBridge) -> float:
    (ready,) = bridge.events("bridge.ready")
    return float(ready["seconds"])


@pytest.mark.requirement("R127", "R138")
async def test_fifty_upstreams_that_start_slowly_are_ready_almost_as_soon_as_one(
    tmp_path: Path,
) -> None:
    slowest = await _slowest_alone()
    servers = {f"s{number}": scripted_entry(DELAY) for number in range(COUNT)}
    config = {"mcpServers": servers}
    with running_bridge(config, tmp_path, args=["--no-auth"]) as bridge:
        seconds = _seconds_to_ready(bridge)
        async with sdk_client(f"{bridge.url}/mcp") as client:
            names = await tool_names(client)

    bound = 1.5 * slowest + 0.5
    print(f"ready {seconds:.2f} s, slowest alone {slowest:.2f} s, bound {bound:.2f} s")
    assert {f"s{number}__echo" for number in range(COUNT)} <= set(names)
    assert seconds < SHARED_MACHINE * bound
