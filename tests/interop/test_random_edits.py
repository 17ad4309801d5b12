"""Random edits of the configuration under load: no call fails that no edit removed.

EDITS=1000 SEED=7 pytest tests/interop/test_random_edits.py -s
"""

import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from interop.rig.bridge import UNTRACED, RunningBridge, running_bridge
from interop.rig.call_log import Json, Promises, is_clear, text_of
from interop.rig.config_file import ConfigFile, in_place, renamed_over
from interop.rig.event_stream import INITIALIZED, handshake, request
from interop.rig.process import descendants
from interop.rig.random_edits import Edit, RandomEditor
from interop.rig.raw_client import descriptors, memory
from interop.rig.servers import Entry, running_sdk_server, scripted_entry

EDITS = int(os.environ.get("EDITS", "60"))
SEED = int(os.environ.get("SEED", "1"))

pytestmark = [
    pytest.mark.interop,
    pytest.mark.requirement("R139", "R140", "R142"),
    pytest.mark.timeout(120 + 2 * EDITS),
]

STDIO = ("a", "b", "c", "d")
CALLERS = 6
ANSWERED_WITHIN = 20.0
ACCEPT = {"Accept": "application/json, text/event-stream"}
#: Descriptors that pooled connections may hold more or less of at any moment.
SOME_SOCKETS = 10
#: What an allocator keeps of a busy time, in KiB.
SOME_MEMORY = 20 * 1024


class Failure(msgspec.Struct, frozen=True):
    """A call that should not have ended so."""

    server: str
    tool: str
    promised: bool
    edits: int
    answer: str


class Load:
    """What all callers share."""

    def __init__(self, bridge: RunningBridge) -> None:
        self.bridge = bridge
        self.promises = Promises()
        self.edits = 0
        self.calls: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.grown: tuple[int, int] = (0, 0)  # descriptors, and KiB of memory


class Caller:
    """One client of ``/mcp`` that calls without pause."""

    def __init__(self, load: Load, http: httpx.AsyncClient, seed: int) -> None:
        self._load = load
        self._http = http
        self._chance = random.Random(seed)
        self._numbers = itertools.count(1)

    async def run(self, servers: tuple[str, ...]) -> None:
        opened = await self._http.post("/mcp", json=handshake(0), headers=ACCEPT)
        session = opened.raise_for_status().headers["mcp-session-id"]
        self._http.headers["mcp-session-id"] = session
        await self._http.post("/mcp", json=INITIALIZED, headers=ACCEPT)
        while True:
            await self._call(self._chance.choice(servers))

    async def _call(self, server: str) -> None:
        tool, arguments, wanted = self._wish(server)
        promises = self._load.promises
        promised, hoped = promises.of(server), promises.hope(server)
        answer = await self._ask(f"{server}__{tool}", arguments)
        kept = promised is not None and promises.of(server) == promised
        if text_of(answer) == wanted:
            promises.answered(server, hoped)
            self._load.calls["promised" if kept else "lucky"] += 1
        elif text_of(answer) is None and not kept and is_clear(answer):
            self._load.calls["refused"] += 1
        else:
            failure = Failure(
                server,
                tool,
                promised=kept,
                edits=self._load.edits,
                answer=json.dumps(answer)[:400],
            )
            self._load.failures.append(failure)

    def _wish(self, server: str) -> tuple[str, Mapping[str, object], str]:
        if server == "web":
            a, b = self._chance.randrange(1_000), self._chance.randrange(1_000)
            return "add", {"a": a, "b": b}, str(a + b)
        if self._chance.random() < 0.3:
            seconds = round(self._chance.uniform(0.0, 0.5), 3)
            return "sleep", {"seconds": seconds}, f"slept {seconds}"
        text = f"text {self._chance.randrange(10**9)}"
        return "echo", {"text": text}, text

    async def _ask(self, tool: str, arguments: Mapping[str, object]) -> Json:
        params = {"name": tool, "arguments": arguments}
        asked = request(next(self._numbers), "tools/call", params)
        try:
            response = await self._http.post("/mcp", json=asked, headers=ACCEPT)
            return _message(response)
        except httpx.HTTPError as error:
            return {"error": {"code": 0, "message": repr(error)}}


def _message(response: httpx.Response) -> Json:
    """The one message of an answer, JSON or stream."""
    body = response.text
    if "event-stream" in response.headers.get("content-type", ""):
        data = [line for line in body.splitlines() if line.startswith("data: {")]
        body = data[-1].removeprefix("data: ")
    answer: Json = json.loads(body)
    return answer


async def _edit(load: Load, file: ConfigFile, editor: RandomEditor) -> None:
    """All the edits, alone or in bursts; every burst ends in a confirmed reload."""
    chance = random.Random(SEED)
    everybody = frozenset((*STDIO, "steady", "web"))
    for number in range(EDITS):
        edit = editor.next()
        load.edits = number + 1
        if edit.valid:
            for name in everybody - edit.kept:
                load.promises.break_off(name)
        chance.choice([in_place, renamed_over])(file.path, edit.text)
        if chance.random() < 0.5:
            file.hang_up()
        if chance.random() < 0.3:
            await trio.sleep(chance.uniform(0.0, 0.3))
            continue  # a burst: the next edit comes at once
        await _confirm(load, file, edit)
        if chance.random() < 0.6:
            await _all_answer(load)
        if load.failures:
            return


async def _confirm(load: Load, file: ConfigFile, edit: Edit) -> None:
    plan = await file.reload()
    assert plan["applied"] == edit.valid, (edit.what, plan)
    if edit.valid:
        for name in edit.kept:
            load.promises.begin(name)


async def _all_answer(load: Load) -> None:
    with trio.move_on_after(ANSWERED_WITHIN) as late:
        while load.promises.awaited:  # noqa: ASYNC110 - processes that start
            await trio.sleep(0.02)
    assert not late.cancelled_caught, load.promises.awaited


async def _settled(load: Load, file: ConfigFile, editor: RandomEditor) -> None:
    """Every server as at first, and none but them."""
    edit = editor.original()
    renamed_over(file.path, edit.text)
    await _confirm(load, file, edit)
    await _all_answer(load)
    with trio.fail_after(40):
        # Children of the bridge: there is no event to wait for.
        while len(descendants(load.bridge.process.pid)) != len(STDIO) + 1:  # noqa: ASYNC110
            await trio.sleep(0.1)


def _servers(web: Entry) -> dict[str, Entry]:
    stdio: dict[str, Entry] = {name: scripted_entry() for name in STDIO}
    return {"steady": scripted_entry(), "web": web, **stdio}


async def _under_load(load: Load, file: ConfigFile, editor: RandomEditor) -> None:
    names = (*STDIO, "steady", "web")
    async with trio.open_nursery() as nursery:
        for number in range(CALLERS):
            http = httpx.AsyncClient(base_url=load.bridge.url, timeout=ANSWERED_WITHIN)
            await nursery.start(_calling, Caller(load, http, number), http, names)
        await _settled(load, file, editor)
        files, kept = descriptors(load.bridge), memory(load.bridge)
        await _edit(load, file, editor)
        if not load.failures:
            await _settled(load, file, editor)
            grown = descriptors(load.bridge) - files, memory(load.bridge) - kept
            load.grown = grown
        nursery.cancel_scope.cancel()


async def _calling(
    caller: Caller,
    http: httpx.AsyncClient,
    names: tuple[str, ...],
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    async with http:
        task_status.started()
        await caller.run(names)


async def test_no_call_fails_that_the_edits_did_not_remove(tmp_path: Path) -> None:
    section: dict[str, Any] = {"configReload": {"debounceMs": 50}}
    with running_sdk_server(tmp_path / "web", "streamable-http") as web:
        config = {"mcpServers": _servers(web), "bridge": section}
        with running_bridge(
            config, tmp_path, args=["--no-auth"], env=UNTRACED
        ) as bridge:
            file = ConfigFile(bridge, tmp_path)
            editor = RandomEditor(
                random.Random(SEED),
                stdio=STDIO,
                fixed={"steady": scripted_entry(), "web": web},
                section=file.section,
            )
            load = Load(bridge)
            await _under_load(load, file, editor)
            applied = len(bridge.events("bridge.reloaded"))
            crashes = bridge.events("child.crashed")
    print(f"{EDITS} edits, seed {SEED}: {applied} reloads, {dict(load.calls)}")
    print(f"{load.grown[0]} more descriptors, {load.grown[1]} KiB more memory")
    assert load.failures == []
    assert crashes == []
    assert load.calls["promised"] > EDITS
    assert load.grown[0] <= SOME_SOCKETS
    assert load.grown[1] <= SOME_MEMORY
