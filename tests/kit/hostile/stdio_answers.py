"""Servers on stdio that break JSON-RPC, or ask and tell too much (C30 to C32, C37)."""

import json
from collections.abc import Iterator

from kit.hostile.behaviour import Behaviour, Work
from kit.hostile.stdio_parts import (
    INITIALIZED,
    MEBIBYTE,
    Act,
    Json,
    always,
    answering,
    beside,
    burst,
    doing,
    each,
    flood,
    honest,
    initializing,
    notification,
    on,
    out,
    question,
    silent,
    text_result,
    wrapped,
    write,
    written,
)

_ASKS = ("sampling/createMessage", "elicitation/create", "roots/list")
_MUTE = "took too long|no answer to initialize in time|not a JSON-RPC message"
_NOT_UNDERSTOOD = "the answer to initialize is not understood"
_NO_NUMBERS: tuple[object, ...] = (-1, 1e308, "half", None, [], {}, True, 2**70)
_TREE = b'{"a":' * 3000 + b"1" + b"}" * 3000


def strangers(request: Json) -> None:
    number = request["id"]
    for other in (-1, 0, number + 1, number + 2, str(number), "", None, True, 1.5):
        write({"id": other, "result": {"content": []}})
    write({"id": [number], "result": {}})
    write({"id": {}, "error": {"code": 1, "message": "x"}})
    honest(request)


def low_answers() -> None:
    for number in range(200):
        write({"id": number, "result": {}})


def in_advance(request: Json) -> None:
    """In pieces: a lock held for all of them would hold up our own answers."""
    honest(request)
    for number in range(request["id"] + 1, request["id"] + 4000):
        write({"id": number, "result": {"content": [], "forged": True}})


def progress(*values: object) -> Act:
    """Progress of the call, of others, and of nothing, and then the answer."""

    def act(request: Json) -> None:
        token = request["params"].get("_meta", {}).get("progressToken", 1)
        for value in values:
            for one in (token, "other", value, None):
                out(notification("progress", progressToken=one, progress=value))
        honest(request)

    return act


def cancelling(request: Json) -> None:
    """Cancels our own request, and others, before it answers."""
    others: tuple[object, ...] = (request["id"] + 1, "x", None, {})
    for number in (request["id"], *others):
        out(notification("cancelled", requestId=number, reason="no"))
    honest(request)


def _questions(numbers: Iterator[int]) -> bytes:
    # In one write: our own answers come between two of them.
    return b"".join(question(next(numbers), m) for _ in range(100) for m in _ASKS)


def _nonsense(numbers: Iterator[int]) -> bytes:
    return b"".join(question(next(numbers), "no/such") for _ in range(200))


def _pings(numbers: Iterator[int]) -> bytes:
    return b"".join(question(next(numbers), "ping") for _ in range(200))


def _same_id(_numbers: Iterator[int]) -> bytes:
    return b"".join(question(7, method) for _ in range(50) for method in _ASKS)


def _odd_questions(_numbers: Iterator[int]) -> bytes:
    ids: tuple[object, ...] = (None, True, 1.5, [], {}, "x" * 100_000, -1, 2**70)
    return b"".join(question(number, "ping") for number in ids)


WRONG: dict[str, Behaviour[Work]] = {
    "answers_twice": Behaviour(
        "answers a call twice, and a third time otherwise",
        "C30",
        on(call=each(honest, honest, answering(text_result(b"other")))),
    ),
    "answers_strangers": Behaviour(
        "answers ids nobody has used, of every type",
        "C30",
        on(call=strangers),
    ),
    "answers_in_advance": Behaviour(
        "answers four thousand requests before they are made",
        "C30",
        on(call=in_advance),
    ),
    "answers_before_asked": Behaviour(
        "prints answers to initialize, with every low id, before it is asked",
        "C30",
        on(
            initialize=each(
                doing(low_answers),
                honest,
            )
        ),
    ),
    "id_as_text": Behaviour(
        "answers a call under its id as a text",
        "C30",
        on(call=written(b'{"jsonrpc":"2.0","id":"%d","result":{}}')),
    ),
    "id_as_fraction": Behaviour(
        "answers a call under its id with a fraction",
        "C30",
        on(call=written(b'{"jsonrpc":"2.0","id":%d.5,"result":{}}')),
    ),
    "id_null": Behaviour(
        "answers a call with an error of nobody",
        "C30",
        on(
            call=written(
                b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}'
            )
        ),
    ),
    "id_doubled": Behaviour(
        "answers a call with two ids in one message",
        "C30",
        on(call=written(b'{"jsonrpc":"2.0","id":0,"id":%d,"result":{"content":[]}}')),
    ),
    "result_and_error": Behaviour(
        "answers a call with a result and an error",
        "C30",
        on(
            call=written(
                b'{"jsonrpc":"2.0","id":%d,"result":{},"error":{"code":1,"message":""}}'
            )
        ),
    ),
    "neither": Behaviour(
        "answers a call with neither result nor error",
        "C30",
        on(call=written(b'{"jsonrpc":"2.0","id":%d}')),
    ),
    "error_is_text": Behaviour(
        "answers a call with an error that is a text",
        "C37",
        on(call=written(b'{"jsonrpc":"2.0","id":%d,"error":"oops"}')),
    ),
    "error_code_is_text": Behaviour(
        "answers a call with an error whose members have other types",
        "C37",
        on(
            call=written(
                b'{"jsonrpc":"2.0","id":%d,"error":{"code":"x","message":[],"data":1}}'
            )
        ),
    ),
    "error_huge": Behaviour(
        "answers a call with an error message of a mebibyte",
        "C37",
        on(
            call=lambda request: write(
                {
                    "id": request["id"],
                    "error": {"code": -1, "message": "\x1b[31m" + "e" * MEBIBYTE},
                }
            )
        ),
    ),
    "no_version": Behaviour(
        "leaves out the member jsonrpc",
        "C30",
        wrapped(lambda a: a.replace(b'"jsonrpc": "2.0", ', b"") + b"\n"),
        _MUTE,
    ),
    "version_1": Behaviour(
        "says it speaks JSON-RPC 1.0",
        "C30",
        wrapped(lambda a: a.replace(b'"2.0"', b'"1.0"') + b"\n"),
        _MUTE,
    ),
    # results
    "result_of_20000_digits": Behaviour(
        "answers with a number of 20,000 digits",
        "C37",
        on(call=answering(lambda: b'{"content":[],"n":%b}' % (b"9" * 20_000))),
    ),
    "result_too_deep": Behaviour(
        "answers with arrays 100,000 deep",
        "C37",
        on(call=answering(lambda: b"[" * 100_000 + b"]" * 100_000)),
    ),
    "result_deep": Behaviour(
        "answers with objects 3,000 deep",
        "C37",
        on(call=answering(lambda: b'{"content":[],"x":%b}' % _TREE)),
    ),
    "result_of_lone_surrogates": Behaviour(
        "answers with halves of surrogate pairs",
        "C37",
        on(call=answering(text_result(b"\\ud800 \\udc00\\ud800"))),
    ),
    "result_of_bad_utf8": Behaviour(
        "answers with bytes that are no UTF-8",
        "C37",
        on(call=answering(text_result(b"\xff\xfe\xc0\x80"))),
    ),
    "result_nan": Behaviour(
        "answers with NaN and Infinity",
        "C37",
        on(call=answering(b'{"content":[],"n":NaN,"m":-Infinity}')),
    ),
    "result_no_object": Behaviour(
        "answers a call with a number", "C37", on(call=answering(b"7"))
    ),
    "result_null": Behaviour(
        "answers a call with null", "C37", on(call=answering(b"null"))
    ),
    "result_of_many_parts": Behaviour(
        "answers with two hundred thousand pieces of content",
        "C37",
        on(
            call=answering(
                lambda: b'{"content":[%b{}]}' % (b'{"type":"text"},' * 200_000)
            )
        ),
    ),
    "result_of_many_links": Behaviour(
        "answers with links to fifty thousand resources",
        "C37",
        on(
            call=answering(
                lambda: (
                    b'{"content":[%b{}]}'
                    % b"".join(
                        b'{"type":"resource_link","uri":"x:%d","name":""},' % n
                        for n in range(50_000)
                    )
                )
            )
        ),
    ),
    "result_content_is_text": Behaviour(
        "answers with a content that is no list",
        "C37",
        on(call=answering(b'{"content":"\\u0000\\u001b","isError":"yes"}')),
    ),
    "result_of_line_separators": Behaviour(
        "answers with characters that some take for line ends",
        "C37",
        on(call=answering(text_result("\u2028\u2029\x85".encode()))),
    ),
    # the handshake
    "initialize_no_object": Behaviour(
        "answers initialize with an array",
        "C37",
        on(initialize=answering(b"[1]")),
        _NOT_UNDERSTOOD,
    ),
    "initialize_empty": Behaviour(
        "answers initialize with an empty object",
        "C37",
        on(initialize=answering(b"{}")),
        _NOT_UNDERSTOOD,
    ),
    "initialize_members": Behaviour(
        "answers initialize with 1,200,000 members",
        "C37",
        on(
            initialize=answering(
                lambda: b"{%b}" % b",".join(b'"%d":1' % n for n in range(1_200_000))
            )
        ),
        _NOT_UNDERSTOOD,
    ),
    "initialize_error": Behaviour(
        "answers initialize with an error",
        "C37",
        on(
            initialize=written(
                b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32603,"message":"no"}}'
            )
        ),
        "initialize",
    ),
    "initialize_twice": Behaviour(
        "answers initialize twice, the second time otherwise",
        "C30",
        on(initialize=each(honest, initializing(protocolVersion="1999-01-01"))),
    ),
    "instructions_huge": Behaviour(
        "has instructions of ten mebibytes and a name of escapes",
        "C35",
        on(
            initialize=answering(
                lambda: json.dumps(
                    {
                        **INITIALIZED,
                        "instructions": "i\u202e" * (2 * MEBIBYTE),
                        "serverInfo": {
                            "name": "\x1b[31m" + "n" * 100_000,
                            "version": 1,
                        },
                    }
                ).encode()
            )
        ),
    ),
    "capabilities_odd": Behaviour(
        "has capabilities of other types",
        "C37",
        on(
            initialize=initializing(capabilities={"tools": 1, "prompts": [], "x": None})
        ),
        "prompts/list was answered without a list",
    ),
    "capabilities_list": Behaviour(
        "has a list for its capabilities",
        "C37",
        on(initialize=initializing(capabilities=["tools"])),
        _NOT_UNDERSTOOD,
    ),
    "revision_unknown": Behaviour(
        "speaks a revision nobody knows",
        "C37",
        on(initialize=initializing(protocolVersion="1999-01-01")),
        "'1999-01-01'",
    ),
    "revision_number": Behaviour(
        "names its revision by a number",
        "C37",
        on(initialize=initializing(protocolVersion=20251125)),
        _NOT_UNDERSTOOD,
    ),
    "asks_before_initialize": Behaviour(
        "asks the client before it answers initialize",
        "C32",
        on(initialize=each(doing(lambda: out(_questions(iter(range(500))))), honest)),
    ),
    # floods and questions
    "floods_list_changed": Behaviour(
        "says without end that its tools have changed",
        "C31",
        beside(flood(notification("tools/list_changed"))),
    ),
    "floods_all_changed": Behaviour(
        "says without end that lists have changed it does not have",
        "C31",
        beside(
            flood(
                notification("prompts/list_changed")
                + notification("resources/list_changed")
            )
        ),
    ),
    "floods_updates": Behaviour(
        "says without end that resources have changed",
        "C31",
        beside(
            burst(
                lambda n: b"".join(
                    notification("resources/updated", uri=f"x:{next(n)}")
                    for _ in range(200)
                )
            )
        ),
    ),
    "floods_log": Behaviour(
        "logs errors without end",
        "C31",
        beside(flood(notification("message", level="error", data="y" * 200))),
    ),
    "logs_huge": Behaviour(
        "logs a mebibyte at a time",
        "C31",
        beside(
            burst(
                lambda _: notification(
                    "message", level=7, data="\x1b" + "y" * MEBIBYTE
                ),
                pause=0.5,
            )
        ),
    ),
    "floods_unknown": Behaviour(
        "sends notifications nobody knows without end",
        "C31",
        beside(flood(notification("\x1b[31mhello", params=None))),
    ),
    "floods_requests": Behaviour(
        "asks what nobody knows without end", "C31", beside(burst(_nonsense))
    ),
    "floods_pings": Behaviour("pings without end", "C31", beside(burst(_pings))),
    "floods_questions": Behaviour(
        "asks clients that do not wait for it", "C31 C32", beside(burst(_questions))
    ),
    "asks_again_and_again": Behaviour(
        "asks under one id again and again", "C30 C32", beside(burst(_same_id))
    ),
    "asks_oddly": Behaviour(
        "asks under ids of every type",
        "C30 C32",
        beside(burst(_odd_questions, pause=0.5)),
    ),
    "asks_in_call": Behaviour(
        "asks the caller hundreds of questions before it answers",
        "C32",
        on(call=each(doing(lambda: out(_questions(iter(range(500))))), honest)),
    ),
    "asks_and_never_answers": Behaviour(
        "asks the caller, and never answers the call",
        "C4 C32",
        on(
            call=each(
                doing(lambda: out(question("q", "elicitation/create", message="?"))),
                silent,
            )
        ),
    ),
    "floods_progress": Behaviour(
        "tells of progress 80,000 times before it answers",
        "C31",
        on(call=progress(*range(20_000))),
    ),
    "odd_progress": Behaviour(
        "tells of progress that is no number",
        "C31",
        on(call=progress(*_NO_NUMBERS)),
    ),
    "cancels_us": Behaviour(
        "cancels requests it was asked", "C30", on(call=cancelling)
    ),
    "late_progress": Behaviour(
        "tells of progress after its answer",
        "C30",
        on(call=each(honest, progress(1, 2, 3))),
    ),
    "echoes_requests": Behaviour(
        "sends each request back before it answers",
        "C30 C32",
        always(lambda request: (write(request), honest(request))[1]),
    ),
}
