"""MCP servers on HTTP that behave badly, one way each. Raw sockets, standard library.

Usage: ``hostile_http.py PORT``. The first part of the path names the behaviour (see
``BEHAVIOURS``); those whose names begin with ``sse_`` speak HTTP+SSE. What a behaviour
does not break works: handshake, ``tools/list`` with one tool ``echo``, its calls.
"""

import json
import queue
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
MEBIBYTE = 2**20
JSON = "application/json"
EVENTS = "text/event-stream"
_SESSION = "session-1"
_HEAD = 65_536


class Asked:
    """One request as it came in."""

    def __init__(self, method: str, path: str, headers: Json, body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.message: Json = json.loads(body) if body else {}

    @property
    def calls(self) -> str:
        """The JSON-RPC method."""
        return str(self.message.get("method", ""))


class Wire:
    """One connection. Ends its thread by OSError when the other side has gone."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._reader = peer.makefile("rb")

    def asked(self) -> Asked | None:
        """The next request; None at the end."""
        line = self._reader.readline(_HEAD).decode("latin-1").split()
        if len(line) < 2:
            return None
        headers: Json = {}
        while (field := self._reader.readline(_HEAD)) not in {b"\r\n", b""}:
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self._reader.read(int(headers.get("content-length", "0")))
        return Asked(line[0], line[1], headers, body)

    def raw(self, data: bytes) -> None:
        self._peer.sendall(data)

    def head(self, status: int, **fields: str) -> None:
        lines = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in fields.items())
        self.raw(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode("latin-1"))

    def whole(self, status: int, body: bytes = b"", **fields: str) -> None:
        self.head(status, content_length=str(len(body)), **fields)
        self.raw(body)

    def json(self, message: Json, **fields: str) -> None:
        self.whole(200, json.dumps(message).encode(), content_type=JSON, **fields)

    def events(self, **fields: str) -> None:
        self.head(200, content_type=EVENTS, connection="close", **fields)

    def event(self, data: bytes | str, name: str = "message") -> None:
        text = data if isinstance(data, bytes) else data.encode()
        self.raw(b"event: %b\ndata: %b\n\n" % (name.encode(), text))

    def reset(self) -> None:
        """Closed with RST."""
        linger = struct.pack("ii", 1, 0)
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._peer.close()


Act = Callable[[Wire, Asked], None]


class Closed(OSError):
    """The behaviour is done with the connection."""


def result_of(asked: Asked) -> Json:
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
    elif "id" not in asked.message or not asked.calls:
        wire.whole(202)
    elif asked.calls == "initialize":
        wire.json(answer_to(asked), mcp_session_id=_SESSION)
    else:
        wire.json(answer_to(asked))


def when(method: str, act: Act) -> Act:
    """Honest but for one JSON-RPC method."""
    return lambda wire, asked: (act if asked.calls == method else honest)(wire, asked)


def on_call(act: Act) -> Act:
    return when("tools/call", act)


def status(code: int, body: bytes = b"", **fields: str) -> Act:
    return lambda wire, _: wire.whole(code, body, **fields)


def then_closed(act: Act) -> Act:
    def closing(wire: Wire, asked: Asked) -> None:
        act(wire, asked)
        raise Closed

    return closing


def raw(data: Callable[[], bytes] | bytes) -> Act:
    """Bytes instead of a response, and the end."""
    return then_closed(
        lambda wire, _: wire.raw(data if isinstance(data, bytes) else data())
    )


def forever(chunk: bytes, head: bytes = b"", pause: float = 0.05) -> Act:
    def act(wire: Wire, _asked: Asked) -> None:
        wire.raw(head)
        while True:
            wire.raw(chunk)
            time.sleep(pause)

    return act


def headed(media: str, *more: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in more)
    return f"HTTP/1.1 200 X\r\ncontent-type: {media}\r\n{lines}\r\n".encode("latin-1")


def silent(_wire: Wire, _asked: Asked) -> None:
    time.sleep(3600)


def reset(wire: Wire, _asked: Asked) -> None:
    wire.reset()
    raise Closed


def to_origin(target: str, code: int = 307) -> Act:
    return status(code, location=target)


def in_circle(wire: Wire, asked: Asked) -> None:
    wire.whole(307, location=f"{asked.path}x")


def trickled(wire: Wire, asked: Asked) -> None:
    body = json.dumps(answer_to(asked)).encode()
    wire.head(200, content_type=JSON, content_length=str(len(body)))
    for octet in body:
        wire.raw(bytes((octet,)))
        time.sleep(1)


def other_id(wire: Wire, asked: Asked) -> None:
    wire.json({**answer_to(asked), "id": "no such"})


def never_the_answer(wire: Wire, asked: Asked) -> None:
    """Streams that end before the answer, each with an id to resume with."""
    wire.events()
    wire.raw(b"retry: 0\nid: %d\n\n" % time.time_ns())
    raise Closed


def session_forgotten(wire: Wire, asked: Asked) -> None:
    if asked.calls in {"initialize", "notifications/initialized"}:
        honest(wire, asked)
    else:
        wire.whole(404)


def stream_closes_at_once(wire: Wire, asked: Asked) -> None:
    if asked.method != "GET":
        honest(wire, asked)
        return
    wire.events()
    raise Closed


def stream_floods(wire: Wire, asked: Asked) -> None:
    if asked.method != "GET":
        honest(wire, asked)
        return
    wire.events()
    requests = b"".join(
        b'data: {"jsonrpc":"2.0","id":%d,"method":"sampling/createMessage"}\n\n' % n
        for n in range(400)
    )
    forever(requests)(wire, asked)


def post_refused(wire: Wire, asked: Asked) -> None:
    """Floods questions, and takes no answer to any."""
    if asked.method == "GET":
        stream_floods(wire, asked)
    elif "id" in asked.message and not asked.calls:
        wire.whole(500)
    else:
        honest(wire, asked)


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


def sse_serve(wire: Wire, asked: Asked) -> None:
    waiting = _streams[asked.path]
    while True:
        wire.event(waiting.get())


def sse_take(wire: Wire, asked: Asked) -> None:
    wire.whole(202)
    if "id" in asked.message and asked.calls:
        _streams[asked.path.split("?")[0]].put(json.dumps(answer_to(asked)))


def sse_stream(act: Act) -> Act:
    """What the GET gets; POSTs are taken."""
    return lambda wire, asked: (act if asked.method == "GET" else sse_take)(wire, asked)


def sse_names(target: str) -> Act:
    def act(wire: Wire, asked: Asked) -> None:
        wire.events()
        wire.event(target, "endpoint")
        silent(wire, asked)

    return sse_stream(act)


def sse_beside(noise: bytes) -> Act:
    """Honest, and these bytes before each event."""

    def act(wire: Wire, asked: Asked) -> None:
        sse_begin(wire, asked)
        waiting = _streams[asked.path]
        while True:
            wire.raw(noise)
            wire.event(waiting.get())

    return sse_stream(act)


def sse_chopped(wire: Wire, asked: Asked) -> None:
    """Mixed line ends, split anywhere: legal."""
    sse_begin(wire, asked)
    waiting = _streams[asked.path]
    while True:
        data = waiting.get().encode()
        for octet in b"\r:c\r\nid: 1\revent:message\r\ndata:" + data + b"\r\n\r":
            wire.raw(bytes((octet,)))
            time.sleep(0.001)


def sse_then(act: Act) -> Act:
    """An endpoint, then this."""

    def first(wire: Wire, asked: Asked) -> None:
        sse_begin(wire, asked)
        act(wire, asked)

    return sse_stream(first)


_LINES = b"data: ab\n" * 7000
_CHUNKED = "transfer-encoding: chunked"
_ELSEWHERE = "http://localhost:9/mcp"
_SECOND = f"event: endpoint\ndata: {_ELSEWHERE}\n\n".encode()

BEHAVIOURS: dict[str, Act] = {
    # statuses: see C20, C21
    "reset": reset,
    "reset_in_call": on_call(reset),
    "closes": raw(b""),
    "status_500": status(500),
    "status_502_html": status(502, b"<html>" * 9000, content_type="text/html"),
    "retry_after_huge": status(503, retry_after="9" * 5000),
    "retry_after_negative": status(503, retry_after="-5"),
    "retry_after_junk": status(503, retry_after="\xff soon; Mon, 99 Foo"),
    "unauthorized": status(401, www_authenticate="Bearer " + "x" * 60_000),
    "unauthorized_call": on_call(status(401)),
    "forbidden": status(403, www_authenticate='Bearer error="insufficient_scope"'),
    "session_forgotten": session_forgotten,
    "status_500_call": on_call(status(500)),
    "status_999": raw(b"HTTP/1.1 999 ?\r\ncontent-length: 0\r\n\r\n"),
    "status_junk": raw(b"HTTP/9.9 abc\r\n\r\n"),
    "not_http": raw(b"220 smtp ready\r\n"),
    "endless_100": forever(b"HTTP/1.1 100 Go on\r\n\r\n" * 50),
    # bodies: see C22
    "html": status(200, b"<html>hello</html>", content_type="text/html"),
    "no_type": status(200, b"{}"),
    "empty": status(200, content_type=JSON),
    "truncated": raw(headed(JSON, "content-length: 5000") + b'{"jsonrpc":'),
    "broken_chunks": raw(headed(JSON, _CHUNKED) + b"zz\r\n{}\r\n"),
    "endless_json": forever(b"[" * 65_536, headed(JSON)),
    "endless_json_call": on_call(forever(b" " * 65_536, headed(JSON))),
    "gzip": status(200, b"\x1f\x8b junk", content_type=JSON, content_encoding="gzip"),
    "huge_header": raw(lambda: headed(JSON, "x: " + "y" * (2 * MEBIBYTE))),
    "illegal_header": raw(lambda: headed(JSON, "no colon " + "y" * 60_000)),
    "header_controls": raw(headed(JSON, "x: \x00\x1b[31m\x07")),
    "many_headers": forever(b"x: y\r\n" * 500, b"HTTP/1.1 200 X\r\n"),
    "trickle": trickled,
    "silent": silent,
    "silent_call": on_call(silent),
    "other_id": on_call(other_id),
    "batch_of_junk": on_call(
        lambda wire, _: wire.whole(
            200, b"[" + b"1," * (7 * MEBIBYTE) + b"1]", content_type=JSON
        )
    ),
    # redirects: see C23
    "redirect_elsewhere": to_origin(_ELSEWHERE),
    "redirect_file": to_origin("file:///etc/passwd"),
    "redirect_name": to_origin("http://xn--zzzzzz-.example/"),
    "redirect_junk": to_origin("http://[::1/\x00"),
    "redirect_circle": in_circle,
    # sessions and streams: see C24, C25
    "session_bad": when(
        "initialize", lambda w, a: w.json(answer_to(a), mcp_session_id="a b\x01c")
    ),
    "session_long": when(
        "initialize", lambda w, a: w.json(answer_to(a), mcp_session_id="s" * 65_000)
    ),
    "never_the_answer": on_call(never_the_answer),
    "stream_closes": stream_closes_at_once,
    "stream_floods": stream_floods,
    "post_refused": post_refused,
    # HTTP+SSE: see C24
    "sse_honest": sse,
    "sse_no_endpoint": sse_stream(forever(b": hi\n\n", headed(EVENTS), 0.5)),
    "sse_silent": sse_stream(forever(b"", headed(EVENTS), 60)),
    "sse_elsewhere": sse_names(_ELSEWHERE),
    "sse_scheme": sse_names("file:///etc/passwd"),
    "sse_name": sse_names("http://xn--zzzzzz-.example/"),
    "sse_junk_endpoint": sse_names("http://[::1/\x00\x1b"),
    "sse_second_endpoint": sse_beside(_SECOND),
    "sse_retry": sse_beside(b"retry: 0\n\nretry: 99999999999999999999\nid: \0\n\n"),
    "sse_bad_utf8": sse_beside(b"data: \xff\xfe\n\nevent: \xff\ndata: {}\n\n"),
    "sse_names_huge": sse_beside(b"f" * MEBIBYTE + b": x\n\n"),
    "sse_chopped": sse_stream(sse_chopped),
    "sse_comments": sse_then(forever(b": nothing\n\n" * 500)),
    "sse_endless_event": sse_then(forever(_LINES, pause=0.02)),
    "sse_endless_line": sse_then(forever(b"data: " + b"x" * 65_000, pause=0.02)),
    "sse_closes": sse_then(raw(b"")),
    "sse_html": status(200, b"<html>", content_type="text/html"),
    "sse_resets": sse_then(reset),
}


def _serve(peer: socket.socket) -> None:
    wire = Wire(peer)
    try:
        while asked := wire.asked():
            BEHAVIOURS[asked.path.split("/")[1]](wire, asked)
    except (OSError, ValueError):
        pass
    wire.close()


def main(port: int) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=_serve, args=(peer,), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
