"""Hostile WebSocket servers, down to their frames (C26). RFC 6455 by hand."""

import base64
import hashlib
import json
import struct
import time
from collections.abc import Callable, Iterator

from kit.hostile.behaviour import Behaviour
from kit.hostile.http_parts import MEBIBYTE, answer_to, raw, silent, status, to
from kit.hostile.http_wire import Act, Asked, Json, Wire

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MUTE = "handshaking took too long|no answer to initialize in time"
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10

#: What is said to one request.
Reply = Callable[[Wire, Json], None]


def frame(kind: int, data: bytes, *, last: bool = True, bits: int = 0) -> bytes:
    """One frame of a server, unmasked."""
    first = kind | bits | (0x80 if last else 0)
    size = len(data)
    if size < 126:
        return bytes((first, size)) + data
    if size < 2**16:
        return bytes((first, 126)) + struct.pack(">H", size) + data
    return bytes((first, 127)) + struct.pack(">Q", size) + data


def accepted(asked: Asked, *more: str) -> bytes:
    """The head that opens a WebSocket."""
    key = asked.headers["sec-websocket-key"].encode()
    token = base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest())
    lines = ("Upgrade: websocket", "Connection: Upgrade", *more)
    fields = (*lines, f"Sec-WebSocket-Accept: {token.decode()}")
    text = "".join(f"{line}\r\n" for line in fields)
    return f"HTTP/1.1 101 X\r\n{text}\r\n".encode()


def opened(protocol: str) -> Act:
    """The handshake alone."""
    return lambda wire, asked: wire.raw(
        accepted(asked, f"Sec-WebSocket-Protocol: {protocol}")
    )


def frames(wire: Wire) -> Iterator[tuple[int, bytes]]:
    """What the client sends: kinds and unmasked data, until it leaves."""
    while len(head := wire.read(2)) == 2:
        size = head[1] & 0x7F
        if size >= 126:
            size = int.from_bytes(wire.read(2 if size == 126 else 8))
        mask = wire.read(4)
        data = wire.read(size)
        yield head[0] & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(data))


def result_line(message: Json) -> bytes:
    """The honest answer."""
    body = json.dumps(message).encode()
    return json.dumps(answer_to(Asked("", "", headers={}, body=body))).encode()


def honest(wire: Wire, message: Json) -> None:
    wire.raw(frame(_TEXT, result_line(message)))


def converse(
    reply: Reply = honest,
    *,
    closes: bool = True,
    before: Callable[[Wire], None] | None = None,
) -> Act:
    """A WebSocket on which each request gets ``reply``."""

    def act(wire: Wire, asked: Asked) -> None:
        wire.raw(accepted(asked, "Sec-WebSocket-Protocol: mcp"))
        if before is not None:
            before(wire)
        for kind, data in frames(wire):
            if kind == _PING:
                wire.raw(frame(_PONG, data))
            elif kind == _CLOSE and closes:
                wire.raw(frame(_CLOSE, data))
            elif kind == _TEXT:
                _answer(wire, json.loads(data), reply)

    return act


def _answer(wire: Wire, message: Json, reply: Reply) -> None:
    if "id" in message and "method" in message:
        reply(wire, message)


def on_call(reply: Reply) -> Act:
    """Honest but for calls."""
    return converse(
        lambda wire, message: (reply if message["method"] == "tools/call" else honest)(
            wire, message
        )
    )


def sent(data: Callable[[bytes], bytes]) -> Reply:
    """The bytes made of the honest answer."""
    return lambda wire, message: wire.raw(data(result_line(message)))


def endless(data: bytes, first: bytes = b"") -> Reply:
    def reply(wire: Wire, _message: Json) -> None:
        wire.raw(first)
        while True:
            wire.raw(data)
            time.sleep(0.02)

    return reply


def resets(wire: Wire, _message: Json) -> None:
    wire.reset()
    raise ConnectionResetError


def pings(wire: Wire, message: Json) -> None:
    """Twenty thousand, and the answer between them."""
    burst = frame(_PING, b"p" * 125) * 500
    for number in range(40):
        wire.raw(burst)
        if number == 20:
            honest(wire, message)


def in_pieces(answer: bytes) -> bytes:
    """Sixteen bytes a frame, with a ping between each two: legal."""
    cuts = range(0, len(answer), 16)
    parts = [
        frame(_CONTINUED if cut else _TEXT, answer[cut : cut + 16], last=False)
        for cut in cuts
    ]
    return frame(_PING, b"").join(parts) + frame(_CONTINUED, b"")


def goes_on(wire: Wire, asked: Asked) -> None:
    """Takes the handshake and never closes: the client's farewell is ignored."""
    converse(closes=False)(wire, asked)


SOCKETS: dict[str, Behaviour[Act]] = {
    "ws_honest": Behaviour("is honest: the control of this table", "C26", converse()),
    "ws_in_pieces": Behaviour(
        "sends each message sixteen bytes a frame, pings between them, which is legal",
        "C26",
        converse(sent(in_pieces)),
    ),
    "ws_oversized": Behaviour(
        "answers a call with a message of 20 MiB",
        "C26",
        on_call(sent(lambda _: frame(_TEXT, b" " * (20 * MEBIBYTE)))),
    ),
    "ws_frame_size_huge": Behaviour(
        "announces a frame of 2^62 bytes",
        "C26",
        on_call(endless(b"x" * 65_536, b"\x81\x7f" + struct.pack(">Q", 2**62))),
    ),
    "ws_no_end": Behaviour(
        "answers a call in fragments without end",
        "C26",
        on_call(
            endless(
                frame(_CONTINUED, b"x" * 65_536, last=False),
                frame(_TEXT, b"[", last=False),
            )
        ),
    ),
    "ws_tiny_fragments": Behaviour(
        "answers a call in empty fragments without end",
        "C26",
        on_call(
            endless(
                frame(_CONTINUED, b"", last=False) * 2000, frame(_TEXT, b"", last=False)
            )
        ),
    ),
    "ws_binary": Behaviour(
        "puts its messages into binary frames",
        "C26",
        converse(sent(lambda answer: frame(_BINARY, answer))),
        _MUTE,
    ),
    "ws_ping_flood": Behaviour(
        "pings twenty thousand times in a call", "C26 C31", on_call(pings)
    ),
    "ws_pongs": Behaviour(
        "sends pongs nobody asked for",
        "C26",
        converse(sent(lambda answer: frame(_PONG, b"x") * 1000 + frame(_TEXT, answer))),
        "pings without end|handshake|^$",
    ),
    "ws_no_close": Behaviour("never answers the farewell", "C26", goes_on),
    "ws_closes": Behaviour(
        "closes after the handshake, for ever",
        "C26 C20",
        converse(before=lambda wire: wire.raw(frame(_CLOSE, b"\x03\xe8bye \x1b[31m"))),
        "was closed",
    ),
    "ws_close_junk": Behaviour(
        "closes with a code that is none",
        "C26",
        on_call(sent(lambda _: frame(_CLOSE, b"\x00"))),
    ),
    "ws_resets": Behaviour("resets in a call", "C26 C20", on_call(resets)),
    "ws_bad_utf8": Behaviour(
        "answers a call with text that is no UTF-8",
        "C26 C37",
        on_call(sent(lambda _: frame(_TEXT, b"\xff\xfe\xc0\x80"))),
    ),
    "ws_reserved_bits": Behaviour(
        "uses bits and kinds of frames that are reserved",
        "C26",
        on_call(sent(lambda answer: frame(5, answer, bits=0x70))),
    ),
    "ws_masked": Behaviour(
        "masks its frames as a client does",
        "C26",
        on_call(sent(lambda _: b"\x81\x82\0\0\0\0{}")),
    ),
    "ws_silent": Behaviour(
        "takes the request for a WebSocket and says nothing",
        "C4 C26",
        silent,
        "did not answer the handshake|took too long",
    ),
    "ws_mute": Behaviour(
        "opens a WebSocket and answers nothing",
        "C4 C26",
        converse(lambda _wire, _message: None),
        _MUTE,
    ),
    "ws_wrong_token": Behaviour(
        "opens a WebSocket with the token of another",
        "C26",
        raw(
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        ),
        "handshake",
    ),
    "ws_wrong_protocol": Behaviour(
        "speaks a subprotocol nobody has offered",
        "C26",
        opened("soap"),
        "handshake|subprotocol",
    ),
    "ws_refused": Behaviour(
        "answers 500 instead", "C20 C26", status(500), "500|refused|handshake"
    ),
    "ws_redirects": Behaviour(
        "redirects elsewhere",
        "C23 C26",
        to("ws://localhost:9/mcp"),
        "307|refused|handshake",
    ),
    "ws_no_http": Behaviour(
        "sends frames before any handshake",
        "C26",
        raw(frame(_TEXT, b"{}")),
        "handshake|broke",
    ),
}
