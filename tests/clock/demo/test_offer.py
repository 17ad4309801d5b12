"""The demo's servers, frame by frame."""

from typing import Any

import pytest
import trio
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from msgspec import UNSET
from trio.testing import MockClock

from bridge.demo.clock_server import StdioServing, clock_server
from bridge.demo.notes_server import MOST_NOTES, Notebook, NotesPages, notes_server
from bridge.demo.offer import REVISIONS, DemoServer
from bridge.downstream.message import Response
from bridge.protocol.frame import (
    Frame,
    decode,
    encode,
    notification,
    request,
    value,
)
from kit.requests import make_request


class StoppedClock:
    def now(self) -> float:
        return 1_800_000_000.0


async def answered(
    server: DemoServer, method: str, params: object = None
) -> tuple[Frame, list[Frame]]:
    """The answer, and what was said before it."""
    said: list[Frame] = []

    async def notify(frame: Frame) -> None:
        await trio.lowlevel.checkpoint()
        said.append(frame)

    answer = await server.answer(request(method, params, id=1), notify)
    assert answer is not None
    return answer, said


async def result(server: DemoServer, method: str, params: object = None) -> Any:
    answer, _ = await answered(server, method, params)
    assert answer.result is not UNSET, answer
    return value(answer.result)


async def called(
    server: DemoServer, tool: str, **arguments: object
) -> tuple[str, bool]:
    """The text of a tool, and whether it says that it failed."""
    said = await result(server, "tools/call", {"name": tool, "arguments": arguments})
    return said["content"][0]["text"], said["isError"]


@pytest.fixture
def clock() -> DemoServer:
    return clock_server(StoppedClock())


@pytest.fixture
def notes() -> DemoServer:
    return notes_server(Notebook("first"))


def test_the_demo_speaks_every_revision_with_a_handshake() -> None:
    assert set(REVISIONS) == set(HANDSHAKE_PROTOCOL_VERSIONS)
    assert REVISIONS[0] == max(REVISIONS)


@pytest.mark.parametrize(
    ("wanted", "agreed"),
    [("2025-03-26", "2025-03-26"), ("1999-01-01", REVISIONS[0]), (None, REVISIONS[0])],
)
async def test_a_known_revision_is_agreed_to(
    clock: DemoServer, wanted: str | None, agreed: str
) -> None:
    said = await result(clock, "initialize", {"protocolVersion": wanted})
    assert said["protocolVersion"] == agreed
    assert said["serverInfo"]["name"] == "demo-clock"


async def test_each_server_offers_tools_a_prompt_and_a_resource(
    clock: DemoServer, notes: DemoServer
) -> None:
    for server in (clock, notes):
        assert len((await result(server, "tools/list"))["tools"]) == 2
        (prompt,) = (await result(server, "prompts/list"))["prompts"]
        (resource,) = (await result(server, "resources/list"))["resources"]
        got = await result(server, "prompts/get", {"name": prompt["name"]})
        assert got["messages"][0]["content"]["text"]
        read = await result(server, "resources/read", {"uri": resource["uri"]})
        assert read["contents"][0]["text"]
        assert await result(server, "resources/templates/list") == {
            "resourceTemplates": []
        }
        assert await result(server, "ping") == {}


async def test_the_clock_tells_the_time_of_an_offset(clock: DemoServer) -> None:
    assert await called(clock, "now") == ("2027-01-15 08:00:00 UTC+0", False)
    text, _ = await called(clock, "now", utc_offset=5.5)
    assert text == "2027-01-15 13:30:00 UTC+5.5"


@pytest.mark.parametrize("offset", ["1", 15, -13, True, None])
async def test_a_wrong_argument_is_an_answer_of_the_tool(
    clock: DemoServer, offset: object
) -> None:
    text, failed = await called(clock, "now", utc_offset=offset)
    assert failed
    assert text.startswith("utc_offset must be")


async def test_the_countdown_reports_every_second(
    clock: DemoServer, autojump_clock: MockClock
) -> None:
    params = {
        "name": "countdown",
        "arguments": {"seconds": 2},
        "_meta": {"progressToken": "p"},
    }
    began = trio.current_time()
    answer, said = await answered(clock, "tools/call", params)
    assert trio.current_time() - began == pytest.approx(2)
    assert [value(each.params) for each in said if each.params is not UNSET] == [
        {"progressToken": "p", "progress": done, "total": 2} for done in range(3)
    ]
    assert answer.result is not UNSET


async def test_who_wants_no_progress_gets_none(
    clock: DemoServer, autojump_clock: MockClock
) -> None:
    params = {"name": "countdown", "arguments": {"seconds": 1}}
    _, said = await answered(clock, "tools/call", params)
    assert said == []


async def test_notes_are_kept_and_found(notes: DemoServer) -> None:
    assert await called(notes, "add_note", text=" Buy MILK ") == (
        "Noted; there are 2 notes.",
        False,
    )
    assert await called(notes, "search_notes", word="milk") == ("Buy MILK", False)
    assert (await called(notes, "search_notes", word="tea"))[0].startswith("No note")
    for wrong in ("", "  ", 3, "x" * 1001):
        assert (await called(notes, "add_note", text=wrong))[1]


async def test_the_notebook_never_grows_beyond_its_bound() -> None:
    notebook = Notebook()
    server = notes_server(notebook)
    for number in range(MOST_NOTES + 2):
        await called(server, "add_note", text=f"note {number}.")
    kept = notebook.all().splitlines()
    assert (len(kept), kept[0]) == (MOST_NOTES, "note 2.")


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("nonsense", None, -32601),
        ("tools/call", {"name": "gone"}, -32602),
        ("tools/call", [], -32602),
        ("tools/call", {"name": "now", "arguments": 3}, -32602),
        ("prompts/get", {}, -32602),
        ("resources/read", {"uri": "x://y"}, -32602),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    clock: DemoServer, method: str, params: object, code: int
) -> None:
    answer, _ = await answered(clock, method, params)
    assert answer.error is not UNSET
    assert value(answer.error)["code"] == code


def posted(body: bytes, *, path: str = "/mcp", method: str = "POST") -> Any:
    asked = make_request(path, method=method)

    async def read() -> bytes:
        await trio.lowlevel.checkpoint()
        return body

    asked._body = read  # pyright: ignore[reportPrivateUsage]
    return asked


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (posted(b'{"jsonrpc":"2.0","id":1,"method":"ping"}'), 200),
        (posted(b'{"jsonrpc":"2.0","method":"notifications/initialized"}'), 202),
        (posted(b"nonsense"), 400),
        (posted(b"", method="GET"), 405),
        (posted(b"", path="/other"), 404),
    ],
)
async def test_notes_are_served_over_http(
    notes: DemoServer, request_: Any, status: int
) -> None:
    answer = await NotesPages(notes).handle(request_)
    assert isinstance(answer, Response)
    assert answer.status == status


class Pipe:
    """Both ends of the clock's standard streams."""

    def __init__(self) -> None:
        self.to_server, self._input = trio.open_memory_channel[bytes](10)
        self.lines: list[Frame] = []
        self.ended = trio.Event()

    async def run(self, server: DemoServer) -> None:
        await StdioServing(server, self).serve(self._input)  # pyright: ignore[reportArgumentType]
        self.ended.set()

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.lines.append(decode(data.removesuffix(b"\n")))

    def say(self, frame: Frame) -> None:
        self.to_server.send_nowait(encode(frame) + b"\n")


async def test_a_cancelled_call_ends_and_others_go_on(
    clock: DemoServer, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    pipe = Pipe()
    nursery.start_soon(pipe.run, clock)
    call = {"name": "countdown", "arguments": {"seconds": 5}}
    pipe.say(request("tools/call", call, id="long"))
    pipe.say(request("tools/call", call, id=7))
    await trio.sleep(1.5)
    pipe.say(notification("notifications/cancelled", {"requestId": "long"}))
    pipe.say(notification("notifications/cancelled", {"requestId": "unknown"}))
    pipe.to_server.send_nowait(b"nonsense\n")
    pipe.say(request("ping", id=8))
    await trio.sleep(10)
    assert [frame.id for frame in pipe.lines] == [8, 7]
    pipe.to_server.close()
    with trio.fail_after(1):
        await pipe.ended.wait()
