"""One bridge among more than a hundred upstreams that behave badly, and a good one.

The scene is played once: all of them in one bridge, and a client that calls the good
one all the time. Each behaviour is then judged by itself.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from interop.rig.bridge import UNTRACED, RunningBridge, start_bridge
from interop.rig.event_stream import BareClient, Json, bare_client
from interop.rig.places import SERVERS
from interop.rig.process import (
    Running,
    answers,
    descendants,
    free_port,
    is_alive,
)
from interop.rig.servers import Entry, scripted_entry, stdio_entry

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

PROMPT = 5.0  # seconds an answer of the good upstream may take
#: MiB. One behaviour alone costs less than 70 (messages of 16 MiB, a few copies); here
#: a dozen of them send their largest at once.
GROWTH = 320
LOGGED = 8 * 2**20  # bytes in all: an honest minute of a hundred failing upstreams
PHASE = 30.0  # what a server has at least for each step of its beginning
CALLERS = 12
ANSWERED = 12.0  # seconds a call may take: four times its timeout
_SOON: Entry = {
    "timeout": 3,
    "retryAttempts": 1,
    "retryDelay": 500,
    "healthCheck": {"restartDelay": 500},
}

_MUTE = "handshaking took too long|no answer to initialize in time"
#: What a behaviour comes to: "" serves its tool; else what some status must have said.
STDIO = {
    "junk": "",
    "banner": "",
    "bom": "",
    "crlf": "",
    "binary": "",
    "junk_for_ever": "prints text where messages are expected|took too long",
    "batch_of_junk": "",
    "endless_line": "a line is longer than 16777216 bytes",
    "line_of_20_mib": "a line is longer than 16777216 bytes",
    "line_of_15_mib": "",
    "mute": _MUTE,
    "mute_on_list": "discovering took too long|no answer to tools/list in time",
    "mute_on_call": "",
    "late_on_call": "",
    "trickle": _MUTE,
    "exits_at_once": "ended with status 7",
    "exits_after_initialize": "ended with status 0",
    "exits_in_call": "ended with status 9",
    "killed_in_call": "ended by signal 9",
    "exits_every_second": "ended with status 1",
    "traceback": "ended with status 1",
    "deaf": "",
    "grandchild": "",
    "grandchild_outlives": "ended with status 3",
    "closes_stdout": "closed its output",
    "never_reads": "",
    "screams": "",
    "screams_without_newlines": "",
    "screams_short_lines": "",
    "answers_twice": "",
    "answers_strangers": "",
    "answers_in_advance": "",
    "result_of_20000_digits": "",
    "result_too_deep": "",
    "result_deep": "",
    "result_of_lone_surrogates": "",
    "result_of_bad_utf8": "",
    "result_nan": "",
    "result_no_object": "",
    "initialize_no_object": "the answer to initialize is not understood",
    "initialize_members": "the answer to initialize is not understood",
    "revision_unknown": "'1999-01-01'",
    "pages_in_circle": "",
    "endless_pages": "",
    "many_tools": "",
    "list_of_junk": "tools/list was answered with too many entries",
    "list_no_list": "tools/list was answered without a list",
    "malformed_tools": "",
    "deep_tools": "",
    "odd_names": "",
    "floods_list_changed": "",
    "floods_log": "",
    "floods_requests": "",
    "floods_questions": "",
    "floods_progress": "",
    "ever_new_tools": "",
}
HTTP = {
    "reset": "broke",
    "reset_in_call": "",
    "closes": "broke",
    "status_500": "HTTP status 500",
    "status_502_html": "HTTP status 502",
    "retry_after_huge": "HTTP status 503",
    "retry_after_negative": "HTTP status 503",
    "retry_after_junk": "HTTP status 503",
    "unauthorized": "asks for a login",
    "unauthorized_call": "",
    "forbidden": "forbids the request",
    "session_forgotten": "no longer knows the session",
    "status_500_call": "",
    "status_999": "HTTP status 999",
    "status_junk": "broke",
    "not_http": "broke",
    "endless_100": _MUTE,
    "html": "content type 'text/html'",
    "no_type": "content type ''",
    "empty": "not valid JSON",
    "truncated": "broke",
    "broken_chunks": "broke",
    "endless_json": "larger than 16777216 bytes",
    "endless_json_call": "",
    "gzip": "compressed",
    "huge_header": "broke",
    "illegal_header": "broke",
    "header_controls": "broke",
    "many_headers": "broke",
    "trickle": _MUTE,
    "silent": _MUTE,
    "silent_call": "",
    "other_id": "",
    "batch_of_junk": "",
    "redirect_elsewhere": "HTTP status 307",
    "redirect_file": "HTTP status 307|no request can be made",
    "redirect_name": "HTTP status 307|no request can be made",
    "redirect_junk": "illegal header",
    "redirect_circle": "HTTP status 307",
    "session_bad": "illegal session id|broke",
    "session_long": "illegal session id",
    "never_the_answer": "",
    "stream_closes": "",
    "stream_floods": "",
    "post_refused": "",
    "sse_honest": "",
    "sse_no_endpoint": "sent no endpoint event",
    "sse_silent": "sent no endpoint event",
    "sse_elsewhere": "an endpoint of another origin",
    "sse_scheme": "an endpoint of another origin",
    "sse_name": "an endpoint of another origin",
    "sse_junk_endpoint": "an endpoint of another origin",
    "sse_second_endpoint": "",
    "sse_retry": "",
    "sse_bad_utf8": "",
    "sse_names_huge": "",
    "sse_chopped": "",
    "sse_comments": _MUTE,
    "sse_endless_event": f"{_MUTE}|larger than",
    "sse_endless_line": f"{_MUTE}|longer than 16777216 bytes",
    "sse_closes": "ended its stream",
    "sse_html": "content type 'text/html'",
    "sse_resets": "broke|ended its stream",
    "refused": "cannot connect",
}
EXPECTED = {f"io_{k}": v for k, v in STDIO.items()} | {
    f"web_{k}": v for k, v in HTTP.items()
}


def _entries(port: int) -> dict[str, Entry]:
    python = [sys.executable, "-S", "-E", str(SERVERS / "hostile_stdio.py")]
    entries = {f"io_{name}": stdio_entry([*python, name], **_SOON) for name in STDIO}
    for name in HTTP:
        transport = "sse" if name.startswith("sse_") else "streamablehttp"
        url = f"http://127.0.0.1:{9 if name == 'refused' else port}/{name}/mcp"
        entries[f"web_{name}"] = {"url": url, "transport": transport, **_SOON}
    return entries


class Scene:
    """What was seen."""

    def __init__(self, bridge: RunningBridge) -> None:
        self.bridge = bridge
        self.waits: list[float] = []
        self.answers: dict[str, list[Json]] = {}
        self.said: dict[str, set[str]] = {}
        self.served: set[str] = set()
        self.base = self.peak = _resident(bridge)
        self.zombies: set[int] = set()
        self.left: list[int] = []
        self.exit: int | None = None
        self.stopped_in = 0.0

    async def call_the_good_one(self, client: BareClient) -> None:
        while True:
            began = time.monotonic()
            number = await client.call("good__echo", text="still")
            answer = await client.answer(number, 30)
            assert "still" in str(answer.get("result")), answer
            self.waits.append(time.monotonic() - began)
            await trio.sleep(0.05)

    async def wait_for_the_good_one(self, client: BareClient) -> None:
        with trio.fail_after(PHASE):
            while "result" not in await client.answer(  # noqa: ASYNC110 - on the wire
                await client.call("good__echo")
            ):
                await trio.sleep(0.1)

    async def watch(self, http: httpx.AsyncClient) -> None:
        while True:
            status = (await http.get("/status")).json()
            for upstream in status["upstreams"]:
                said = self.said.setdefault(upstream["name"], set())
                said |= {upstream["reason"], upstream["lastError"]}
                if upstream["tools"]:
                    self.served.add(upstream["name"])
            self.peak = max(self.peak, _resident(self.bridge))
            await trio.sleep(0.5)

    async def call_the_others(self, names: list[str]) -> None:
        for name in names:
            async with bare_client(self.bridge.url) as client:
                self.answers[name] = await self.call_one(client, name)

    async def call_one(self, client: BareClient, name: str) -> list[Json]:
        number = await client.call(f"{name}__echo")
        with trio.move_on_after(ANSWERED):
            while not client.answers(number):  # noqa: ASYNC110 - on the wire
                await trio.sleep(0.02)
            await trio.sleep(0.3)  # a second answer would come now
        return client.answers(number)

    async def play(self) -> None:
        async with (
            httpx.AsyncClient(base_url=self.bridge.url, timeout=30) as http,
            bare_client(self.bridge.url) as patron,
            trio.open_nursery() as watching,
        ):
            watching.start_soon(self.watch, http)
            await self.wait_for_the_good_one(patron)
            watching.start_soon(self.call_the_good_one, patron)
            await trio.sleep(6)
            began = trio.current_time()
            async with trio.open_nursery() as calling:
                for index in range(CALLERS):
                    names = list(EXPECTED)[index::CALLERS]
                    calling.start_soon(self.call_the_others, names)
            await trio.sleep_until(began + PHASE)
            watching.cancel_scope.cancel()

    def stop(self) -> None:
        below = descendants(self.bridge.process.pid)
        began = time.monotonic()
        self.bridge.process.terminate()
        self.exit = self.bridge.process.wait(40)
        self.stopped_in = time.monotonic() - began
        self.left = [pid for pid in below if is_alive(pid)]


def _resident(bridge: RunningBridge) -> int:
    """The largest resident size there has been, in MiB."""
    text = Path(f"/proc/{bridge.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) // 1024


@contextmanager
def _hostile_web(folder: Path) -> Generator[int]:
    port = free_port()
    script = str(SERVERS / "hostile_http.py")
    server = Running([sys.executable, "-S", "-E", script, str(port)], folder)
    try:
        server.wait_until(lambda: answers(port), 30)
        yield port
    finally:
        server.end()


def _started(config: dict[str, Any], folder: Path) -> RunningBridge:
    bridge = start_bridge(config, folder, env=UNTRACED, args=["--no-auth"])
    try:
        bridge.process.wait_until(lambda: answers(bridge.port), 30)
    except AssertionError:
        bridge.process.end(1.0)
        raise
    return bridge


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("hostile")
    with _hostile_web(folder / "web") as port:
        servers = {"good": scripted_entry(), **_entries(port)}
        section = {"drain_timeout": 15}
        bridge = _started({"mcpServers": servers, "bridge": section}, folder)
        try:
            played = Scene(bridge)
            trio.run(played.play)
            played.stop()
            yield played
        finally:
            bridge.process.end(1.0)


@pytest.mark.requirement("C1", "C2", "C4", "C5", "C7", "C20", "C22", "C24", "C36")
@pytest.mark.parametrize("name", EXPECTED)
def test_a_behaviour_is_served_or_its_status_says_what_is_wrong(
    scene: Scene, name: str
) -> None:
    expected = EXPECTED[name]
    if expected:
        assert any(re.search(expected, said) for said in scene.said[name]), scene.said[
            name
        ]
    else:
        assert name in scene.served, scene.said[name]


@pytest.mark.requirement("C4", "C30", "C37")
@pytest.mark.parametrize("name", EXPECTED)
def test_each_call_is_answered_exactly_once(scene: Scene, name: str) -> None:
    assert len(scene.answers[name]) == 1


@pytest.mark.requirement("C31", "P3")
def test_the_good_upstream_answers_in_its_usual_time(scene: Scene) -> None:
    print(f"{len(scene.waits)} calls, the slowest {max(scene.waits):.2f} s")
    assert len(scene.waits) > 50
    assert max(scene.waits) < PROMPT


@pytest.mark.requirement("C22", "C36", "P4")
def test_memory_and_log_are_bounded(scene: Scene) -> None:
    written = len(scene.bridge.process.output())
    print(f"from {scene.base} to {scene.peak} MiB, {written} bytes logged")
    assert scene.peak - scene.base < GROWTH
    assert written < LOGGED
    assert max(map(len, scene.bridge.process.output().splitlines())) < 16_384


@pytest.mark.requirement("E9")
def test_nothing_has_crashed(scene: Scene) -> None:
    assert scene.bridge.events("child.crashed") == []


@pytest.mark.requirement("C6", "E1", "P8")
def test_the_bridge_stops_in_time_and_leaves_no_process(scene: Scene) -> None:
    print(f"stopped in {scene.stopped_in:.1f} s")
    assert scene.exit == 0
    assert scene.stopped_in < 15 + PROMPT
    assert scene.left == []


@pytest.mark.requirement("E3")
def test_after_sigkill_the_bridge_starts_again_and_its_children_have_ended(
    tmp_path: Path,
) -> None:
    config = {"mcpServers": {"good": scripted_entry()}}
    bridge = _started(config, tmp_path)
    bridge.wait_until_ready()
    children = descendants(bridge.process.pid)
    os.kill(bridge.process.pid, signal.SIGKILL)
    bridge.process.wait(5)
    again = _started(config, tmp_path)
    try:
        again.wait_until_ready()
        deadline = time.monotonic() + 5
        while any(map(is_alive, children)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert children
        assert not any(map(is_alive, children))
        again.stop()
    finally:
        again.process.end(1.0)
