"""What a running bridge says of itself, as rows."""

import msgspec
import pytest

from bridge.cli.exit import CommandFailed
from bridge.cli.report import (
    SERVER_COLUMNS,
    STATUS_COLUMNS,
    TOOL_COLUMNS,
    ServerLine,
    ServersPage,
    StatusPage,
    ToolLine,
    ToolsPage,
    counted,
    decoded,
    headline,
    note,
    server_rows,
    status_rows,
    tool_rows,
)
from bridge.downstream.health import shown
from bridge.observe.outlook import duration
from bridge.observe.status import BridgeStatus, UpstreamStatus


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (9 * 86400 + 7300, "9 d 2 h"),
    ],
)
def test_times_are_said_in_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_nouns_agree_with_their_number() -> None:
    assert [counted(n, "tool") for n in (0, 1, 2)] == ["0 tools", "1 tool", "2 tools"]


def test_the_headline_says_how_the_bridge_is() -> None:
    status = StatusPage(version="1.2", ready=True, uptime=61, sessions=1, tools=3)
    assert headline(status) == (
        "bridge 1.2: ready, up 1 min, 1 session, 3 tools, 0 prompts, 0 resources"
    )
    assert "not ready" in headline(StatusPage())


def test_what_the_bridge_serves_is_what_the_command_reads() -> None:
    upstream = UpstreamStatus(
        name="files",
        state="connecting",
        reason="connection refused",
        since=10.0,
        retry_at=75.0,
        transport="sse",
        tools=2,
        in_flight=1,
        restarts=4,
        tls_verified=False,
    )
    status = BridgeStatus(
        version="1",
        ready=True,
        uptime=5,
        sessions=0,
        table_version=1,
        tools=2,
        prompts=0,
        resources=0,
        upstreams=(upstream,),
        conflicts=("read: a, b",),
    )
    body = msgspec.json.encode(shown(status, now=13.0))
    page = decoded(body, StatusPage)
    assert page.conflicts == ("read: a, b",)
    (row,) = status_rows(page)
    assert dict(zip(STATUS_COLUMNS, row, strict=True)) == {
        "Server": "files",
        "State": "connecting",
        "For": "3 s",
        "Transport": "sse",
        "Tools": "2",
        "Prompts": "0",
        "Resources": "0",
        "In flight": "1",
        "Restarts": "4",
        "Note": "connection refused; retried in 1 min; TLS certificate not verified",
    }


def test_a_server_that_is_well_needs_no_reason() -> None:
    assert note(ServerLine(name="a", state="connected", reason="reconnected")) == ""
    assert note(ServerLine(name="a", state="failed", reason="gone")) == "gone"


def test_a_connected_server_that_is_left_alone_says_until_when() -> None:
    line = ServerLine(name="a", state="connected", waits_for="a call that tries it")
    assert note(line) == "waits for a call that tries it"


def test_servers_are_listed_with_what_they_say_they_are() -> None:
    line = ServerLine(
        name="a",
        state="connected",
        server="A 1",
        revision="2025-11-25",
        tags=("x", "y"),
    )
    (row,) = server_rows(ServersPage(servers=(line,)))
    assert dict(zip(SERVER_COLUMNS, row, strict=True)) == {
        "Server": "a",
        "State": "connected",
        "Transport": "",
        "Says it is": "A 1",
        "Revision": "2025-11-25",
        "Tags": "x, y",
    }


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        (ToolLine(name="t"), ""),
        (ToolLine(name="t", title="Title"), "Title"),
        (ToolLine(name="t", title="Title", description="\n One.\nTwo."), "One."),
        (ToolLine(name="t", description="x" * 121), "x" * 117 + "..."),
        (ToolLine(name="t", description="x" * 120), "x" * 120),
    ],
)
def test_a_tool_is_described_in_one_line(tool: ToolLine, text: str) -> None:
    (row,) = tool_rows(ToolsPage(tools=(tool,)))
    assert dict(zip(TOOL_COLUMNS, row, strict=True)) == {
        "Tool": "t",
        "Description": text,
    }


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"tools": 1}', b'"\xff"'])
def test_what_is_no_page_of_ours_is_said_so(body: bytes) -> None:
    with pytest.raises(CommandFailed, match="no bridge of this version"):
        decoded(body, ToolsPage)
