"""A server of the official SDK for the link tests: ``sdk_links.py HOW [PORT]``."""

import argparse
import os
import sys
from typing import Any, Literal, cast

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http import (
    EventCallback,
    EventId,
    EventMessage,
    EventStore,
    StreamId,
)
from mcp_types import JSONRPCMessage
from pydantic import BaseModel

server = MCPServer("links", version="1.2.3", log_level="ERROR")


class Colour(BaseModel):
    """What the user is asked for."""

    name: str


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def environment() -> list[str]:
    """The names of all environment variables."""
    return sorted(os.environ)


@server.tool()
def echo(text: str) -> str:
    """The same text."""
    return text


@server.tool()
async def count(ctx: Context[Any], steps: int) -> str:
    """Report progress at every step."""
    for step in range(steps):
        await ctx.report_progress(step + 1, steps)
    return "counted"


@server.tool()
async def ask(ctx: Context[Any]) -> str:
    """Ask the user for a colour."""
    answer = await ctx.elicit("Which colour?", Colour)
    return answer.data.name if answer.action == "accept" else answer.action


@server.tool()
async def nap(seconds: float) -> str:
    """Sleep."""
    await anyio.sleep(seconds)
    return "awake"


@server.tool()
async def poll(ctx: Context[Any]) -> str:
    """Close the call's stream before the answer (the client has to resume)."""
    await ctx.close_sse_stream()
    await anyio.sleep(0.2)
    return "resumed"


@server.tool()
def die(status: int) -> str:
    """End the process at once."""
    sys.stderr.write("dying as told\n")
    sys.stderr.flush()
    os._exit(status)


class Events(EventStore):
    """Keeps every event, to replay."""

    def __init__(self) -> None:
        self._events: list[tuple[StreamId, JSONRPCMessage | None]] = []

    async def store_event(
        self, stream_id: StreamId, message: JSONRPCMessage | None
    ) -> EventId:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(
        self, last_event_id: EventId, send_callback: EventCallback
    ) -> StreamId | None:
        first = int(last_event_id)
        wanted = self._events[first - 1][0]
        for number, (stream, message) in enumerate(self._events[first:], first + 1):
            if stream == wanted and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return wanted


def _serve(app: Any, port: int) -> None:
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", ws="none")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("transport")
    parser.add_argument("port", type=int, nargs="?", default=0)
    options = parser.parse_args()
    transport = cast(
        "Literal['stdio', 'sse', 'http', 'json', 'resumable']", options.transport
    )
    match transport:
        case "stdio":
            server.run("stdio")
        case "sse":
            _serve(server.sse_app(), options.port)
        case "http":
            _serve(server.streamable_http_app(), options.port)
        case "json":
            _serve(server.streamable_http_app(json_response=True), options.port)
        case "resumable":
            app = server.streamable_http_app(event_store=Events(), retry_interval=300)
            _serve(app, options.port)


if __name__ == "__main__":
    main()
