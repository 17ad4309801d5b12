"""Requests as handlers see them, without a server."""

import trio

from bridge.downstream.message import Request


def make_request(
    path: str = "/mcp",
    *headers: tuple[str, str],
    query: str = "",
    scheme: str = "http",
    method: str = "GET",
    body: bytes = b"",
) -> Request:
    """A request from a client that stays."""

    async def read() -> bytes:
        await trio.lowlevel.checkpoint()
        return body

    return Request(
        method=method,
        path=path,
        query=query,
        headers=headers,
        peer="192.0.2.1",
        scheme=scheme,
        body=read,
        disconnected=trio.sleep_forever,
    )
