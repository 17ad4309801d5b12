"""A stdio upstream is killed while it works: its calls fail clearly, nothing else."""

import os
import signal
import time
from pathlib import Path

import pytest
import trio

from interop.rig.bridge import running_bridge
from interop.rig.event_stream import BareClient, Json, bare_client
from interop.rig.process import is_alive
from interop.rig.servers import scripted_entry

pytestmark = pytest.mark.interop

CALLS = 5
BACKOFF = 0.3
PROMPT = 5.0  # an answer that waits for nobody, on a machine others use too
CHANGED = "notifications/tools/list_changed"


def _text(answer: Json) -> str:
    return str(answer["result"]["content"][0]["text"])


def _is_clear_error(answer: Json) -> bool:
    """An error result of ours: it names the upstream and what may have happened."""
    result = answer.get("result", {})
    return result.get("isError") is True and "victim" in _text(answer)


async def _pid(client: BareClient) -> int:
    return int(_text(await client.answer(await client.call("victim__pid"))))


async def _echo_all_the_time(client: BareClient, waits: list[float]) -> None:
    while True:
        began = time.monotonic()
        answer = await client.answer(await client.call("other__echo", text="still"))
        assert _text(answer) == "still"
        waits.append(time.monotonic() - began)
        await trio.sleep(0.02)


async def _until_back(client: BareClient, within: float) -> float:
    began = time.monotonic()
    with trio.fail_after(within):
        while True:
            answer = await client.answer(await client.call("victim__echo", text="back"))
            if "isError" not in answer.get("result", {}) and _text(answer) == "back":
                return time.monotonic() - began
            await trio.sleep(0.02)


@pytest.mark.requirement("R124", "R126", "R127", "R130", "R131", "R133")
async def test_when_a_child_is_killed_its_calls_fail_once_and_its_tools_come_back(
    tmp_path: Path,
) -> None:
    soon = {"healthCheck": {"restartDelay": BACKOFF * 1000}}
    servers = {"victim": scripted_entry(**soon), "other": scripted_entry()}
    waits: list[float] = []
    with running_bridge(
        {"mcpServers": servers}, tmp_path, args=["--no-auth"]
    ) as bridge:
        async with (
            bare_client(bridge.url) as worker,
            bare_client(bridge.url) as bystander,
            trio.open_nursery() as nursery,
        ):
            pid = await _pid(worker)
            numbers = [await worker.call("victim__sleep", seconds=30) for _ in range(5)]
            nursery.start_soon(_echo_all_the_time, bystander, waits)
            await trio.sleep(0.3)
            assert not any(worker.answers(number) for number in numbers)
            os.kill(pid, signal.SIGKILL)
            answers = [await worker.answer(number, PROMPT) for number in numbers]
            back = await _until_back(worker, 20)
            with trio.fail_after(10):
                while not bystander.notified(CHANGED):  # noqa: ASYNC110 - on the wire
                    await trio.sleep(0.02)
            reborn = await _pid(worker)
            await trio.sleep(0.3)  # a second answer would come now
            nursery.cancel_scope.cancel()

    print(f"back after {back:.2f} s; slowest other call {max(waits):.3f} s")
    assert all(_is_clear_error(answer) for answer in answers), answers
    assert [len(worker.answers(number)) for number in numbers] == [1] * CALLS
    assert max(waits) < PROMPT
    assert reborn != pid
    assert not is_alive(reborn)
    assert back < BACKOFF + 1 + PROMPT
