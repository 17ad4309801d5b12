"""A bridge made of the official Python SDK: its server relays to its clients.

``sdk_bridge.py PORT COMMAND...``: ``s__NAME`` goes to a stdio server started by the
command, ``h__NAME`` to the streamable HTTP server named in the environment (UPSTREAM).
No authentication, no supervision, no lists: the least a bridge could do.
"""

import asyncio
import os
import sys
from typing import Any

import uvicorn
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)


async def _list(
    _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
) -> ListToolsResult:
    return ListToolsResult(tools=[])


async def _main() -> None:
    command = StdioServerParameters(command=sys.argv[2], args=sys.argv[3:])
    async with (
        Client(command, mode="legacy") as stdio,
        Client(os.environ["UPSTREAM"], mode="legacy") as http,
    ):
        upstreams = {"s": stdio, "h": http}

        async def call(
            _context: ServerRequestContext[Any], params: CallToolRequestParams
        ) -> CallToolResult:
            prefix, _, name = params.name.partition("__")
            upstream = upstreams[prefix].session
            return await upstream.call_tool(name, params.arguments)

        server = Server[Any]("bench", on_list_tools=_list, on_call_tool=call)
        config = uvicorn.Config(
            server.streamable_http_app(json_response=True),
            port=int(sys.argv[1]),
            log_level="error",
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(_main())
