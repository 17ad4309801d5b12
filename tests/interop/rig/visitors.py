"""Clients that come and go, each in another way; none of them stays to the end."""

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from interop.rig.caller import McpCaller, Post, SseCaller, cut
from interop.rig.event_stream import handshake, request

Visitor = Callable[[int], Awaitable[None]]


async def _connect(port: int) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", port)


async def knock(port: int) -> None:
    """Connect, say half a line, vanish."""
    stream = await _connect(port)
    await stream.send_all(b"GET /sse HT")
    cut(stream)


async def _open_sse(port: int) -> trio.SocketStream:
    stream = await _connect(port)
    await stream.send_all(
        f"GET /sse HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()
    )
    said = b""
    while b"event: endpoint" not in said:
        part = await stream.receive_some(4096)
        assert part, said
        said += part
    return stream


async def look(port: int) -> None:
    """Open ``/sse`` and close it, without a handshake."""
    await (await _open_sse(port)).aclose()


async def look_and_vanish(port: int) -> None:
    """Open ``/sse`` and vanish."""
    cut(await _open_sse(port))


async def _sse(port: int, *, in_a_call: bool, vanish: bool) -> None:
    caller = SseCaller(port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller.read)
        await caller.open()
        if in_a_call:
            await caller.begin(1, "up__sleep", {"seconds": 2, "marker": "left"})
        else:
            await caller.call(1, "up__echo", {"text": "hello"})
        if vanish:
            caller.vanish()
        nursery.cancel_scope.cancel()
    await caller.aclose()


async def _mcp(port: int, *, in_a_call: bool, delete: bool) -> None:
    caller = McpCaller(port)
    await caller.open()
    if in_a_call:
        post = Post(port)
        asked = request(1, "tools/call", _SLEEP)
        await post.send("/mcp", asked, mcp_session_id=caller.session)
        post.vanish()
    else:
        await caller.call(1, "up__echo", {"text": "hello"})
    if delete:
        await caller.delete()
    await caller.aclose()


_SLEEP = {"name": "up__sleep", "arguments": {"seconds": 2, "marker": "left"}}


async def begin_and_vanish(port: int) -> None:
    """Vanish in the middle of ``initialize``."""
    post = Post(port)
    await post.send("/mcp", handshake(0))
    post.vanish()


#: All of them, the quick ones twice, so that a run takes a bearable time.
VISITORS: tuple[Visitor, ...] = (
    knock,
    look,
    look_and_vanish,
    begin_and_vanish,
    look,
    look_and_vanish,
    partial(_sse, in_a_call=False, vanish=False),
    partial(_sse, in_a_call=False, vanish=True),
    partial(_sse, in_a_call=True, vanish=False),
    partial(_sse, in_a_call=True, vanish=True),
    partial(_mcp, in_a_call=False, delete=True),
    partial(_mcp, in_a_call=False, delete=False),
    partial(_mcp, in_a_call=True, delete=True),
    partial(_mcp, in_a_call=True, delete=False),
)
