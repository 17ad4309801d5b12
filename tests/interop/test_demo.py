"""`bridge demo` as a newcomer runs it."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trio

from bridge.demo.greeting import Scene
from bridge.demo.login import CheckFailed, Visitor
from bridge.demo.run import Demo, Wish
from bridge.system import real_ports
from interop.rig.command import run_command
from interop.rig.process import Running, descendants, is_alive
from interop.rig.sdk import sdk_client, text_of, tool_names
from kit.journal import Journal

pytestmark = pytest.mark.interop

_OURS = ("OAUTH_", "MCP_", "BRIDGE_", "FOXXY_")
TOOLS = {"clock__now", "clock__countdown", "notes__add_note", "notes__search_notes"}


class Shown:
    """A running demo and what it printed."""

    def __init__(self, process: Running) -> None:
        self.process = process
        self.text = process.output()

    @property
    def url(self) -> str:
        found = re.search(r"^  bridge +(\S+)", self.text, re.MULTILINE)
        assert found
        return found[1]

    def command(self, beginning: str) -> list[str]:
        """The printed command that begins so."""
        lines = self.text.splitlines()
        return shlex.split(next(line for line in lines if line.startswith(beginning)))

    @property
    def entry(self) -> dict[str, object]:
        """What it tells a client to put into its configuration."""
        found = re.search(r"^\{$.*?^\}$", self.text, re.MULTILINE | re.DOTALL)
        assert found
        return json.loads(found[0])["mcpServers"]["bridge"]

    @property
    def token(self) -> str:
        headers = self.entry["headers"]
        assert isinstance(headers, dict)
        return str(headers["Authorization"]).removeprefix("Bearer ")  # pyright: ignore[reportUnknownArgumentType]


def start(folder: Path, *words: str, **env: str) -> Running:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    home = {"BRIDGE_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "bridge", "demo", *words]
    return Running(command, folder, env={**kept, **home, **env})


def greeted(process: Running) -> Shown:
    process.wait_until(lambda: "Next: your own servers" in process.output(), 30)
    return Shown(process)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    process = start(tmp_path_factory.mktemp("demo"), "--port", "0")
    try:
        yield greeted(process)
    finally:
        process.end()


def test_the_check_logs_in_lists_and_calls_by_itself(tmp_path: Path) -> None:
    # A provider set for the real bridge has nothing to do with the demo.
    env = {"OAUTH_ISSUER": "https://id.example", "OAUTH_AUDIENCE": "x"}
    ended = run_command("demo", "--check", folder=tmp_path, env=env)
    assert (ended.status, ended.lines) == (0, [])
    for said in (
        "ok  logged in",
        "ok  refused without a token",
        "ok  /sse: called clock__now: 2",
        "ok  /mcp: called notes__add_note: Noted; there are 3 notes.",
        "the demo works",
    ):
        assert said in ended.out
    assert not (tmp_path / "home").exists()


async def test_the_printed_token_lets_a_client_in_through_both_doors(
    demo: Shown,
) -> None:
    assert demo.entry["url"] == f"{demo.url}/mcp"
    for path in ("/mcp", "/sse"):
        async with sdk_client(demo.url + path, demo.token) as client:
            assert set(await tool_names(client)) == TOOLS
            assert "UTC+2" in await text_of(client, "clock__now", utc_offset=2)
            await text_of(client, "notes__add_note", text=f"through {path}")
            found = await text_of(client, "notes__search_notes", word=path)
            assert found == f"through {path}"
            assert len((await client.list_prompts()).prompts) == 2
            assert len((await client.list_resources()).resources) == 2


async def test_progress_of_the_countdown_reaches_the_client(demo: Shown) -> None:
    seen: list[float] = []

    async def on_progress(
        progress: float, total: float | None, message: str | None
    ) -> None:
        assert (total, message) == (1, None)
        seen.append(progress)

    async with sdk_client(f"{demo.url}/mcp", demo.token) as client:
        await client.call_tool(
            "clock__countdown", {"seconds": 1}, progress_callback=on_progress
        )
    assert seen == [0, 1]


def test_the_printed_curl_opens_the_event_stream(demo: Shown) -> None:
    words = [*demo.command("curl -N"), "-s", "--max-time", "1"]
    ended = subprocess.run(words, check=False, capture_output=True, text=True)
    assert ended.stdout.startswith("event: endpoint\ndata: /messages?session_id=")


def test_the_printed_curl_gets_another_token(demo: Shown) -> None:
    ended = subprocess.run(demo.command("curl -s"), check=True, capture_output=True)
    assert json.loads(ended.stdout)["token_type"] == "Bearer"


def test_the_printed_commands_find_the_bridge(demo: Shown) -> None:
    folder = demo.process.stdout.parent
    assert "python -m bridge status" in demo.text.splitlines()
    assert "clock" in run_command("status", folder=folder).out
    assert "notes__add_note" in run_command("tool", "list", folder=folder).out


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_secret": "wrong"}, "the token request was answered 401"),
        ({"issuer": "http://127.0.0.1:1"}, "cannot connect"),
        ({"bridge": "ISSUER"}, "/sse answered 404 without a token"),
    ],
)
async def test_a_check_that_fails_says_which_step(
    demo: Shown, changes: dict[str, str], reason: str
) -> None:
    words = demo.command("curl -s")
    issuer = words[2].removesuffix("/token")
    secret = next(word for word in words if word.startswith("client_secret="))
    scene = Scene(
        bridge=demo.url,
        issuer=issuer,
        notes="",
        token="",
        client_secret=secret.partition("=")[2],
        command="bridge",
    )
    given = {name: text.replace("ISSUER", issuer) for name, text in changes.items()}
    visitor = Visitor(
        msgspec.structs.replace(scene, **given),
        ports=real_ports({}),
        log=Journal().log,
        say=lambda _: None,
    )
    with pytest.raises(CheckFailed, match=reason):
        await visitor.visit()


async def test_a_check_that_fails_is_status_1_with_its_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fail(_visitor: Visitor) -> None:
        await trio.lowlevel.checkpoint()
        raise CheckFailed("/sse is upside down")

    monkeypatch.setattr(Visitor, "visit", fail)
    wish = Wish(port=0, only_check=True, debug=False, home=tmp_path)
    journal = Journal()
    assert await Demo(wish, ports=real_ports({}), log=journal.log).run() == 1
    said = capsys.readouterr()
    assert said.err == "bridge: the check failed: /sse is upside down\n"
    assert "works" not in said.out


def test_neither_issuer_nor_notes_answer_to_a_foreign_name(demo: Shown) -> None:
    for pattern in (r"^  identity provider +(\S+)", r"^  notes +(\S+)"):
        found = re.search(pattern, demo.text, re.MULTILINE)
        assert found
        for header in ("Host: evil.example", "Origin: https://evil.example"):
            words = ["curl", "-s", "-w", "%{http_code}", "-H", header, found[1]]
            ended = subprocess.run(words, check=True, capture_output=True, text=True)
            assert ended.stdout.endswith("403")


def test_ctrl_c_ends_everything_with_status_0(tmp_path: Path) -> None:
    process = start(tmp_path, "--port", "0")
    try:
        greeted(process)
        below = descendants(process.pid)
        assert below
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(15) == 0
        assert not any(map(is_alive, below))
        assert "Traceback" not in process.output()
        assert list((tmp_path / "home").iterdir()) == []
    finally:
        process.end()


def test_a_taken_usual_port_is_no_obstacle(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        except OSError:
            pass  # somebody else has it: just what is needed
        ended = run_command("demo", "--check", folder=tmp_path)
    assert ended.status == 0, ended


@pytest.mark.requirement("E6")
def test_a_taken_port_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run_command("demo", "--port", port, folder=tmp_path)
    assert ended.status == 2
    (line,) = ended.lines
    assert f"127.0.0.1:{port} is in use" in line
