"""Servers on HTTP with hostile event streams, of both kinds (C24)."""

import json
import time

from kit.hostile.behaviour import Behaviour
from kit.hostile.http_parts import (
    ELSEWHERE,
    MEBIBYTE,
    answer_to,
    both,
    bytes_of,
    forever,
    headed,
    honest,
    on_call,
    on_stream,
    raw,
    reset,
    silent,
    sse,
    sse_answer,
    sse_beside,
    sse_names,
    sse_post,
    sse_stream,
    sse_take,
    sse_then,
    sse_written,
    status,
    streaming,
    to,
)
from kit.hostile.http_wire import EVENTS, Act, Asked, Closed, Wire, event

_MUTE = "handshaking took too long|no answer to initialize in time"
_NO_ENDPOINT = "sent no endpoint event"
_FOREIGN = "an endpoint of another origin"
_LINES = b"data: ab\n" * 7000
_QUESTIONS = b"".join(
    b'data: {"jsonrpc":"2.0","id":%d,"method":"sampling/createMessage"}\n\n' % n
    for n in range(400)
)
_SECOND = event(ELSEWHERE, "endpoint")


def never_the_answer(wire: Wire, _asked: Asked) -> None:
    """Streams that end before the answer, each with an id to resume with."""
    wire.events()
    wire.raw(b"retry: 0\nid: %d\n\n" % time.time_ns())
    raise Closed


def answered_late_in_stream(wire: Wire, asked: Asked) -> None:
    """Noise first, and the answer in two halves of a line."""
    wire.events()
    wire.raw(b": noise\n" * 2000 + _QUESTIONS[:2000].rsplit(b"\n\n", 1)[0] + b"\n\n")
    whole = event(bytes_of(asked))
    for part in (whole[:30], whole[30:]):
        wire.raw(part)
        time.sleep(0.1)
    raise Closed


def other_answers(wire: Wire, asked: Asked) -> None:
    """Answers of others, then its own, then another of its own."""
    wire.events()
    mine = answer_to(asked)
    for answer in (
        {**mine, "id": 10**6},
        {**mine, "id": "x"},
        mine,
        {**mine, "result": 1},
    ):
        wire.event(json.dumps(answer))
    raise Closed


def post_refused(wire: Wire, asked: Asked) -> None:
    """Floods questions, and takes no answer to any."""
    if asked.method == "GET":
        wire.events()
        forever(_QUESTIONS)(wire, asked)
    elif not asked.wants_answer and not asked.calls:
        wire.whole(500)
    else:
        honest(wire, asked)


def chopped(wire: Wire, data: bytes) -> None:
    """Mixed line ends, split anywhere: legal."""
    for octet in b"\r:c\r\nid: 1\revent:message\r\ndata:" + data + b"\r\n\r":
        wire.raw(bytes((octet,)))
        time.sleep(0.001)


def in_lines(wire: Wire, data: bytes) -> None:
    """One message over many data lines: legal."""
    parts = data.replace(b", ", b",\n").split(b"\n")
    wire.raw(b"".join(b"data: %b\n" % part for part in parts) + b"\n")


def posts_answer(wire: Wire, asked: Asked) -> None:
    """The answer as the body of the POST, and again on the stream."""
    wire.json(answer_to(asked)) if asked.wants_answer else wire.whole(200)
    sse_answer(asked)


def not_ours(wire: Wire, data: bytes) -> None:
    """Each message also under events of other names."""
    for name in ("ping", "error", "endpointx", "MESSAGE", ""):
        wire.event(data, name)
    wire.event(data)


STREAMS: dict[str, Behaviour[Act]] = {
    "honest": Behaviour("is honest: the control of this table", "C24", honest),
    "never_the_answer": Behaviour(
        "answers calls with streams that end before the answer, and asks to resume",
        "C24",
        on_call(never_the_answer),
    ),
    "stream_of_noise": Behaviour(
        "puts comments and questions before its answer",
        "C24 C32",
        on_call(answered_late_in_stream),
    ),
    "stream_of_others": Behaviour(
        "puts answers of others before its own", "C24 C30", on_call(other_answers)
    ),
    "stream_silent_call": Behaviour(
        "answers calls with a stream of nothing", "C4 C24", on_call(streaming(b""))
    ),
    "stream_comments_call": Behaviour(
        "answers calls with comments for ever",
        "C24",
        on_call(forever(b": nothing\n\n" * 500, headed(EVENTS))),
    ),
    "stream_endless_event_call": Behaviour(
        "answers calls with an event that never ends",
        "C24",
        on_call(forever(_LINES, headed(EVENTS), 0.02)),
    ),
    "stream_closes": Behaviour(
        "closes its own stream at once, for ever", "C24", on_stream(raw(headed(EVENTS)))
    ),
    "stream_resumes": Behaviour(
        "ends its own stream at once, each time with another id",
        "C24",
        on_stream(never_the_answer),
    ),
    "stream_resets": Behaviour("resets its own stream", "C24", on_stream(reset)),
    "stream_hangs": Behaviour(
        "never answers the request for its stream", "C24", on_stream(silent)
    ),
    "stream_500": Behaviour(
        "answers the request for its stream with 500", "C24", on_stream(status(500))
    ),
    "stream_html": Behaviour(
        "answers the request for its stream with a page",
        "C24",
        on_stream(status(200, b"<html>", content_type="text/html")),
    ),
    "stream_redirects": Behaviour(
        "redirects the request for its stream", "C23 C24", on_stream(to(ELSEWHERE))
    ),
    "stream_floods": Behaviour(
        "floods its stream with questions",
        "C24 C31",
        on_stream(forever(_QUESTIONS, headed(EVENTS))),
    ),
    "stream_endless_line": Behaviour(
        "has a line without end on its stream",
        "C24",
        on_stream(forever(b"x" * 65_000, headed(EVENTS), 0.02)),
    ),
    "post_refused": Behaviour(
        "floods questions and takes no answer", "C24 C31", post_refused
    ),
    # HTTP+SSE
    "sse_honest": Behaviour("is honest: the control of this table", "C24", sse),
    "sse_no_endpoint": Behaviour(
        "sends comments and never an endpoint",
        "C24",
        sse_stream(forever(b": hi\n\n", headed(EVENTS), 0.5)),
        _NO_ENDPOINT,
    ),
    "sse_silent": Behaviour(
        "opens a stream and says nothing",
        "C24",
        sse_stream(streaming(b"")),
        _NO_ENDPOINT,
    ),
    "sse_no_answer": Behaviour(
        "never answers the request for its stream",
        "C24",
        sse_stream(silent),
        "endpoint|took too long|in time",
    ),
    "sse_elsewhere": Behaviour(
        "names an endpoint of another origin", "C24", sse_names(ELSEWHERE), _FOREIGN
    ),
    "sse_without_scheme": Behaviour(
        "names an endpoint of another host without a scheme",
        "C24",
        sse_names("//localhost:9/mcp"),
        _FOREIGN,
    ),
    "sse_userinfo": Behaviour(
        "names an endpoint with our address as a user name",
        "C24",
        sse_names("http://127.0.0.1@localhost:9/mcp"),
        _FOREIGN,
    ),
    "sse_scheme": Behaviour(
        "names a file as its endpoint", "C24", sse_names("file:///etc/passwd"), _FOREIGN
    ),
    "sse_name": Behaviour(
        "names an endpoint of a host that cannot be",
        "C24",
        sse_names("http://xn--zzzzzz-.example/"),
        _FOREIGN,
    ),
    "sse_junk_endpoint": Behaviour(
        "names an endpoint that is no address",
        "C24",
        sse_names("http://[::1/\x00\x1b"),
        _FOREIGN,
    ),
    "sse_long_endpoint": Behaviour(
        "names an endpoint of a mebibyte",
        "C24",
        sse_names("/" + "x" * MEBIBYTE),
        "endpoint|no request can be made|broke|HTTP|took too long|in time",
    ),
    "sse_empty_endpoint": Behaviour(
        "names an empty endpoint",
        "C24",
        sse_names(""),
        "endpoint|took too long|in time",
    ),
    "sse_second_endpoint": Behaviour(
        "names another endpoint before each message", "C24", sse_beside(_SECOND)
    ),
    "sse_retry": Behaviour(
        "wants to be asked again at once, and in 10^17 seconds; has NUL in an id",
        "C24",
        sse_beside(b"retry: 0\n\nretry: 99999999999999999999\nid: \0\n\n"),
    ),
    "sse_huge_id": Behaviour(
        "has an id of a mebibyte before each message",
        "C24",
        sse_beside(lambda: b"id: " + b"i" * MEBIBYTE + b"\n\n"),
    ),
    "sse_bad_utf8": Behaviour(
        "has bytes that are no UTF-8 before each message",
        "C24",
        sse_beside(b"data: \xff\xfe\n\nevent: \xff\ndata: {}\n\n"),
    ),
    "sse_names_huge": Behaviour(
        "has a field whose name is a mebibyte",
        "C24",
        sse_beside(lambda: b"f" * MEBIBYTE + b": x\n\n"),
    ),
    "sse_nul": Behaviour(
        "has NUL and a byte order mark before each message",
        "C24",
        sse_beside(b"\xef\xbb\xbfdata: x\n\ndata: \0\0\0\n\n"),
    ),
    "sse_empty_events": Behaviour(
        "has ten thousand empty events before each message",
        "C24",
        sse_beside(b"data\n\n" * 10_000),
    ),
    "sse_other_events": Behaviour(
        "sends each message under other names, too", "C24", sse_written(not_ours)
    ),
    "sse_chopped": Behaviour(
        "mixes line ends and cuts anywhere, which is legal", "C24", sse_written(chopped)
    ),
    "sse_in_lines": Behaviour(
        "sends each message over many data lines, which is legal",
        "C24",
        sse_written(in_lines),
    ),
    "sse_twice": Behaviour(
        "sends each message twice",
        "C24 C30",
        sse_written(lambda wire, data: wire.raw(event(data) * 2)),
    ),
    "sse_comments": Behaviour(
        "sends comments for ever and no message",
        "C24",
        sse_then(forever(b": nothing\n\n" * 500)),
        _MUTE,
    ),
    "sse_endless_event": Behaviour(
        "has an event that never ends",
        "C24",
        sse_then(forever(_LINES, pause=0.02)),
        f"{_MUTE}|larger than",
    ),
    "sse_endless_line": Behaviour(
        "has a line that never ends",
        "C24",
        sse_then(forever(b"data: " + b"x" * 65_000, pause=0.02)),
        f"{_MUTE}|longer than 16777216 bytes",
    ),
    "sse_closes": Behaviour(
        "ends its stream after the endpoint, for ever",
        "C24",
        sse_then(raw(b"")),
        "ended its stream",
    ),
    "sse_closes_at_once": Behaviour(
        "ends its stream before the endpoint, for ever",
        "C24",
        sse_stream(raw(headed(EVENTS))),
        "ended its stream",
    ),
    "sse_resets": Behaviour(
        "resets its stream after the endpoint",
        "C24",
        sse_then(reset),
        "broke|ended its stream",
    ),
    "sse_html": Behaviour(
        "answers a page instead of a stream",
        "C24",
        status(200, b"<html>", content_type="text/html"),
        "content type 'text/html'",
    ),
    "sse_status_500": Behaviour(
        "answers 500 instead of a stream", "C24", status(500), "HTTP status 500"
    ),
    "sse_post_500": Behaviour(
        "answers each POST with 500", "C24", sse_post(status(500)), "HTTP status 500"
    ),
    "sse_post_hangs": Behaviour("answers no POST", "C24", sse_post(silent), _MUTE),
    "sse_post_answers": Behaviour(
        "answers in the POST and on the stream", "C24 C30", sse_post(posts_answer)
    ),
    "sse_post_redirects": Behaviour(
        "redirects each POST elsewhere",
        "C23 C24",
        sse_post(to(ELSEWHERE)),
        "HTTP status 30",
    ),
    "sse_post_resets": Behaviour(
        "takes each message and resets", "C24", sse_post(both(sse_take, reset))
    ),
}
