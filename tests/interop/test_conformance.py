"""With one flat upstream the bridge is indistinguishable from the server behind it.

Judged by the official runner: every scenario that the SDK's everything server passes
by itself it passes through the bridge. The runner sends no token, so
this bridge runs with ``--no-auth``; it must then guard against DNS rebinding itself.
"""

from pathlib import Path

import pytest

from interop.conformance import required_scenarios, run_conformance
from interop.rig.bridge import running_bridge

pytestmark = [pytest.mark.interop, pytest.mark.external]

FLAT = {"toolNamespace": "", "promptNamespace": "", "resourceNamespace": ""}


@pytest.mark.timeout(900)
async def test_every_scenario_the_server_passes_alone_it_passes_through_the_bridge(
    everything_url: str, tmp_path: Path
) -> None:
    required = await required_scenarios(tmp_path / "list")
    direct = await run_conformance(everything_url, tmp_path / "direct")
    entry = {"url": everything_url, "transport": "streamablehttp", **FLAT}
    config = {"mcpServers": {"only": entry}, "bridge": {"forwardLogs": True}}
    with running_bridge(config, tmp_path / "bridge", args=["--no-auth"]) as bridge:
        bridged = await run_conformance(f"{bridge.url}/mcp", tmp_path / "bridged")

    # Not check by check: where the server streams, the bridge may answer plain JSON,
    # and the runner then has no stream to check.
    lost = {
        name: bridged.get(name)
        for name in required
        if direct[name].is_pass and not (name in bridged and bridged[name].is_pass)
    }
    print(f"direct: {sum(direct[name].is_pass for name in required)} of 30")
    print(f"bridged: {sum(bridged[name].is_pass for name in required)} of 30")
    assert len(required) == 30
    assert lost == {}
