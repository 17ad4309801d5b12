"""A bare client on ``/mcp`` that keeps every message it is sent, repeated ones too."""

import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from interop.rig.event_stream import INITIALIZED, Json, handshake, read_number, request

_ACCEPT = {"accept": "application/json, text/event-stream"}


class BareMcpClient:
    """One session; calls of many tasks may be on their way at once."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._headers = dict(_ACCEPT)
        self._numbers = itertools.count(1)

    async def open(self) -> None:
        """The handshake."""
        said = await self._http.post(
            self._url, json=handshake(0), headers=self._headers
        )
        self._headers["mcp-session-id"] = said.headers["mcp-session-id"]
        said = await self._http.post(self._url, json=INITIALIZED, headers=self._headers)
        assert said.status_code == 202, said

    async def call(self, tool: str, **arguments: object) -> list[Json]:
        """Every answer to one call: one, if all is well."""
        number = next(self._numbers)
        asked = request(number, "tools/call", {"name": tool, "arguments": arguments})
        said = await self._http.post(self._url, json=asked, headers=self._headers)
        said.raise_for_status()
        return [
            message
            for message in _messages(said)
            if message.get("id") == number and "method" not in message
        ]


def _messages(said: httpx.Response) -> list[Json]:
    if said.headers["content-type"] == "application/json":
        return [json.loads(said.content, parse_int=read_number)]
    lines = said.content.split(b"\n")
    return [
        json.loads(line[6:], parse_int=read_number)
        for line in lines
        if line.startswith(b"data: ")
    ]


@asynccontextmanager
async def bare_mcp_client(base: str) -> AsyncGenerator[BareMcpClient]:
    """An open session on ``base/mcp``."""
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(timeout=60, limits=limits, verify=False) as http:
        client = BareMcpClient(http, f"{base}/mcp")
        await client.open()
        yield client
