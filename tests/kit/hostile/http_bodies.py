"""Servers on HTTP with broken messages and connections (C20, C22, C30, C37)."""

import gzip
import json
import zlib

from kit.hostile.behaviour import Behaviour
from kit.hostile.http_parts import (
    MEBIBYTE,
    after,
    answer_to,
    both,
    bytes_of,
    forever,
    half_closed,
    headed,
    honest,
    ok,
    ok_of,
    on_call,
    raw,
    reset,
    said,
    silent,
    status,
    then_closed,
    to_requests,
    trickled,
    when,
    with_length,
    with_members,
)
from kit.hostile.http_wire import JSON, Act, Asked, Wire

_MUTE = "handshaking took too long|no answer to initialize in time"
_CHUNKED = "transfer-encoding: chunked"
_DEEP = b"[" * 100_000 + b"]" * 100_000


def zipped(wire: Wire, asked: Asked) -> None:
    body = gzip.compress(bytes_of(asked))
    wire.whole(200, body, content_type=JSON, content_encoding="gzip")


def bomb() -> bytes:
    """So many blanks that their gzip is a thousand times smaller."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    blanks = b" " * MEBIBYTE
    return b"".join(packer.compress(blanks) for _ in range(64)) + packer.flush()


def chunked(size: int) -> Act:
    """The honest body in chunks of this size, and a trailer."""

    def act(wire: Wire, asked: Asked) -> None:
        body = bytes_of(asked)
        wire.raw(headed(JSON, _CHUNKED))
        for start in range(0, len(body), size):
            part = body[start : start + size]
            wire.raw(b"%x;ext=1\r\n%b\r\n" % (len(part), part))
        wire.raw(b"0\r\nx-trailer: 1\r\n\r\n")

    return act


def to_the_end(wire: Wire, asked: Asked) -> None:
    """A body whose end is the connection's."""
    wire.raw(headed(JSON, "connection: close") + bytes_of(asked))


def bare_newlines(wire: Wire, asked: Asked) -> None:
    body = bytes_of(asked)
    wire.raw(b"HTTP/1.1 200 OK\ncontent-type: application/json\n")
    wire.raw(b"content-length: %d\n\n%b" % (len(body), body))


def older(wire: Wire, asked: Asked) -> None:
    wire.raw(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n")
    wire.raw(bytes_of(asked))


def as_text(asked: Asked) -> bytes:
    """The honest answer, its id as a text."""
    return json.dumps({**answer_to(asked), "id": str(asked.message["id"])}).encode()


def leftovers(wire: Wire, asked: Asked) -> None:
    """An answer nobody has asked for, behind the one that was."""
    honest(wire, asked)
    wire.raw(headed(JSON, "content-length: 2") + b"{}")


BODIES: dict[str, Behaviour[Act]] = {
    # connections
    "reset": Behaviour("resets each connection", "C20", reset, "broke"),
    "reset_in_list": Behaviour(
        "resets when it is asked for its tools",
        "C20",
        when("tools/list", reset),
        "broke",
    ),
    "reset_in_call": Behaviour("resets in a call", "C20", on_call(reset)),
    "reset_in_head": Behaviour(
        "resets in the middle of a head",
        "C20",
        both(said(b"HTTP/1.1 200 OK\r\nconte"), reset),
        "broke",
    ),
    "reset_in_body": Behaviour(
        "resets in the middle of a body", "C20", trickled(0, cut=20), "broke"
    ),
    "closes": Behaviour("closes each connection", "C20", raw(b""), "broke"),
    "closes_in_call": Behaviour("closes in a call", "C20", on_call(raw(b""))),
    "closes_after_each": Behaviour(
        "closes after each answer and does not say so", "C20", then_closed(honest)
    ),
    "half_closes": Behaviour(
        "closes its side of the connection and holds the other",
        "C20",
        half_closed,
        "broke",
    ),
    "silent": Behaviour("takes requests and says nothing", "C4", silent, _MUTE),
    "silent_call": Behaviour("takes calls and says nothing", "C4", on_call(silent)),
    "late_call": Behaviour(
        "answers calls after their time", "C4", on_call(after(4, honest))
    ),
    "trickle": Behaviour("answers one byte per second", "C4 C22", trickled(1), _MUTE),
    "trickle_call": Behaviour(
        "answers calls one byte per second", "C4 C22", on_call(trickled(1))
    ),
    "trickle_head": Behaviour(
        "sends the head of its answer one line per second",
        "C22",
        forever(b"x: y\r\n", b"HTTP/1.1 200 X\r\n", pause=1),
        _MUTE,
    ),
    # what is no HTTP
    "not_http": Behaviour("speaks SMTP", "C22", raw(b"220 smtp ready\r\n"), "broke"),
    "tls_junk": Behaviour(
        "speaks TLS on a plain port",
        "C20",
        raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)),
        "broke",
    ),
    "http2_preface": Behaviour(
        "answers with frames of HTTP/2",
        "C22",
        raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
        "broke",
    ),
    "http2_settings": Behaviour(
        "greets with settings of HTTP/2",
        "C22",
        raw(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
        "broke",
    ),
    "http_0_9": Behaviour(
        "answers without a head", "C22", raw(b'{"jsonrpc":"2.0"}\n'), "broke"
    ),
    "http_1_0": Behaviour("speaks HTTP/1.0", "C22", to_requests(then_closed(older))),
    "bare_newlines": Behaviour(
        "ends the lines of its head with LF alone", "C22", to_requests(bare_newlines)
    ),
    "endless_100": Behaviour(
        "says 100 Continue for ever",
        "C22",
        forever(b"HTTP/1.1 100 Go on\r\n\r\n" * 50),
        _MUTE,
    ),
    "endless_103": Behaviour(
        "sends early hints for ever",
        "C22",
        forever(b"HTTP/1.1 103 Hints\r\nlink: </x>\r\n\r\n" * 50),
        _MUTE,
    ),
    "endless_newlines": Behaviour(
        "begins its answer with empty lines for ever",
        "C22",
        forever(b"\r\n" * 4000),
        f"{_MUTE}|broke",
    ),
    # heads
    "huge_header": Behaviour(
        "has a header of 2 MiB",
        "C22",
        raw(lambda: headed(JSON, "x: " + "y" * (2 * MEBIBYTE))),
        "broke",
    ),
    "many_headers": Behaviour(
        "has headers without end",
        "C22",
        forever(b"x: y\r\n" * 500, b"HTTP/1.1 200 X\r\n"),
        "broke",
    ),
    "illegal_header": Behaviour(
        "has a header without a colon",
        "C22",
        raw(lambda: headed(JSON, "no colon " + "y" * 60_000)),
        "broke",
    ),
    "header_controls": Behaviour(
        "has control characters in a header",
        "C22 B3",
        raw(headed(JSON, "x: \x00\x1b[31m\x07")),
        "broke",
    ),
    "folded_header": Behaviour(
        "folds a header over lines",
        "C22",
        raw(headed(JSON, "x: a", " b", "\tc", "content-length: 2") + b"{}"),
        "broke|not valid JSON|not a JSON-RPC message",
    ),
    # lengths and codings
    "html": Behaviour(
        "answers a page",
        "C22",
        status(200, b"<html>hello</html>", content_type="text/html"),
        "content type 'text/html'",
    ),
    "no_type": Behaviour(
        "names no content type", "C22", status(200, b"{}"), "content type ''"
    ),
    "type_junk": Behaviour(
        "names a content type of 30 kB",
        "C22",
        status(200, b"{}", content_type="x/" + "y" * 30_000),
        "content type",
    ),
    "empty": Behaviour("answers nothing", "C22", ok(b""), "not valid JSON"),
    "truncated": Behaviour(
        "ends before its body does",
        "C22",
        raw(headed(JSON, "content-length: 5000") + b'{"jsonrpc":'),
        "broke",
    ),
    "too_long": Behaviour(
        "sends more than its length says",
        "C22",
        on_call(with_length(lambda size: str(size - 5))),
    ),
    "length_negative": Behaviour(
        "has a negative length", "C22", with_length(lambda _: "-1"), "broke"
    ),
    "length_junk": Behaviour(
        "has a length that is no number", "C22", with_length(lambda _: "0x10"), "broke"
    ),
    "length_huge": Behaviour(
        "has a length of thirty digits",
        "C22",
        with_length(lambda _: "9" * 30),
        "broke|larger than",
    ),
    "length_twice": Behaviour(
        "has two lengths",
        "C22 B4",
        with_length(lambda size: f"{size}\r\ncontent-length: {size + 1}"),
        "broke",
    ),
    "length_and_chunks": Behaviour(
        "has a length and chunks",
        "C22 B4",
        raw(headed(JSON, _CHUNKED, "content-length: 3") + b"2\r\n{}\r\n0\r\n\r\n"),
        "broke|not a JSON-RPC message",
    ),
    "broken_chunks": Behaviour(
        "has chunks without a size",
        "C22",
        raw(headed(JSON, _CHUNKED) + b"zz\r\n{}\r\n"),
        "broke",
    ),
    "chunks_cut": Behaviour(
        "ends in the middle of a chunk",
        "C22",
        raw(headed(JSON, _CHUNKED) + b"ff\r\n{"),
        "broke",
    ),
    "tiny_chunks": Behaviour(
        "sends its body in chunks of one byte, with extensions and a trailer",
        "C22",
        to_requests(chunked(1)),
    ),
    "endless_chunks": Behaviour(
        "sends chunks of blanks for ever",
        "C22",
        forever(b"8000\r\n" + b" " * 32_768 + b"\r\n", headed(JSON, _CHUNKED)),
        f"larger than|{_MUTE}",
    ),
    "chunk_size_huge": Behaviour(
        "announces a chunk of 10^30 bytes",
        "C22",
        forever(b"x" * 1000, headed(JSON, _CHUNKED) + b"f" * 30 + b"\r\n"),
        f"broke|larger than|{_MUTE}",
    ),
    "body_to_the_end": Behaviour(
        "ends its body by closing", "C22", to_requests(then_closed(to_the_end))
    ),
    "coding_unknown": Behaviour(
        "says it transfers in a coding nobody knows",
        "C22",
        raw(headed(JSON, "transfer-encoding: br, foo") + b"{}"),
        "broke",
    ),
    "gzip": Behaviour(
        "says its junk is gzip",
        "C22",
        ok(b"\x1f\x8b junk", content_encoding="gzip"),
        "compressed",
    ),
    "gzip_honest": Behaviour(
        "compresses its answers unasked", "C22", to_requests(zipped), "compressed"
    ),
    "gzip_bomb": Behaviour(
        "answers 64 MiB of blanks in 64 kB of gzip",
        "C22",
        ok(bomb, content_encoding="gzip"),
        "compressed",
    ),
    "gzip_of_gzip": Behaviour(
        "names forty codings",
        "C22",
        ok(b"{}", content_encoding=", ".join(["gzip"] * 40)),
        "compressed",
    ),
    "endless_json": Behaviour(
        "opens arrays for ever",
        "C22",
        forever(b"[" * 65_536, headed(JSON), 0.005),
        f"larger than 16777216 bytes|{_MUTE}",
    ),
    "endless_json_call": Behaviour(
        "answers calls with blanks for ever",
        "C22",
        on_call(forever(b" " * 65_536, headed(JSON))),
    ),
    "leftovers": Behaviour(
        "sends a second answer behind the first", "C22 C30", leftovers
    ),
    # messages
    "other_id": Behaviour(
        "answers a call under another id", "C30", on_call(with_members(id="no such"))
    ),
    "id_as_text": Behaviour(
        "answers a call under its id as a text",
        "C30",
        on_call(ok_of(as_text)),
    ),
    "both_outcomes": Behaviour(
        "answers a call with a result and an error",
        "C30",
        on_call(with_members(error={"code": 1, "message": "x"})),
    ),
    "result_no_object": Behaviour(
        "answers a call with a number", "C37", on_call(with_members(result=7))
    ),
    "batch_of_junk": Behaviour(
        "answers a call with a batch of seven million numbers",
        "C22",
        on_call(ok(lambda: b"[" + b"1," * (7 * MEBIBYTE) + b"1]")),
    ),
    "body_deep": Behaviour(
        "answers a call with arrays 100,000 deep", "C37", on_call(ok(lambda: _DEEP))
    ),
    "body_nan": Behaviour(
        "answers a call with NaN",
        "C37",
        on_call(ok(b'{"jsonrpc":"2.0","id":NaN,"result":NaN}')),
    ),
    "body_bad_utf8": Behaviour(
        "answers a call with bytes that are no UTF-8",
        "C37",
        on_call(ok(b'{"jsonrpc":"2.0","id":1,"result":{"x":"\xff\xc0\x80"}}')),
    ),
    "body_of_15_mib": Behaviour(
        "answers a call with 15 MiB, which is legal",
        "C22 C37",
        on_call(
            ok_of(
                lambda asked: (
                    b'{"jsonrpc":"2.0","id":%d,"result":{"content":'
                    b'[{"type":"text","text":"%b"}]}}'
                    % (asked.message["id"], b"x" * (15 * MEBIBYTE))
                )
            )
        ),
    ),
    "body_of_64_mib": Behaviour(
        "answers a call with 64 MiB",
        "C22 C37",
        on_call(ok(lambda: b" " * (64 * MEBIBYTE))),
    ),
}
