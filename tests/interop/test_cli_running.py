"""The commands about a running bridge, against running bridges."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.socket_file import LONGEST, SocketFile, answering
from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.command import Ended, run_command
from interop.rig.process import free_port

pytestmark = [pytest.mark.interop, pytest.mark.requirement("R116")]

CLOCK: dict[str, Any] = {
    "command": sys.executable,
    "args": ["-m", "bridge.demo.clock_server"],
    "tags": ["demo", "local"],
}
CONFIG: dict[str, Any] = {
    "mcpServers": {"clock": CLOCK, "away": {**CLOCK, "enabled": False}},
    "bridge": {"auth": {"mode": "none"}},
}


class Place:
    """A running bridge and the folder its commands run in."""

    def __init__(self, bridge: RunningBridge, folder: Path) -> None:
        self.bridge = bridge
        self.folder = folder

    def run(self, *words: str) -> Ended:
        ended = run_command(*words, folder=self.folder)
        assert ended.status == 0, ended
        assert ended.lines == []
        return ended


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("bridge")
    with running_bridge(CONFIG, folder) as bridge:
        yield Place(bridge, folder)


@pytest.mark.requirement("R54")
def test_status_shows_the_live_bridge_without_a_token(place: Place) -> None:
    text = place.run("status").out
    assert "ready" in text
    assert "| clock  | connected |" in text
    assert "| away   | disabled  |" in text
    assert text.isascii()


def test_status_as_json_is_what_the_bridge_says(place: Place) -> None:
    for words in (["status"], ["server", "status"]):
        status = place.run(*words, "--format", "json").json
        assert status["ready"] is True
        assert [each["name"] for each in status["upstreams"]] == ["clock", "away"]


def test_servers_are_listed_with_what_they_say_they_are(place: Place) -> None:
    text = place.run("mcp", "list").out
    assert "demo-clock" in text
    assert "demo, local" in text


@pytest.mark.parametrize(
    "words", [[], ["--server", "clock"], ["--tag", "demo"], ["--tag", "x,local"]]
)
def test_tools_are_listed_of_all_or_some(place: Place, words: list[str]) -> None:
    tools = place.run("tool", "list", *words, "--format", "json").json["tools"]
    assert [tool["name"] for tool in tools] == ["clock__now", "clock__countdown"]
    assert "Counts down" in place.run("tool", "list", *words).out


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--server", "bridge: no server 'gone'; see `bridge mcp list`"),
        ("--tag", "bridge: no server with the tag 'gone'; see `bridge mcp list`"),
    ],
)
def test_a_server_or_tag_that_is_not_there_is_named(
    place: Place, option: str, said: str, *, elsewhere: bool
) -> None:
    address = ["--url", place.bridge.url] if elsewhere else []
    ended = run_command("tool", "list", option, "gone", *address, folder=place.folder)
    assert (ended.status, ended.lines) == (1, [said])


@pytest.mark.parametrize("end", ["", "/", "/mcp", "/sse/"])
def test_a_bridge_is_asked_at_its_address_too(place: Place, end: str) -> None:
    status = place.run("status", "--url", place.bridge.url + end, "--format", "json")
    assert status.json["ready"] is True


@pytest.mark.requirement("R53")
def test_the_socket_is_for_its_owner_only(place: Place) -> None:
    home = place.folder / "home"
    file = home / f"control-{place.bridge.port}.sock"
    assert file.stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.requirement("R53")
def test_a_guarded_bridge_elsewhere_wants_a_token_and_one_here_does_not(
    tmp_path: Path,
) -> None:
    provider = {
        "OAUTH_ISSUER": "http://127.0.0.1:9",
        "OAUTH_AUDIENCE": "x",
    }
    config = {"mcpServers": {"clock": CLOCK}}
    with running_bridge(config, tmp_path, env=provider, ready=False) as bridge:
        refused = run_command("status", "--url", bridge.url, folder=tmp_path)
        assert (refused.status, len(refused.lines)) == (1, 1)
        assert "--token" in refused.err
        env = {"BRIDGE_URL": bridge.url, "BRIDGE_TOKEN": "nonsense"}
        refused = run_command("status", folder=tmp_path, env=env)
        assert refused.status == 1
        assert run_command("status", folder=tmp_path).status == 0


def test_no_bridge_is_a_clear_sentence(tmp_path: Path) -> None:
    for words in (
        ["status"],
        ["mcp", "list"],
        ["tool", "list"],
        ["status", "--port", "9"],
    ):
        ended = run_command(*words, folder=tmp_path)
        assert ended.status == 1
        (line,) = ended.lines
        assert line.startswith("bridge: no bridge runs here")
        assert str(tmp_path / "home") in line


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://u:p@h"])
def test_an_address_that_is_none_is_status_two(tmp_path: Path, url: str) -> None:
    ended = run_command("status", "--url", url, folder=tmp_path)
    assert ended.status == 2
    assert ended.lines[0].startswith("bridge: --url: ")


def test_an_address_where_nobody_answers_is_said_so(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ended = run_command("status", "--url", url, folder=tmp_path)
    assert ended.status == 1
    assert ended.lines[0].startswith(f"bridge: {url} does not answer: ")


def test_somebody_else_who_answers_is_quoted(place: Place, tmp_path: Path) -> None:
    url = place.bridge.url + "/nowhere"
    ended = run_command("mcp", "list", "--url", url, folder=tmp_path)
    assert (ended.status, ended.lines) == (
        1,
        ["bridge: the bridge says: there is nothing at this address"],
    )


def test_a_token_in_clear_text_on_a_network_is_warned_of(tmp_path: Path) -> None:
    words = ("status", "--url", "http://192.0.2.1.invalid", "--token", "t")
    ended = run_command(*words, folder=tmp_path)
    assert ended.lines[0] == "bridge: the token travels unencrypted; use https"
    assert ended.status == 1


def test_of_several_bridges_one_is_chosen_by_its_port(
    place: Place, tmp_path: Path
) -> None:
    home = {"BRIDGE_HOME": str(place.folder / "home")}
    with running_bridge(CONFIG, tmp_path, env=home) as other:
        both = run_command("status", folder=place.folder)
        assert both.status == 2
        for port in (place.bridge.port, other.port):
            assert str(port) in both.err
        one = place.run("tool", "list", "--port", str(other.port))
        assert "clock__now" in one.out


def test_a_socket_goes_with_its_bridge(tmp_path: Path) -> None:
    with running_bridge(CONFIG, tmp_path) as bridge:
        file = tmp_path / "home" / f"control-{bridge.port}.sock"
        assert file.is_socket()
    assert not file.exists()


async def test_a_socket_a_killed_bridge_left_behind_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "control-1.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(file))
    assert answering(tmp_path) == {}
    listener = SocketFile(file)
    assert answering(tmp_path) == {1: file}
    await listener.aclose()
    assert not file.exists()


async def test_a_socket_somebody_answers_on_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "control-1.sock"
    first = SocketFile(file)
    with pytest.raises(OSError, match="another bridge answers"):
        SocketFile(file)
    assert answering(tmp_path) == {1: file}
    await first.aclose()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "control-1.sock"
    file.write_text("precious")
    with pytest.raises(OSError, match="something else"):
        SocketFile(file)
    assert file.read_text() == "precious"


def test_a_path_the_kernel_does_not_take_is_refused_with_its_bound(
    tmp_path: Path,
) -> None:
    with pytest.raises(OSError, match=f"longer than {LONGEST} bytes"):
        SocketFile(tmp_path / ("x" * LONGEST))


def test_files_of_other_names_are_no_bridges(tmp_path: Path) -> None:
    (tmp_path / "control-x.sock").touch()
    (tmp_path / "control-80.sock").touch()
    assert answering(tmp_path) == {}
