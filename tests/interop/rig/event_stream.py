"""A bare client that keeps every message it is sent, repeated ones too.

The SDK drops what it did not ask for; to prove "exactly one answer" somebody must look.
"""

import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio

Json = dict[str, Any]

_SOON = 15.0


def read_number(digits: str) -> float:
    """A hostile server's number may have more digits than Python reads."""
    return int(digits) if len(digits) < 1000 else float("inf")


def request(number: int, method: str, params: Json | None = None) -> Json:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}


def handshake(number: int) -> Json:
    """The ``initialize`` request of a legacy client without capabilities."""
    client = {"name": "bare", "version": "1"}
    asked = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    return request(number, "initialize", asked)


INITIALIZED: Json = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class BareClient:
    """One session on ``/sse``. ``received`` grows; ``ended`` says how it ended."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._endpoint = ""
        self._numbers = itertools.count(1)
        self.received: list[Json] = []
        self.ended = trio.Event()
        self.broken: httpx.TransportError | None = None

    async def read(self, url: str) -> None:
        """Keep what comes until the stream ends; a broken end is remembered."""
        try:
            async with self._http.stream("GET", url) as response:
                response.raise_for_status()
                await self._keep(response)
        except httpx.TransportError as error:
            self.broken = error
        self.ended.set()

    async def _keep(self, response: httpx.Response) -> None:
        """By bytes: to some, other characters end lines, too."""
        event, held = b"", bytearray()
        async for part in response.aiter_bytes():
            held += part
            if b"\n" not in part:
                continue
            *lines, rest = bytes(held).split(b"\n")
            held = bytearray(rest)
            for line in lines:
                field, _, value = line.removesuffix(b"\r").partition(b": ")
                if field == b"event":
                    event = value
                elif field == b"data" and event == b"endpoint":
                    self._endpoint = str(response.url.join(value.decode()))
                elif field == b"data":
                    self.received.append(json.loads(value, parse_int=read_number))

    async def open(self) -> None:
        """The handshake."""
        with trio.fail_after(_SOON):
            while not self._endpoint:  # noqa: ASYNC110 - set by the reading task
                await trio.sleep(0.01)
        number = next(self._numbers)
        await self._post(handshake(number))
        await self.answer(number)
        await self._post(INITIALIZED)

    async def _post(self, message: Json) -> None:
        (await self._http.post(self._endpoint, json=message)).raise_for_status()

    async def call(self, tool: str, **arguments: object) -> int:
        """Send a call and return its number, without waiting for the answer."""
        number = next(self._numbers)
        params = {"name": tool, "arguments": arguments}
        await self._post(request(number, "tools/call", params))
        return number

    async def ask(self, method: str) -> int:
        """Send any request and return its number."""
        number = next(self._numbers)
        await self._post(request(number, method))
        return number

    def answers(self, number: int) -> list[Json]:
        """Every answer to that request so far."""
        return [
            message
            for message in self.received
            if message.get("id") == number and "method" not in message
        ]

    async def answer(self, number: int, within: float = _SOON) -> Json:
        """The answer to that request, awaited."""
        with trio.fail_after(within):
            while True:
                if found := self.answers(number):
                    return found[0]
                await trio.sleep(0.01)

    def notified(self, method: str) -> int:
        """How many notifications of this kind came."""
        return sum(message.get("method") == method for message in self.received)


@asynccontextmanager
async def bare_client(base: str) -> AsyncGenerator[BareClient]:
    """An open session on ``base/sse``."""
    async with (
        httpx.AsyncClient(timeout=60, verify=False) as http,
        trio.open_nursery() as nursery,
    ):
        client = BareClient(http)
        nursery.start_soon(client.read, f"{base}/sse")
        await client.open()
        yield client
        nursery.cancel_scope.cancel()
