"""What servers on HTTP are made of: honest ones, and the ways to bend them.

What a behaviour does not break works: handshake, ``tools/list`` with one tool ``echo``,
its calls.
"""

import json
import queue
import time
from collections.abc import Callable

from kit.hostile.http_wire import EVENTS, JSON, Act, Asked, Closed, Json, Wire, head

MEBIBYTE = 2**20
Bytes = bytes | Callable[[], bytes]
SESSION = "session-1"
#: Another origin, where nobody listens.
ELSEWHERE = "http://localhost:9/mcp"


def made(data: Bytes) -> bytes:
    """What is large is made when it is needed."""
    return data if isinstance(data, bytes) else data()


def result_of(asked: Asked) -> Json:
    """What an honest server answers."""
    match asked.calls:
        case "initialize":
            return {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "hostile", "version": "1"},
            }
        case "tools/list":
            schema = {"type": "object"}
            return {"tools": [{"name": "echo", "inputSchema": schema}]}
        case "tools/call":
            return {"content": [{"type": "text", "text": "honest"}]}
        case _:
            return {}


def answer_to(asked: Asked) -> Json:
    return {"jsonrpc": "2.0", "id": asked.message["id"], "result": result_of(asked)}


def honest(wire: Wire, asked: Asked) -> None:
    """Streamable HTTP as it should be, without a stream of its own."""
    if asked.method != "POST":
        wire.whole(405)
    elif not asked.wants_answer:
        wire.whole(202)
    elif asked.calls == "initialize":
        wire.json(answer_to(asked), mcp_session_id=SESSION)
    else:
        wire.json(answer_to(asked))


# --- where it is bent ---


def when(method: str, act: Act) -> Act:
    """Honest but for one JSON-RPC method."""
    return lambda wire, asked: (act if asked.calls == method else honest)(wire, asked)


def on_call(act: Act) -> Act:
    return when("tools/call", act)


def to_requests(act: Act) -> Act:
    """Honest to notifications and to what is no POST."""
    return lambda wire, asked: (act if asked.wants_answer else honest)(wire, asked)


def on_stream(act: Act) -> Act:
    """Honest but for the stream a client opens by GET."""
    return lambda wire, asked: (act if asked.method == "GET" else honest)(wire, asked)


def on_delete(act: Act) -> Act:
    """Honest but for the end of its session."""
    return lambda wire, asked: (act if asked.method == "DELETE" else honest)(
        wire, asked
    )


def on_notice(act: Act) -> Act:
    """Honest to requests alone."""

    def noticed(wire: Wire, asked: Asked) -> None:
        notice = asked.method == "POST" and not asked.wants_answer
        (act if notice else honest)(wire, asked)

    return noticed


# --- how ---


def status(code: int, body: Bytes = b"", **fields: str) -> Act:
    return lambda wire, _: wire.whole(code, made(body), **fields)


def ok(body: Bytes, **fields: str) -> Act:
    """A body of JSON, or of what is said to be."""
    return lambda wire, _: wire.whole(200, made(body), content_type=JSON, **fields)


def ok_of(body: Callable[[Asked], bytes]) -> Act:
    """A body of JSON made for what was asked."""
    return lambda wire, asked: wire.whole(200, body(asked), content_type=JSON)


def then_closed(act: Act) -> Act:
    def closing(wire: Wire, asked: Asked) -> None:
        act(wire, asked)
        raise Closed

    return closing


def said(data: Bytes) -> Act:
    """Bytes instead of a response."""
    return lambda wire, _: wire.raw(made(data))


def raw(data: Bytes) -> Act:
    """Bytes instead of a response, and the end."""
    return then_closed(said(data))


def forever(chunk: bytes, first: bytes = b"", pause: float = 0.05) -> Act:
    def act(wire: Wire, _asked: Asked) -> None:
        wire.raw(first)
        while True:
            wire.raw(chunk)
            time.sleep(pause)

    return act


def headed(media: str, *more: str) -> bytes:
    """The head of a good response, with these lines."""
    return head(200, *more, content_type=media)


def silent(_wire: Wire, _asked: Asked) -> None:
    time.sleep(3600)


def reset(wire: Wire, _asked: Asked) -> None:
    wire.reset()
    raise Closed


def half_closed(wire: Wire, _asked: Asked) -> None:
    """The end of what it says, and no more."""
    wire.half_close()
    time.sleep(3600)


def after(seconds: float, act: Act) -> Act:
    def late(wire: Wire, asked: Asked) -> None:
        time.sleep(seconds)
        act(wire, asked)

    return late


def both(first: Act, second: Act) -> Act:
    def act(wire: Wire, asked: Asked) -> None:
        first(wire, asked)
        second(wire, asked)

    return act


def to(target: str, code: int = 307) -> Act:
    """A redirect."""
    return status(code, location=target)


def bytes_of(asked: Asked) -> bytes:
    return json.dumps(answer_to(asked)).encode()


def trickled(seconds: float, *, cut: int = 0) -> Act:
    """The honest body one byte at a time; reset after ``cut`` bytes, if any."""

    def act(wire: Wire, asked: Asked) -> None:
        body = bytes_of(asked)
        wire.head(200, content_type=JSON, content_length=str(len(body)))
        for octet in body[: cut or None]:
            wire.raw(bytes((octet,)))
            time.sleep(seconds)
        if cut:
            reset(wire, asked)

    return act


def with_length(wrong: Callable[[int], str]) -> Act:
    """The honest body under another length."""

    def act(wire: Wire, asked: Asked) -> None:
        body = bytes_of(asked)
        wire.raw(headed(JSON, f"content-length: {wrong(len(body))}") + body)
        raise Closed

    return act


def with_members(**members: object) -> Act:
    """The honest answer with other members."""
    return lambda wire, asked: wire.json({**answer_to(asked), **members})


# --- HTTP+SSE ---

_streams: dict[str, "queue.Queue[str]"] = {}


def sse(wire: Wire, asked: Asked) -> None:
    """HTTP+SSE as it should be: one stream per behaviour is enough here."""
    if asked.method == "GET":
        sse_begin(wire, asked)
        sse_serve(wire, asked)
    else:
        sse_take(wire, asked)


def sse_begin(wire: Wire, asked: Asked) -> None:
    _streams[asked.path.split("?")[0]] = queue.Queue()
    wire.events()
    wire.event(f"{asked.path}?post", "endpoint")


def sse_serve(
    wire: Wire, asked: Asked, write: Callable[[bytes], None] | None = None
) -> None:
    """Whatever is to be said, by ``write`` or as one event each."""
    waiting = _streams[asked.path]
    while True:
        (write or wire.event)(waiting.get().encode())


def sse_take(wire: Wire, asked: Asked) -> None:
    wire.whole(202)
    sse_answer(asked)


def sse_answer(asked: Asked) -> None:
    if asked.wants_answer:
        _streams[asked.path.split("?")[0]].put(json.dumps(answer_to(asked)))


def sse_stream(act: Act) -> Act:
    """What the GET gets; POSTs are taken."""
    return lambda wire, asked: (act if asked.method == "GET" else sse_take)(wire, asked)


def sse_post(act: Act) -> Act:
    """What the POSTs get; the stream is honest."""
    return lambda wire, asked: (sse if asked.method == "GET" else act)(wire, asked)


def sse_then(act: Act) -> Act:
    """An endpoint, then this."""
    return sse_stream(both(sse_begin, act))


def sse_names(target: str) -> Act:
    """This endpoint, and nothing after it."""

    def act(wire: Wire, _asked: Asked) -> None:
        wire.events()
        wire.event(target, "endpoint")
        time.sleep(3600)

    return sse_stream(act)


def sse_beside(noise: Bytes) -> Act:
    """Honest, and these bytes before each event."""
    return sse_written(lambda wire, data: (wire.raw(made(noise)), wire.event(data))[1])


def sse_written(write: Callable[[Wire, bytes], None]) -> Act:
    """Honest, each message put on the stream by ``write``."""
    return sse_then(
        lambda wire, asked: sse_serve(wire, asked, lambda data: write(wire, data))
    )


def streaming(first: bytes, pause: float = 60) -> Act:
    """A stream of events that begins so and goes on with nothing."""
    return forever(b"", head(200, content_type=EVENTS) + first, pause)
