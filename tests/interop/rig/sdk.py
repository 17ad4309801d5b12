"""The official SDK as a client of the bridge."""

import gc
import warnings
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any

import httpx2
import trio
from mcp import Client
from mcp.client.session import ElicitationFnT, MessageHandlerFnT
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@asynccontextmanager
async def sdk_client(
    url: str,
    token: str = "",
    *,
    mode: str = "legacy",
    on_message: MessageHandlerFnT | None = None,
    on_question: ElicitationFnT | None = None,
) -> AsyncGenerator[Client]:
    """A connected client; the path of ``url`` chooses the transport."""
    with _forgotten_generators_allowed():
        async with (
            _transport(url, token) as transport,
            Client(
                transport,
                mode=mode,
                message_handler=on_message,
                elicitation_callback=on_question,
                read_timeout_seconds=60,
            ) as client,
        ):
            yield client


@contextmanager
def _forgotten_generators_allowed() -> Generator[None]:
    # The SDK's transports leave httpx2's response generators to the collector, which
    # trio reports. They are collected here, so that no later test meets them.
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Async generator '(httpx2|httpcore2)", ResourceWarning
        )
        try:
            yield
        finally:
            gc.collect()


@asynccontextmanager
async def _transport(
    url: str, token: str
) -> AsyncGenerator[AbstractAsyncContextManager[Any]]:
    async with httpx2.AsyncClient(headers=_headers(token), timeout=60) as http:
        yield (
            sse_client(url, headers=_headers(token))
            if "/sse" in url
            else streamable_http_client(url, http_client=http)
        )


async def tool_names(client: Client) -> list[str]:
    """The names it lists now. Asks the server, not the client's cache."""
    return [tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools]


async def until_listed(
    client: Client, wanted: Callable[[list[str]], bool], within: float = 30
) -> list[str]:
    """The tool names, once they are as ``wanted``."""
    names: list[str] = []
    with trio.move_on_after(within):
        while True:
            if wanted(names := await tool_names(client)):
                return names
            await trio.sleep(0.05)
    raise AssertionError(f"not listed within {within} s, but: {names}")


async def text_of(client: Client, tool: str, **arguments: object) -> str:
    """The text a tool answers; an error result fails the test."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    return "".join(
        block.text for block in result.content if isinstance(block, TextContent)
    )
