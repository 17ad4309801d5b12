"""Bad starts as a user meets them: sentences, status 2, and never a traceback."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from interop.rig.bridge import running_bridge
from interop.rig.command import run_command
from interop.rig.servers import scripted_entry

pytestmark = [pytest.mark.interop, pytest.mark.requirement("E6", "R27")]

OPEN: dict[str, Any] = {"auth": {"mode": "none"}}
GUARDED: dict[str, Any] = {"auth": {"issuer": "https://id.example", "audience": "x"}}
ONE: dict[str, Any] = {"a": {"command": "x"}}


def written(folder: Path, config: object) -> str:
    file = folder / "config.json"
    text = config if isinstance(config, str) else json.dumps(config)
    file.write_text(text, encoding="utf-8")
    return str(file)


def refused(folder: Path, config: object, *words: str) -> list[str]:
    """The lines of a `serve` that did not start."""
    file = written(folder, config)
    ended = run_command("serve", "--config", file, *words, folder=folder)
    assert ended.status == 2, ended
    assert ended.out == ""
    assert all(line.startswith("bridge: ") for line in ended.lines)
    return [line.replace(file, "config.json") for line in ended.lines]


@pytest.mark.requirement("R57")
def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = {"mcpServers": ONE, "bridge": GUARDED}
        (line,) = refused(tmp_path, config, "--port", str(port))
    assert line == (
        f"bridge: 127.0.0.1:{port} is in use by another program; "
        "choose another port with --port or bridge.port"
    )


def test_an_address_of_another_machine_is_one_line(tmp_path: Path) -> None:
    config = {"mcpServers": ONE, "bridge": {**GUARDED, "host": "192.0.2.1"}}
    (line,) = refused(tmp_path, config, "--port", "0")
    assert line.startswith("bridge: cannot listen on 192.0.2.1:0: ")


def test_without_an_identity_provider_it_says_what_to_set(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, {"mcpServers": ONE})
    assert "bridge.auth: authentication is on" in line
    assert "OAUTH_ISSUER" in line
    assert "OAUTH_AUDIENCE" in line
    assert "--no-auth" in line


def test_half_an_identity_provider_names_the_other_half(tmp_path: Path) -> None:
    file = written(tmp_path, {"mcpServers": ONE})
    env = {"OAUTH_ISSUER": "https://id.example"}
    ended = run_command("serve", "--config", file, folder=tmp_path, env=env)
    (line,) = ended.lines
    assert ended.status == 2
    assert "OAUTH_AUDIENCE" in line


def test_no_authentication_beyond_loopback_is_refused(tmp_path: Path) -> None:
    config = {"mcpServers": ONE}
    (line,) = refused(tmp_path, config, "--no-auth", "--host", "0.0.0.0")
    assert "--host" in line
    assert "not a loopback address" in line


def test_all_errors_are_said_at_once_with_their_places(tmp_path: Path) -> None:
    text = (
        '{\n "mcpServers": {},\n "bridge": {\n  "port": "x",\n  "separator": ""\n }\n}'
    )
    lines = refused(tmp_path, text)
    assert any("config.json:4:" in line and "bridge.port" in line for line in lines)
    assert any("config.json:5:" in line and "separator" in line for line in lines)
    assert any("bridge.auth" in line for line in lines)


def test_broken_json_names_line_and_column(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, '{\n "mcpServers": {]\n}')
    assert line.startswith("bridge: config.json:2:")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    ended = run_command("serve", "--config", "gone.json", folder=tmp_path)
    assert ended.status == 2
    assert "no file gone.json" in ended.lines[0]


def test_no_file_at_all_says_where_it_looked(tmp_path: Path) -> None:
    ended = run_command("check", folder=tmp_path)
    assert ended.status == 2
    assert str(tmp_path / "home" / "config.json") in ended.out


@pytest.mark.requirement("R7", "R8", "R20")
def test_each_broken_server_is_named_and_the_others_start(tmp_path: Path) -> None:
    config = {
        "mcpServers": {
            "well": scripted_entry(),
            "no-url": {"transport": "sse"},
            "no-command": {"transport": "stdio"},
            "local-oauth": {"command": "x", "oauth": {"enabled": True}},
            "no-secret": {
                "url": "https://mcp.example.com",
                "headers": {"Authorization": "Bearer ${NOT_SET_ANYWHERE}"},
            },
        },
        "bridge": OPEN,
    }
    checked = run_command(
        "check", "--config", written(tmp_path, config), folder=tmp_path
    )
    assert checked.status == 2
    for sentence in (
        "mcpServers.no-url.url: missing",
        "mcpServers.no-command.command: missing",
        "mcpServers.local-oauth.oauth",
        "NOT_SET_ANYWHERE",
    ):
        assert sentence in checked.out
    with running_bridge(config, tmp_path / "run") as bridge:
        asked = run_command("mcp", "list", "--format", "json", folder=tmp_path / "run")
        states = {server["name"]: server["state"] for server in asked.json["servers"]}
        assert states.pop("well") == "connected"
        assert set(states.values()) == {"invalid"}
        assert len(states) == 4
        said = {
            event["path"]: (event["level"], event["upstream"])
            for event in bridge.events("config.server_left_out")
        }
        assert said["mcpServers.no-url.url"] == ("error", "no-url")
        assert len(said) == 4
        warned = {event["path"] for event in bridge.events("config.warning")}
        assert not warned & set(said)


@pytest.mark.requirement("R44")
def test_the_log_says_when_authentication_is_off(tmp_path: Path) -> None:
    config = {"mcpServers": {"well": scripted_entry()}, "bridge": OPEN}
    with running_bridge(config, tmp_path) as bridge:
        (event,) = bridge.events("bridge.authentication_off")
        assert (event["level"], event["host"]) == ("warning", "127.0.0.1")


def test_a_home_that_cannot_be_written_does_not_keep_it_from_serving(
    tmp_path: Path,
) -> None:
    (tmp_path / "home").write_text("no folder")
    config = {"mcpServers": {"well": scripted_entry()}, "bridge": OPEN}
    with running_bridge(config, tmp_path) as bridge:
        assert len(bridge.events("control.unavailable")) == 1
