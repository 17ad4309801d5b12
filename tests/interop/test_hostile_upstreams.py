"""A bridge among every hostile upstream of the kit, and good ones beside them.

One scene for servers on stdio, one for those on HTTP and WebSocket; each behaviour is
then judged by itself.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.rig.bridge import UNTRACED, RunningBridge, start_bridge
from interop.rig.hostile_scene import Scene, hostile_web, played
from interop.rig.places import SERVERS
from interop.rig.process import answers, descendants, is_alive
from interop.rig.servers import Entry, scripted_entry, stdio_entry
from kit.hostile.http import WEB
from kit.hostile.stdio import STDIO

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

PROMPT = 5.0  # seconds an answer of a good upstream may take
GROWTH = 200  # MiB: the gate of the threat catalogue
LOGGED = 2**20  # bytes of log per upstream and minute
COMES_TO = {
    "stdio": {name: entry.comes_to for name, entry in STDIO.items()},
    "web": {name: entry.comes_to for name, entry in WEB.items()}
    | {"refused": "cannot connect"},
}
BOTH = pytest.mark.parametrize("kind", COMES_TO)
EACH = [(kind, name) for kind, table in COMES_TO.items() for name in table]


def _stdio_entries() -> dict[str, Entry]:
    python = [sys.executable, "-S", "-E", str(SERVERS / "hostile_stdio.py")]
    return {name: stdio_entry([*python, name]) for name in COMES_TO["stdio"]}


def _transport(name: str) -> str:
    known = {"sse": "sse", "ws": "websocket"}
    return known.get(name.partition("_")[0], "streamablehttp")


def _web_entries(port: int) -> dict[str, Entry]:
    return {
        name: {"url": _address(name, number, port), "transport": _transport(name)}
        for number, name in enumerate(COMES_TO["web"])
    }


def _address(name: str, number: int, port: int) -> str:
    """Each has a host of its own: attempts are counted by host."""
    scheme = "ws" if name.startswith("ws_") else "http"
    host = f"127.0.{1 + number // 200}.{1 + number % 200}"
    return f"{scheme}://{host}:{9 if name == 'refused' else port}/{name}/mcp"


@pytest.fixture(scope="module")
def stdio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with played(_stdio_entries(), tmp_path_factory.mktemp("stdio")) as scene:
        yield scene


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("web")
    with (
        hostile_web(folder / "server") as port,
        played(_web_entries(port), folder) as scene,
    ):
        yield scene


@pytest.fixture
def scene(request: pytest.FixtureRequest, kind: str) -> Scene:
    """The one of this kind; each is played once."""
    return request.getfixturevalue(kind)


@pytest.mark.requirement(
    "C1", "C2", "C4", "C5", "C7", "C20", "C22", "C24", "C26", "C36"
)
@pytest.mark.parametrize(("kind", "name"), EACH)
def test_a_behaviour_is_served_or_its_status_says_what_is_wrong(
    scene: Scene, kind: str, name: str
) -> None:
    expected = COMES_TO[kind][name]
    said = scene.said[name]
    if expected:
        assert any(re.search(expected, one) for one in said), said
    else:
        assert name in scene.served, said


@pytest.mark.requirement("C4", "C30", "C37")
@pytest.mark.parametrize(("kind", "name"), EACH)
def test_each_call_is_answered_exactly_once(scene: Scene, kind: str, name: str) -> None:
    counts = {how: len(given) for how, given in scene.answers[name].items()}
    assert counts == {"/sse": 1, "/mcp": 1}


@BOTH
@pytest.mark.requirement("C31", "P3")
def test_the_good_upstreams_answer_in_their_usual_time(scene: Scene) -> None:
    print(f"{len(scene.waits)} calls, the slowest {max(scene.waits):.2f} s")
    assert len(scene.waits) > 100
    assert max(scene.waits) < PROMPT


@BOTH
@pytest.mark.requirement("C22", "C36", "P4")
def test_memory_is_bounded(scene: Scene) -> None:
    print(f"from {scene.base} to {scene.peak} MiB")
    assert scene.peak - scene.base < GROWTH


@BOTH
@pytest.mark.requirement("C3", "C31", "P4")
def test_the_log_of_each_upstream_is_bounded(scene: Scene) -> None:
    logged = scene.logged_by()
    loudest = sorted(logged, key=lambda name: logged[name])[-3:]
    print({name: f"{logged[name] / 1024:.0f} KiB/min" for name in loudest})
    assert logged[loudest[-1]] < LOGGED
    assert max(map(len, scene.bridge.process.output().splitlines())) < 16_384


@BOTH
@pytest.mark.requirement("E9")
def test_nothing_has_crashed(scene: Scene) -> None:
    assert scene.bridge.events("child.crashed") == []


@BOTH
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


def _started(config: dict[str, dict[str, Entry]], folder: Path) -> RunningBridge:
    bridge = start_bridge(config, folder, env=UNTRACED, args=["--no-auth"])
    try:
        bridge.process.wait_until(lambda: answers(bridge.port), 30)
    except AssertionError:
        bridge.process.end(1.0)
        raise
    return bridge
