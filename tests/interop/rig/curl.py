"""``curl`` as a client of the bridge: what a person pastes into a terminal."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import trio

from interop.rig.process import Running

Json = dict[str, Any]

INITIALIZE: Json = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "curl", "version": "8"},
    },
}
INITIALIZED: Json = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST: Json = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


def call(tool: str, **arguments: object) -> Json:
    """The frame that calls ``tool``, with id 3."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}


class Answer:
    """One response: status line, headers (lower case) and body."""

    def __init__(self, raw: str) -> None:
        head, _, self.body = raw.replace("\r\n", "\n").partition("\n\n")
        first, *lines = head.split("\n")
        self.status = int(first.split()[1])
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}

    def message(self) -> Json:
        """The one JSON-RPC message of the body, JSON or event stream."""
        if "event-stream" not in self.headers.get("content-type", ""):
            return cast("Json", json.loads(self.body))
        data = re.findall(r"^data: ?(.*)$", self.body, re.MULTILINE)
        return cast("Json", json.loads(data[-1]))


class Curl:
    """Runs curl; every request carries the token, if there is one."""

    def __init__(self, folder: Path, token: str = "") -> None:
        self._folder = folder
        self._authorization = ["-H", f"Authorization: Bearer {token}"] if token else []
        self._runs = 0

    def start(self, url: str, *options: str) -> Running:
        """A curl that may go on for long, its output in its ``stdout`` file."""
        self._runs += 1
        command = ["curl", "-sS", "-N", "-i", *self._authorization, *options, url]
        return Running(command, self._folder / str(self._runs))

    async def get(self, url: str, *options: str) -> Answer:
        """A finished response."""
        running = self.start(url, "--max-time", "30", *options)
        try:
            status = await running.ended(35)
        finally:
            running.end()
        if status != 0:
            raise running.failed("curl failed")
        return Answer(running.stdout.read_bytes().decode("utf-8"))

    async def post(self, url: str, message: Json, *headers: str) -> Answer:
        """POST one JSON-RPC message as streamable HTTP wants it."""
        accept = "Accept: application/json, text/event-stream"
        every = ("Content-Type: application/json", accept, *headers)
        options = [part for header in every for part in ("-H", header)]
        return await self.get(url, *options, "--data-binary", json.dumps(message))

    async def open_mcp(self, url: str) -> str:
        """Handshake on ``/mcp``; gives the session header to send from now on."""
        opened = await self.post(url, INITIALIZE)
        assert opened.status == 200, opened.body
        session = f"Mcp-Session-Id: {opened.headers['mcp-session-id']}"
        assert (await self.post(url, INITIALIZED, session)).status == 202
        return session


class CurlStream:
    """An event stream that one curl reads while others post."""

    def __init__(self, curl: Curl, running: Running, base: str) -> None:
        self._curl = curl
        self._running = running
        self._base = base

    def _data(self, event: str) -> list[str]:
        said = self._running.stdout.read_text("utf-8").replace("\r\n", "\n")
        pattern = rf"^event: ?{event}\ndata: ?(.*)$"
        return re.findall(pattern, said, re.MULTILINE)

    async def endpoint(self) -> str:
        """Where to post to: the first event."""
        with trio.fail_after(10):
            while True:
                if found := self._data("endpoint"):
                    return self._base + found[0]
                await trio.sleep(0.02)

    async def ask(self, message: Json) -> Json:
        """POST a message, and its answer from the stream."""
        accepted = await self._curl.post(await self.endpoint(), message)
        assert accepted.status == 202, accepted.body
        return await self._answer(message["id"]) if "id" in message else {}

    async def _answer(self, wanted: int) -> Json:
        with trio.fail_after(30):
            while True:
                for data in self._data("message"):
                    message = cast("Json", json.loads(data))
                    if message.get("id") == wanted and "method" not in message:
                        return message
                await trio.sleep(0.02)


@asynccontextmanager
async def curl_stream(curl: Curl, base: str, path: str) -> AsyncGenerator[CurlStream]:
    """An open event stream with the handshake done."""
    running = curl.start(base + path, "-H", "Accept: text/event-stream")
    stream = CurlStream(curl, running, base)
    try:
        await stream.ask(INITIALIZE)
        await stream.ask(INITIALIZED)
        yield stream
    finally:
        running.end()
