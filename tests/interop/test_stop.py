"""SIGTERM in the middle of work: the call finishes, streams end as they should."""

import time
from pathlib import Path

import httpx
import pytest
import trio

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.event_stream import (
    INITIALIZED,
    BareClient,
    Json,
    bare_client,
    handshake,
    request,
)
from interop.rig.process import descendants, is_alive
from interop.rig.servers import scripted_entry

pytestmark = pytest.mark.interop

ACCEPT = {"Accept": "application/json, text/event-stream"}
CALL_LASTS = 2.0
_DRAIN = 15.0  # well above what the call needs, below the deadline of the test


class McpSession:
    """A session on ``/mcp`` with its own event stream and one slow call."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.answer: httpx.Response | None = None
        self.stream_ended = False

    async def open(self) -> None:
        opened = await self._http.post("/mcp", json=handshake(1), headers=ACCEPT)
        session = opened.raise_for_status().headers["Mcp-Session-Id"]
        self._http.headers["Mcp-Session-Id"] = session
        await self._http.post("/mcp", json=INITIALIZED, headers=ACCEPT)

    async def listen(self, task_status: trio.TaskStatus[None]) -> None:
        """Read the session's stream. A broken end raises here."""
        accept = {"Accept": "text/event-stream"}
        async with self._http.stream("GET", "/mcp", headers=accept) as response:
            response.raise_for_status()
            task_status.started()
            async for _ in response.aiter_bytes():
                pass
        self.stream_ended = True

    async def call_slowly(self) -> None:
        params = {"name": "slow__sleep", "arguments": {"seconds": CALL_LASTS}}
        asked = request(2, "tools/call", params)
        self.answer = await self._http.post("/mcp", json=asked, headers=ACCEPT)


async def _newcomer_is_turned_away(bridge: RunningBridge) -> bool:
    async with httpx.AsyncClient(base_url=bridge.url, headers=ACCEPT) as http:
        try:
            ready = await http.get("/readyz")
            opened = await http.post("/mcp", json=handshake(1))
        except httpx.ConnectError:
            return True
    return {ready.status_code, opened.status_code} == {503}


async def _work_and_stop(bridge: RunningBridge) -> tuple[McpSession, BareClient, Json]:
    """Both kinds of session with a call in flight, SIGTERM, and the end of all."""
    async with (
        httpx.AsyncClient(base_url=bridge.url, timeout=30) as http,
        bare_client(bridge.url) as bare,
        trio.open_nursery() as nursery,
    ):
        session = McpSession(http)
        await session.open()
        await nursery.start(session.listen)
        nursery.start_soon(session.call_slowly)
        number = await bare.call("slow__sleep", seconds=CALL_LASTS)
        await trio.sleep(0.3)

        bridge.process.terminate()
        await trio.sleep(0.2)
        assert await _newcomer_is_turned_away(bridge)
        slow = await bare.answer(number, _DRAIN)
        with trio.fail_after(_DRAIN):
            await bare.ended.wait()
    return session, bare, slow


@pytest.mark.requirement("R63", "R156")
async def test_on_sigterm_calls_finish_streams_end_and_no_child_is_left(
    tmp_path: Path,
) -> None:
    config = {"mcpServers": {"slow": scripted_entry(), "idle": scripted_entry()}}
    with running_bridge(config, tmp_path, args=["--no-auth"]) as bridge:
        children = descendants(bridge.process.pid)
        began = time.monotonic()
        session, bare, slow = await _work_and_stop(bridge)
        status = await bridge.process.ended(_DRAIN)
        seconds = time.monotonic() - began

    print(f"stopped {seconds:.2f} s after a call of {CALL_LASTS} s began")
    assert status == 0
    assert slow["result"]["content"][0]["text"] == f"slept {CALL_LASTS}"
    assert session.answer is not None
    assert f"slept {CALL_LASTS}" in session.answer.text
    assert session.stream_ended
    assert bare.broken is None
    assert len(children) >= 2
    assert not any(is_alive(pid) for pid in children)
