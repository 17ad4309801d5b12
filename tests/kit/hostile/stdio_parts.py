"""What servers on stdio are made of: an honest one, and the ways to bend it.

What a behaviour does not break works: handshake, ``tools/list`` with one tool ``echo``,
its calls.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from kit.hostile.behaviour import Work

Json = dict[str, Any]
Act = Callable[[Json], None]
Bytes = bytes | Callable[[], bytes]
MEBIBYTE = 2**20

_writing = threading.Lock()
_METHODS = {"list": "tools/list", "call": "tools/call"}


def out(data: bytes) -> None:
    """All of it, as it is. Ends the process when nobody reads any more."""
    left = memoryview(data)
    try:
        with _writing:
            while left:
                left = left[os.write(1, left) :]
    except OSError:
        os._exit(0)


def made(data: Bytes) -> bytes:
    """What is large is made when it is needed."""
    return data if isinstance(data, bytes) else data()


def line(message: Json) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


def write(message: Json) -> None:
    out(line(message))


def tool(name: object, **members: object) -> Json:
    return {"name": name, "inputSchema": {"type": "object"}, **members}


INITIALIZED: Json = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {"listChanged": True}, "logging": {}},
    "serverInfo": {"name": "hostile", "version": "1"},
}


def result_of(request: Json) -> Json:
    """What an honest server answers."""
    match request["method"]:
        case "initialize":
            return INITIALIZED
        case "tools/list":
            return {"tools": [tool("echo")]}
        case "tools/call":
            return {"content": [{"type": "text", "text": "honest"}]}
        case _:
            return {}


def honest_line(request: Json) -> bytes:
    return line({"id": request["id"], "result": result_of(request)})


def honest(request: Json) -> None:
    out(honest_line(request))


def requests() -> Iterator[Json]:
    for received in sys.stdin.buffer:
        message = json.loads(received)
        if "id" in message and "method" in message:
            yield message


def serve(acts: Mapping[str, Act] | None = None) -> None:
    """Honest but for the methods in ``acts``, until the end of input."""
    for request in requests():
        (acts or {}).get(request["method"], honest)(request)


# --- works: what a whole process does ---


def on(**acts: Act) -> Work:
    """Honest but for these methods; ``list`` and ``call`` are those of tools."""
    return lambda: serve({_METHODS.get(name, name): act for name, act in acts.items()})


def always(act: Act) -> Work:
    """Every request is answered by this."""

    def work() -> None:
        for request in requests():
            act(request)

    return work


def before(*noise: Bytes) -> Work:
    """Something in front of each answer."""

    def act(request: Json) -> None:
        for data in noise:
            out(made(data))
        honest(request)

    return always(act)


def wrapped(wrap: Callable[[bytes], bytes]) -> Work:
    """Each honest answer, without its newline, in other bytes."""
    return always(lambda request: out(wrap(honest_line(request)[:-1])))


def beside(work: Work) -> Work:
    """Honest, and after the first list something else all the time."""
    started = threading.Event()

    def act(request: Json) -> None:
        if not started.is_set():
            started.set()
            threading.Thread(target=work, daemon=True).start()
        honest(request)

    return lambda: serve({"tools/list": act})


def first(*acts: Work, then: Work = serve) -> Work:
    """These, one after the other, before it serves."""

    def work() -> None:
        for act in acts:
            act()
        then()

    return work


def flood(data: bytes) -> Work:
    """As much as is taken, in bursts: other processes need the processor too."""

    def work() -> None:
        while True:
            out(data * max(1, 32_768 // len(data)))
            time.sleep(0.05)

    return work


def for_ever() -> None:
    while True:
        time.sleep(3600)


# --- acts: what one request gets ---


def silent(_request: Json) -> None:
    """Never answered."""


def doing(*works: Work) -> Act:
    """These instead of an answer."""

    def act(_request: Json) -> None:
        for work in works:
            work()

    return act


def each(*acts: Act) -> Act:
    """All of these, one after the other."""

    def act(request: Json) -> None:
        for one in acts:
            one(request)

    return act


def then(act: Act, *works: Work) -> Act:
    """The answer, and these after it."""
    return each(act, doing(*works))


def says(*data: Bytes) -> Work:
    def work() -> None:
        for part in data:
            out(made(part))

    return work


def answering(result: Bytes) -> Act:
    """The answer has these bytes as its result."""

    def act(request: Json) -> None:
        out(b'{"jsonrpc":"2.0","id":%d,"result":%b}\n' % (request["id"], made(result)))

    return act


def written(form: bytes) -> Act:
    """The answer is ``form``, ``%d`` in it being the id of the request."""
    return lambda request: out(form.replace(b"%d", b"%d" % request["id"]) + b"\n")


def listing(*tools: object) -> Act:
    """These tools and an honest one."""
    return listing_of(lambda: tools)


def listing_of(tools: Callable[[], Iterable[object]]) -> Act:
    """The same, for what is large and made late."""
    return answering(lambda: json.dumps({"tools": [*tools(), tool("echo")]}).encode())


def initializing(**members: object) -> Act:
    """The honest answer to ``initialize`` with other members."""
    return answering(lambda: json.dumps({**INITIALIZED, **members}).encode())


def delayed(seconds: float, act: Act = honest) -> Act:
    return lambda request: (time.sleep(seconds), act(request))[1]


def trickled(seconds: float) -> Act:
    """One byte at a time."""

    def act(request: Json) -> None:
        for octet in honest_line(request):
            out(bytes((octet,)))
            time.sleep(seconds)

    return act


def text_result(text: bytes) -> bytes:
    return b'{"content":[{"type":"text","text":"%b"}]}' % text


def notification(method: str, **params: object) -> bytes:
    message = {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params}
    return json.dumps(message).encode() + b"\n"


def question(number: object, method: str, **params: object) -> bytes:
    return line({"id": number, "method": method, "params": params})


def burst(data: Callable[[Iterator[int]], bytes], *, pause: float = 0.05) -> Work:
    """For ever what ``data`` makes of fresh numbers."""

    def work() -> None:
        numbers = iter(range(10**9))
        while True:
            out(data(numbers))
            time.sleep(pause)

    return work
