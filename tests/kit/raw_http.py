"""Requests as raw bytes, for what no well-behaved client would send."""

import trio

from bridge.downstream.answer import json
from bridge.downstream.connection import IDLE_DEADLINE
from bridge.downstream.message import Answer, Request
from kit.front import Front

HOST = b"Host: 127.0.0.1:8080\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"


async def echo(request: Request) -> Answer:
    """Answers with the size of the body."""
    return json({"size": len(await request.body())})


async def until_closed(stream: trio.abc.ReceiveStream) -> bytes:
    """Everything the server still says, and then its end."""
    said = b""
    while part := await stream.receive_some(65536):
        said += part
    return said


async def said_to(front: Front, sent: bytes) -> bytes:
    """What the server answers to raw bytes, the connection's end included."""
    stream = front.listener.connect()
    await stream.send_all(sent)
    with trio.fail_after(IDLE_DEADLINE + 10):
        return await until_closed(stream)
