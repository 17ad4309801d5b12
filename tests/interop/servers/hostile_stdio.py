"""MCP servers on stdio that behave badly, one way each. Standard library only.

Usage: ``hostile_stdio.py BEHAVIOUR``; the names are in ``BEHAVIOURS``. What a behaviour
does not break works: handshake, ``tools/list`` with one tool ``echo``, its calls.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Act = Callable[[Json], None]
MEBIBYTE = 2**20


_writing = threading.Lock()


def out(data: bytes) -> None:
    """All of it, as it is. Ends the process when nobody reads any more."""
    left = memoryview(data)
    try:
        with _writing:
            while left:
                left = left[os.write(1, left) :]
    except OSError:
        os._exit(0)


def write(message: Json) -> None:
    out(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def tool(name: object) -> Json:
    return {"name": name, "inputSchema": {"type": "object"}}


def result_of(request: Json) -> Json:
    """What an honest server answers."""
    match request["method"]:
        case "initialize":
            return {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {"listChanged": True}, "logging": {}},
                "serverInfo": {"name": "hostile", "version": "1"},
            }
        case "tools/list":
            return {"tools": [tool("echo")]}
        case "tools/call":
            return {"content": [{"type": "text", "text": "honest"}]}
        case _:
            return {}


def honest(request: Json) -> None:
    write({"id": request["id"], "result": result_of(request)})


def requests() -> Iterator[Json]:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" in message and "method" in message:
            yield message


def serve(acts: Mapping[str, Act] | None = None) -> None:
    """Honest but for the methods in ``acts``, until the end of input."""
    for request in requests():
        (acts or {}).get(request["method"], honest)(request)


def silent(_request: Json) -> None:
    """Never answered."""


def for_ever() -> None:
    while True:
        time.sleep(3600)


def trickled(data: bytes) -> None:
    for octet in data:
        out(bytes((octet,)))
        time.sleep(0.2)


def flood(line: bytes) -> None:
    """As much as is taken, in bursts: other processes need the processor too."""
    while True:
        out(line * max(1, 32_768 // len(line)))
        time.sleep(0.05)


def answering(result: Callable[[], bytes]) -> Act:
    """The answer has these bytes as its result; made late, they may be many."""

    def act(request: Json) -> None:
        out(b'{"jsonrpc":"2.0","id":%d,"result":%b}\n' % (request["id"], result()))

    return act


def text_result(text: bytes) -> bytes:
    return b'{"content":[{"type":"text","text":"%b"}]}' % text


def before(*noise: Callable[[], bytes] | bytes) -> Callable[[], None]:
    """Something in front of each answer."""

    def act(request: Json) -> None:
        for data in noise:
            out(data if isinstance(data, bytes) else data())
        honest(request)

    return lambda: serve(dict.fromkeys(("initialize", "tools/list", "tools/call"), act))


def on(**acts: Act) -> Callable[[], None]:
    """``list`` and ``call`` stand for the methods of tools."""
    spelled = {"list": "tools/list", "call": "tools/call"}
    return lambda: serve({spelled.get(name, name): act for name, act in acts.items()})


def beside(work: Callable[[], None]) -> Callable[[], None]:
    """Honest, and after the first call something else all the time."""
    started = threading.Event()

    def act(request: Json) -> None:
        if not started.is_set():
            started.set()
            threading.Thread(target=work, daemon=True).start()
        honest(request)

    return lambda: serve({"tools/list": act})


def notification(method: str, **params: object) -> bytes:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


def question(number: int, method: str) -> bytes:
    message: Json = {"jsonrpc": "2.0", "id": number, "method": method, "params": {}}
    return json.dumps(message).encode() + b"\n"


def exits(status: int) -> Act:
    def act(_request: Json) -> None:
        os._exit(status)

    return act


def dies_by_signal(_request: Json) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after_initialize(request: Json) -> None:
    honest(request)
    os._exit(0)


def every_second() -> None:
    threading.Timer(1.0, os._exit, (1,)).start()
    serve()


def raises() -> None:
    raise ZeroDivisionError


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve()
    for_ever()


def grandchild() -> None:
    """A child that holds our stdout and hears no signal."""
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "time.sleep(3600)"
    )
    subprocess.Popen([sys.executable, "-S", "-E", "-c", code])
    serve()


def grandchild_that_outlives() -> None:
    """The same, and its parent dies in a call."""
    subprocess.Popen([sys.executable, "-S", "-E", "-c", "import time; time.sleep(999)"])
    serve({"tools/call": exits(3)})


def closes_stdout(request: Json) -> None:
    os.close(1)
    for_ever()


def never_reads() -> None:
    """A handshake with a guessed id cannot be; it is told nothing more after it."""
    served = requests()
    for _ in range(2):
        honest(next(served))
    for_ever()


def screams(newline: bytes) -> Callable[[], None]:
    def scream() -> None:
        data = b"x" * 120 + newline
        while True:
            os.write(2, data * 256)
            time.sleep(0.05)

    return beside(scream)


def twice(request: Json) -> None:
    honest(request)
    honest(request)
    write({"id": request["id"], "result": text_result(b"other").decode()})


def strangers(request: Json) -> None:
    number = request["id"]
    for other in (-1, 0, number + 1, number + 2, str(number), "", None, True, 1.5):
        write({"id": other, "result": {"content": []}})
    write({"id": [number], "result": {}})
    write({"id": {}, "error": {"code": 1, "message": "x"}})
    honest(request)


def in_advance(request: Json) -> None:
    honest(request)
    for number in range(request["id"] + 1, request["id"] + 4000):
        write({"id": number, "result": {"content": [], "forged": True}})


def circle(request: Json) -> None:
    result = {"tools": [tool("echo")], "nextCursor": "again"}
    write({"id": request["id"], "result": result})


def endless_pages(request: Json) -> None:
    number = int(request.get("params", {}).get("cursor", "0")) + 1
    tools = [tool("echo"), tool(f"t{number}")]
    result = {"tools": tools, "nextCursor": str(number)}
    write({"id": request["id"], "result": result})


def many_tools(request: Json) -> None:
    tools = [tool("echo"), *(tool(f"tool_{n}") for n in range(50_000))]
    write({"id": request["id"], "result": {"tools": tools}})


def ever_new_tools(request: Json) -> None:
    tools = [tool("echo"), *(tool(f"t{time.time_ns()}_{n}") for n in range(2000))]
    write({"id": request["id"], "result": {"tools": tools}})


def malformed_tools(request: Json) -> None:
    tools: list[object] = [
        1,
        None,
        "x",
        [],
        {},
        {"name": 5},
        {"name": ""},
        {"name": None},
    ]
    more = [{"name": "no schema"}, {"name": "odd", "inputSchema": 7}, tool("echo")]
    write({"id": request["id"], "result": {"tools": [*tools, *more, tool("echo")]}})


def odd_names(request: Json) -> None:
    names = ["a\nb", "\x1b[31mred", "good__echo", "x" * 10_000, "n" * 900, "\u202e"]
    names += ["../../etc", "a b", "\0", "echo", "__", "\U000e0041", "good"]
    write({"id": request["id"], "result": {"tools": [tool(name) for name in names]}})


def asks_strangers() -> None:
    numbers = iter(range(10**9))
    methods = ("sampling/createMessage", "elicitation/create", "roots/list")
    while True:
        # In one write: our own answers come between two of them.
        out(b"".join(question(next(numbers), m) for _ in range(100) for m in methods))
        time.sleep(0.05)


def asks_nonsense() -> None:
    numbers = iter(range(10**9))
    while True:
        out(b"".join(question(next(numbers), "no/such") for _ in range(200)))
        time.sleep(0.05)


def progress_flood(request: Json) -> None:
    token = request["params"].get("_meta", {}).get("progressToken", 1)
    for value in range(20_000):
        for one in (token, "other", value, None):
            out(
                notification(
                    "notifications/progress", progressToken=one, progress=value
                )
            )
    honest(request)


_TREE = b'{"a":' * 3000 + b"1" + b"}" * 3000
_DEEP_TOOL = b'{"name":"deep","inputSchema":%b}' % (b'{"a":' * 500 + b"1" + b"}" * 500)
_ECHO = json.dumps(tool("echo")).encode()
_INIT = json.dumps(result_of({"method": "initialize"})).encode()
_LOUD = notification("notifications/message", level="error", data="y" * 200)
_LISTS = notification("notifications/tools/list_changed")

BEHAVIOURS: dict[str, Callable[[], None]] = {
    # what is no message: see C1, C2
    "junk": before(b"not json at all\n", b"{'single': 1}\n", b"{}\n", b"[]\n"),
    "banner": before(b"=" * 79 + b"\nWelcome!\n\n\n\t\n"),
    "bom": before(b"\xef\xbb\xbf"),
    "crlf": before(b"\r\n\r\n"),
    "binary": before(bytes(range(256)) * 16 + b"\n", b"\xff\xfe{\x00}\x00\n"),
    "junk_for_ever": beside(lambda: flood(b"debug: still here\n")),
    "batch_of_junk": before(lambda: b"[" + b"1," * (7 * MEBIBYTE) + b"1]\n"),
    "endless_line": on(initialize=lambda _: flood(b"x" * 65_536)),
    "line_of_20_mib": on(call=answering(lambda: text_result(b"x" * (20 * MEBIBYTE)))),
    "line_of_15_mib": on(call=answering(lambda: text_result(b"x" * (15 * MEBIBYTE)))),
    # slowness: see C4
    "mute": on(initialize=silent),
    "mute_on_list": on(list=silent),
    "mute_on_call": on(call=silent),
    "late_on_call": on(call=lambda r: (time.sleep(4), honest(r))[1]),
    "trickle": on(initialize=lambda r: trickled(json.dumps(r).encode())),
    # ends: see C5
    "exits_at_once": lambda: os._exit(7),
    "exits_after_initialize": on(initialize=after_initialize),
    "exits_in_call": on(call=exits(9)),
    "killed_in_call": on(call=dies_by_signal),
    "exits_every_second": every_second,
    "traceback": raises,
    # what will not end: see C6, C7
    "deaf": deaf,
    "grandchild": grandchild,
    "grandchild_outlives": grandchild_that_outlives,
    "closes_stdout": on(call=closes_stdout),
    "never_reads": never_reads,
    # stderr: see C3
    "screams": screams(b"\n"),
    "screams_without_newlines": screams(b""),
    "screams_short_lines": screams(b"\nz" * 60 + b"\n"),
    # answers: see C30, C37
    "answers_twice": on(call=twice),
    "answers_strangers": on(call=strangers),
    "answers_in_advance": on(call=in_advance),
    "result_of_20000_digits": on(
        call=answering(lambda: b'{"content":[],"n":%b}' % (b"9" * 20_000))
    ),
    "result_too_deep": on(call=answering(lambda: b"[" * 100_000 + b"]" * 100_000)),
    "result_deep": on(call=answering(lambda: b'{"content":[],"x":%b}' % _TREE)),
    "result_of_lone_surrogates": on(
        call=answering(lambda: text_result(b"\\ud800 \\udc00\\ud800"))
    ),
    "result_of_bad_utf8": on(call=answering(lambda: text_result(b"\xff\xfe\xc0\x80"))),
    "result_nan": on(call=answering(lambda: b'{"content":[],"n":NaN}')),
    "result_no_object": on(call=answering(lambda: b"7")),
    "initialize_no_object": on(initialize=answering(lambda: b"[1]")),
    "initialize_members": on(
        initialize=answering(
            lambda: b"{%b}" % b",".join(b'"%d":1' % n for n in range(1_200_000))
        )
    ),
    "revision_unknown": on(
        initialize=answering(lambda: _INIT.replace(b"2025-11-25", b"1999-01-01"))
    ),
    # lists: see C33, C36
    "pages_in_circle": on(list=circle),
    "endless_pages": on(list=endless_pages),
    "many_tools": on(list=many_tools),
    "list_of_junk": on(
        list=answering(lambda: b'{"tools":[%b%b]}' % (b"1," * (7 * MEBIBYTE), _ECHO))
    ),
    "list_no_list": on(list=answering(lambda: b'{"tools":{}}')),
    "malformed_tools": on(list=malformed_tools),
    "deep_tools": on(
        list=answering(lambda: b'{"tools":[%b,%b]}' % (_DEEP_TOOL, _ECHO))
    ),
    "odd_names": on(list=odd_names),
    # floods: see C31, C32
    "floods_list_changed": beside(lambda: flood(_LISTS)),
    "floods_log": beside(lambda: flood(_LOUD)),
    "floods_requests": beside(asks_nonsense),
    "floods_questions": beside(asks_strangers),
    "floods_progress": on(call=progress_flood),
}


def ever_new() -> None:
    """New tools in each list, and the news of it all the time."""

    def news() -> None:
        while True:
            out(_LISTS)
            time.sleep(0.05)

    threading.Thread(target=news, daemon=True).start()
    serve({"tools/list": ever_new_tools})


BEHAVIOURS["ever_new_tools"] = ever_new


if __name__ == "__main__":
    BEHAVIOURS[sys.argv[1]]()
