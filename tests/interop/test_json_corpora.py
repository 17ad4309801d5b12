"""The public JSON suite and naughty strings, sent to every entrance of a real bridge.

Whatever a client says: no answer of the 500s, nothing of our inside in any answer, and
the next request on the same connection is served.
"""

import http.client
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.event_stream import handshake, request
from interop.rig.raw_client import RawMcp, RawStream
from interop.rig.servers import scripted_entry
from kit.corpus import json_suite, naughty_strings

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

Json = dict[str, Any]
Body = Callable[[str], Json]
#: What only an accident could put into an answer.
LEAKS = re.compile(
    rb"Traceback|File \\?\"|msgspec|hypercorn|h11|trio|site-packages|\.py\b"
)
ACCEPTS = "application/json, text/event-stream"


class Wire:
    """One connection of a client, kept from request to request."""

    def __init__(self, bridge: RunningBridge) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=20)
        self.session = RawMcp(bridge).session

    def post(self, body: bytes, path: str = "/mcp", **headers: str) -> bytes:
        """The body of the answer, which must be fit to be seen."""
        given = {
            "content-type": "application/json",
            "accept": ACCEPTS,
            "mcp-session-id": self.session,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self._said("POST", path, body=body, headers=given)

    def get(self, path: str, **headers: str) -> bytes:
        return self._said("GET", path, body=None, headers=headers)

    def close(self) -> None:
        self._http.close()

    def echo(self, text: str) -> str:
        """What the tool ``echo`` makes of it."""
        return self.call(text)["result"]["content"][0]["text"]

    def call(self, text: str) -> Json:
        params = {"name": "up__echo", "arguments": {"text": text}}
        said = self.post(json.dumps(request(1, "tools/call", params)).encode())
        return json.loads(said)

    def _said(
        self, method: str, path: str, *, body: bytes | None, headers: dict[str, str]
    ) -> bytes:
        self._http.request(method, path, body=body, headers=headers)
        response = self._http.getresponse()
        said = response.read()
        assert response.status < 500, (response.status, body, said)
        shown = said if body is None else said.replace(body, b"")
        assert not LEAKS.search(shown), said
        assert not LEAKS.search(str(response.headers).encode()), response.headers
        return said


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBridge]:
    folder = tmp_path_factory.mktemp("corpora")
    config = {"mcpServers": {"up": scripted_entry()}}
    with running_bridge(config, folder, args=["--no-auth"]) as running:
        yield running


@pytest.fixture
def wire(bridge: RunningBridge) -> Iterator[Wire]:
    made = Wire(bridge)
    with closing(made):
        yield made
        assert made.echo("still here") == "still here"


def around(before: bytes, after: bytes = b"}") -> Callable[[bytes], bytes]:
    return lambda data: b'{"jsonrpc":"2.0",' + before + data + after


#: Where a piece of foreign JSON may stand in what a client sends.
PLACES: dict[str, Callable[[bytes], bytes]] = {
    "the whole body": lambda data: data,
    "an id": around(b'"method":"ping","id":'),
    "a method": around(b'"id":1,"method":'),
    "params": around(b'"id":1,"method":"tools/call","params":'),
    "a tool's name": around(b'"id":1,"method":"tools/call","params":{"name":', b"}}"),
    "arguments": around(
        b'"id":1,"method":"tools/call","params":{"name":"up__pid","arguments":', b"}}"
    ),
    "a cursor": around(b'"id":1,"method":"tools/list","params":{"cursor":', b"}}"),
    "an address": around(b'"id":1,"method":"resources/read","params":{"uri":', b"}}"),
    "a log level": around(
        b'"id":1,"method":"logging/setLevel","params":{"level":', b"}}"
    ),
    "a completion": around(
        b'"id":1,"method":"completion/complete","params":{"ref":', b"}}"
    ),
    "a cancellation": around(
        b'"method":"notifications/cancelled","params":{"requestId":', b"}}"
    ),
    "an answer": around(b'"id":"b-1","result":'),
    "an error": around(b'"id":"b-1","error":'),
    "_meta": around(
        b'"id":1,"method":"tools/call","params":{"name":"up__pid","_meta":', b"}}"
    ),
    "a greeting": around(b'"id":1,"method":"initialize","params":'),
    "capabilities": around(
        b'"id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
        b'"clientInfo":{"name":"","version":""},"capabilities":',
        b"}}",
    ),
}


@pytest.mark.requirement("B8", "B9")
@pytest.mark.parametrize("place", PLACES)
def test_foreign_json_is_taken_or_refused_at_the_mcp_address(
    wire: Wire, place: str
) -> None:
    for data in json_suite().values():
        wire.post(PLACES[place](data))


@pytest.mark.requirement("B8")
@pytest.mark.parametrize("place", ["the whole body", "params", "an answer"])
def test_foreign_json_is_taken_or_refused_in_a_session_of_events(
    bridge: RunningBridge, wire: Wire, place: str
) -> None:
    stream = RawStream(bridge)
    with stream.socket:
        stream.greet()
        for data in json_suite().values():
            wire.post(PLACES[place](data), stream.endpoint)
        assert stream.call(1, "up__echo", text="served") == 202


@pytest.mark.requirement("B8")
def test_a_greeting_of_foreign_json_opens_nothing_that_is_not_one(
    bridge: RunningBridge, wire: Wire
) -> None:
    for data in json_suite().values():
        said = wire.post(PLACES["a greeting"](data), mcp_session_id="")
        assert b'"serverInfo"' not in said


def named(method: str, *path: str) -> Body:
    """A request with the text at this place of its params."""

    def made(text: str) -> Json:
        params: Any = text
        for key in reversed(path):
            params = {key: params}
        return request(1, method, params)

    return made


def greeting(text: str) -> Json:
    asked = handshake(1)
    asked["params"]["clientInfo"] = {"name": text, "version": text, "title": text}
    return asked


TEXTS: dict[str, Body] = {
    "a method": lambda text: request(1, text),
    "an id": lambda text: {**request(1, "ping"), "id": text},
    "a tool's name": named("tools/call", "name"),
    "a cursor": named("tools/list", "cursor"),
    "an address": named("resources/read", "uri"),
    "a subscription": named("resources/subscribe", "uri"),
    "a prompt's name": named("prompts/get", "name"),
    "a log level": named("logging/setLevel", "level"),
    "a template": named("completion/complete", "ref", "uri"),
    "a greeting": greeting,
}


@pytest.mark.requirement("B3", "B8")
@pytest.mark.parametrize("place", TEXTS)
def test_naughty_strings_are_only_strings(wire: Wire, place: str) -> None:
    for text in naughty_strings():
        wire.post(json.dumps(TEXTS[place](text)).encode())


@pytest.mark.requirement("B9")
def test_naughty_strings_go_to_a_tool_and_come_back(wire: Wire) -> None:
    for text in naughty_strings():
        assert wire.echo(text) == text


@pytest.mark.requirement("B3", "A33")
def test_naughty_strings_in_addresses_and_headers_lead_nowhere(wire: Wire) -> None:
    for text in naughty_strings():
        wire.get(f"/{quote(text, safe='')}")
        wire.get(f"/sse/{quote(text, safe='')}")
        wire.post(b"{}", f"/messages?session_id={quote(text, safe='')}")
        if text.isascii() and text.isprintable():
            wire.post(b"{}", mcp_session_id=text)
            wire.get("/mcp", accept=text, last_event_id=text)


def test_nothing_has_crashed_and_no_line_of_the_log_was_forged(
    bridge: RunningBridge,
) -> None:
    """The last of this page, when it is read in order; true at any time."""
    assert bridge.events("child.crashed") == []
    for line in bridge.process.output().splitlines():
        assert json.loads(line)["event"]
        assert line.isprintable() or "\u202e" not in line
