"""One bridge among hostile upstreams and two good ones, played once and then judged.

Two patrons call the good ones all the time, over ``/sse`` and over ``/mcp``, while each
hostile one is called in two sessions, one on either address, that are shared by all.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import trio

from interop.rig.bridge import UNTRACED, RunningBridge, start_bridge
from interop.rig.event_stream import BareClient, Json, bare_client
from interop.rig.mcp_client import BareMcpClient, bare_mcp_client
from interop.rig.places import SERVERS
from interop.rig.process import Running, answers, free_port, is_alive
from interop.rig.servers import Entry, scripted_entry

#: What a server has at least for each step of its beginning, in seconds.
PHASE = 45.0
#: Until each server has begun once; on a busy machine each start takes a second.
FIRST_TURNS = 90.0
#: Seconds a call may take: four times its timeout.
ANSWERED = 12.0
_CALLERS = 12
_DRAIN = 15
#: A child's environment is inherited by whatever it leaves behind.
_MARK = "HOSTILE_SCENE"

#: An upstream that is tried again soon, and gives up on a call soon.
SOON: Entry = {
    "timeout": 3,
    "retryAttempts": 1,
    "retryDelay": 500,
    "healthCheck": {"restartDelay": 500},
}


class Scene:
    """What was seen. ``answers`` has one list for each way to a hostile upstream."""

    def __init__(self, bridge: RunningBridge, names: list[str], mark: str) -> None:
        self.bridge = bridge
        self.names = names
        self.waits: list[float] = []
        self.answers: dict[str, dict[str, list[Json]]] = {n: {} for n in names}
        self.took: dict[str, float] = {}
        self.said: dict[str, set[str]] = {}
        self.served: set[str] = set()
        self.base = self.peak = _largest(bridge)
        self.played_for = 0.0
        self.left: list[str] = []
        self.exit: int | None = None
        self.stopped_in = 0.0
        self._mark = mark

    # --- the good ones ---

    async def _patronise(self, call: Callable[[str], Any]) -> None:
        while True:
            for good in ("good", "good_http"):
                began = time.monotonic()
                answers = await call(f"{good}__echo")
                assert len(answers) == 1, answers
                assert "result" in answers[0], answers
                self.waits.append(time.monotonic() - began)
                await trio.sleep(0.05)

    async def _until_good(self, call: Callable[[str], Any]) -> None:
        with trio.fail_after(PHASE):
            for good in ("good", "good_http"):
                answer: Json = {}
                while "result" not in answer:
                    [answer] = await call(f"{good}__echo")

    async def _until_all_have_tried(self, http: httpx.AsyncClient) -> None:
        """They take turns to start: none is called before it has had its first."""
        with trio.move_on_after(FIRST_TURNS):
            while await self._waiting_for_first_turns(http):  # noqa: ASYNC110 - on the wire
                await trio.sleep(0.5)

    async def _waiting_for_first_turns(self, http: httpx.AsyncClient) -> bool:
        upstreams = (await http.get("/status")).json()["upstreams"]
        return any(
            not (each["epoch"] or each["lastError"])
            and (each["phase"] == "queued" or not each["phase"])
            for each in upstreams
        )

    # --- the others ---

    async def _call_some(
        self, names: list[str], sse: BareClient, mcp: BareMcpClient
    ) -> None:
        for name in names:
            tool = f"{name}__echo"
            async with trio.open_nursery() as nursery:
                ways = {
                    "/sse": partial(_call_sse, sse, tool),
                    "/mcp": partial(mcp.call, tool),
                }
                for how, call in ways.items():
                    nursery.start_soon(self._note, name, how, call)

    async def _note(self, name: str, how: str, call: Callable[[], Any]) -> None:
        began = time.monotonic()
        with trio.move_on_after(ANSWERED):
            self.answers[name][how] = await call()
        self.took[f"{name}, {how}"] = time.monotonic() - began

    async def _watch(self, http: httpx.AsyncClient) -> None:
        while True:
            status = (await http.get("/status")).json()
            for upstream in status["upstreams"]:
                said = self.said.setdefault(upstream["name"], set())
                said |= {upstream["reason"], upstream["lastError"]}
                if upstream["tools"]:
                    self.served.add(upstream["name"])
            self.peak = max(self.peak, _largest(self.bridge))
            await trio.sleep(0.5)

    async def play(self) -> None:
        began = time.monotonic()
        url = self.bridge.url
        async with (
            httpx.AsyncClient(base_url=url, timeout=30) as http,
            bare_client(url) as patron,
            bare_mcp_client(url) as other_patron,
            bare_client(url) as sse,
            bare_mcp_client(url) as mcp,
            trio.open_nursery() as watching,
        ):
            watching.start_soon(self._watch, http)
            for call in (partial(_call_sse, patron), other_patron.call):
                await self._until_good(call)
                watching.start_soon(self._patronise, call)
            await self._until_all_have_tried(http)
            until = trio.current_time() + PHASE
            async with trio.open_nursery() as calling:
                for index in range(_CALLERS):
                    some = self.names[index::_CALLERS]
                    calling.start_soon(self._call_some, some, sse, mcp)
            await trio.sleep_until(until)
            watching.cancel_scope.cancel()
        self.played_for = time.monotonic() - began

    def stop(self) -> None:
        began = time.monotonic()
        self.bridge.process.terminate()
        self.exit = self.bridge.process.wait(_DRAIN + 25)
        self.stopped_in = time.monotonic() - began
        self.left = [_described(pid) for pid in marked(self._mark, escaped=False)]

    def logged_by(self) -> dict[str, float]:
        """Bytes of log per upstream and minute."""
        sizes: dict[str, int] = {}
        for line in self.bridge.process.output().splitlines():
            found = re.search(r'"upstream":\s?"([^"]+)"', line)
            if found:
                sizes[found[1]] = sizes.get(found[1], 0) + len(line)
        return {name: size * 60 / self.played_for for name, size in sizes.items()}


async def _call_sse(client: BareClient, tool: str) -> list[Json]:
    number = await client.call(tool)
    while not client.answers(number):
        if client.ended.is_set():
            raise AssertionError(f"the session ended before the answer of {tool}")
        await trio.sleep(0.02)
    await trio.sleep(0.1)  # a second answer would come now
    return client.answers(number)


def _largest(bridge: RunningBridge) -> int:
    """The largest resident size there has been, in MiB."""
    text = Path(f"/proc/{bridge.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) // 1024


def marked(mark: str, *, escaped: bool = True) -> Iterator[int]:
    """The living processes whose environment has this mark.

    ``escaped``: also those that have left for a session of their own, on purpose.
    """
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environment = (place / "environ").read_bytes()
        except OSError:
            continue
        ours = f"{_MARK}={mark}".encode() in environment
        if ours and not escaped:
            ours = b"HOSTILE_ESCAPED=" not in environment
        if ours and is_alive(int(place.name)):
            yield int(place.name)


def _described(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return f"{pid} {b' '.join(command[-3:]).decode()}"


@contextmanager
def hostile_web(folder: Path) -> Generator[int]:
    """A process that serves every hostile behaviour on HTTP; gives its port."""
    port = free_port()
    script = str(SERVERS / "hostile_http.py")
    server = Running([sys.executable, "-S", "-E", script, str(port)], folder)
    try:
        server.wait_until(lambda: answers(port), 30)
        yield port
    finally:
        server.end()


@contextmanager
def played(entries: Mapping[str, Entry], folder: Path) -> Generator[Scene]:
    """The scene with these hostile upstreams, played and stopped."""
    mark = f"{os.getpid()}-{folder.name}"
    with hostile_web(folder / "good") as port:
        good = {"url": f"http://127.0.0.1:{port}/honest/mcp", "transport": "http"}
        servers: dict[str, Entry] = {"good": scripted_entry(), "good_http": good}
        for name, entry in entries.items():
            more = {"env": {_MARK: mark}} if "command" in entry else {}
            servers[name] = {**SOON, **entry, **more}
        config = {"mcpServers": servers, "bridge": {"drain_timeout": _DRAIN}}
        bridge = start_bridge(config, folder, env=UNTRACED, args=["--no-auth"])
        try:
            bridge.process.wait_until(lambda: answers(bridge.port), 30)
            scene = Scene(bridge, list(entries), mark)
            trio.run(scene.play)
            scene.stop()
            yield scene
        finally:
            bridge.process.end(1.0)
            for pid in marked(mark):
                os.kill(pid, 9)
