"""`bridge check`: all that is wrong, and what would start."""

import json
from typing import Any

import pytest

from bridge.cli.check import address, admission, check, reached_at, rows, transport
from bridge.cli.invocation import Refused
from bridge.config.model import AuthConfig, BridgeConfig
from bridge.errors import ConfigError, Problem
from kit.configs import LOCAL, REMOTE, load, one_server

pytestmark = pytest.mark.requirement("R27")

SERVERS: dict[str, Any] = {
    "local": LOCAL,
    "remote": {**REMOTE, "transport": "sse"},
    "off": {"enabled": False, "command": "x"},
    "broken": {"transport": "sse"},
}
TWO_ERRORS = Refused(
    source="config.json",
    error=ConfigError(
        "config.json: 2 errors",
        (
            Problem("bridge.port", "out of range", hint="write 8080", at=(3, 5)),
            Problem("bridge.host", "no host"),
            Problem("bridge.x", "unknown key", fatal=False),
        ),
    ),
)


def test_every_error_of_a_refused_file_stands_on_its_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(TWO_ERRORS, form="table") == 2
    assert capsys.readouterr().out.splitlines() == [
        "config.json:3:5: error: bridge.port: out of range (write 8080)",
        "config.json: error: bridge.host: no host",
        "config.json: warning: bridge.x: unknown key",
        "2 errors, 1 warning: nothing would start",
    ]


def test_every_error_of_a_refused_file_is_in_the_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(TWO_ERRORS, form="json") == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["file"], said["ok"], len(said["problems"])) == (
        "config.json",
        False,
        3,
    )
    assert said["problems"][0] == {
        "weight": "error",
        "path": "bridge.port",
        "reason": "out of range",
        "hint": "write 8080",
        "server": None,
        "line": 3,
        "column": 5,
    }
    assert "starts" not in said


def test_a_refusal_without_a_list_is_still_a_sentence() -> None:
    refused = Refused(source="x", error=ConfigError("x: cannot be read"))
    assert refused.lines == ["x: cannot be read"]


@pytest.mark.requirement("R7")
def test_one_broken_server_is_an_error_and_the_others_would_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    loaded = load(SERVERS)
    assert check(("config.json", loaded), form="table") == 2
    text = capsys.readouterr().out
    assert "error, server left out: mcpServers.broken.url" in text
    assert list(rows(loaded)) == [
        ("local", "stdio", "server", "yes"),
        ("remote", "sse", "https://mcp.example.com", "yes"),
        ("off", "stdio", "x", "no, disabled"),
        ("broken", "", "", "no, it has errors"),
    ]


def test_json_says_what_would_start(capsys: pytest.CaptureFixture[str]) -> None:
    check(("config.json", load(SERVERS, {"port": 9000})), form="json")
    starts = json.loads(capsys.readouterr().out)["starts"]
    assert starts["url"] == "http://127.0.0.1:9000"
    assert starts["authentication"] == "none"
    assert [server["name"] for server in starts["servers"]] == ["local", "remote"]
    assert (starts["disabled"], starts["leftOut"]) == (["off"], ["broken"])


def test_a_warning_alone_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load({"one": {**LOCAL, "colour": "red"}})
    assert check(("config.json", loaded), form="table") == 0
    assert "0 errors, 1 warning" in capsys.readouterr().out


def test_it_says_aloud_that_everybody_may_come_in() -> None:
    assert "authentication is OFF" in admission(
        BridgeConfig(auth=AuthConfig(mode="none"))
    )
    guarded = AuthConfig(issuer="https://id", audience=("a", "b"))
    assert admission(BridgeConfig(auth=guarded)) == (
        "tokens of https://id for a or b are let in"
    )


def test_addresses_are_written_as_clients_write_them() -> None:
    assert address(BridgeConfig(host="::1", port=1)) == "http://[::1]:1"
    assert address(BridgeConfig(host="localhost", port=1)) == "http://localhost:1"


@pytest.mark.requirement("R20")
def test_what_may_be_secret_is_not_shown() -> None:
    remote = one_server(
        {"url": "https://h.example:8443/${KEY}?k=${KEY}"}, env={"KEY": "hidden"}
    )
    assert reached_at(remote) == "https://h.example:8443"
    local = one_server(
        {"command": "run", "args": ["--key", "${KEY}"]}, env={"KEY": "h"}
    )
    assert reached_at(local) == "run"


def test_a_transport_nobody_named_is_found_out_by_asking() -> None:
    assert transport(one_server(REMOTE)) == "found out by asking"
