"""Faults of a simulated provider, ordered per endpoint: ``once`` or ``always``.

Each is made by a function here and given a `Turn`: the request, the honest work, and
how to answer.
"""

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable

import msgspec
import trio

from kit.provider_http import Answer, json_answer, send
from kit.scripted_http import Exchange


class Turn(msgspec.Struct):
    """One request. ``work`` does what was asked and makes the honest answer."""

    exchange: Exchange
    work: Callable[[], Answer]
    #: The client was told to come back in so many seconds.
    hold_off: Callable[[float], None]


Fault = Callable[[Turn], Awaitable[None]]


class Faults:
    """What goes wrong next, by endpoint (``token``, ``metadata``, ...)."""

    def __init__(self) -> None:
        self._once: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}

    def once(self, endpoint: str, *faults: Fault) -> None:
        """The next requests there meet these, one each."""
        self._once[endpoint].extend(faults)

    def always(self, endpoint: str, fault: Fault) -> None:
        """Every request there, until `heal`."""
        self._always[endpoint] = fault

    def heal(self, endpoint: str) -> None:
        """Nothing goes wrong there any more."""
        self._once.pop(endpoint, None)
        self._always.pop(endpoint, None)

    def take(self, endpoint: str) -> Fault | None:
        """The fault of this request, used up if it was ordered once."""
        if self._once[endpoint]:
            return self._once[endpoint].popleft()
        return self._always.get(endpoint)


async def honest(turn: Turn) -> None:
    """No fault: lets the next ones wait their turn."""
    await send(turn.exchange, turn.work())


def answering(
    status: int, body: bytes = b"", *, content_type: str = "application/json"
) -> Fault:
    """This answer; nothing was done."""

    async def fault(turn: Turn) -> None:
        await turn.exchange.answer(status, body, {"Content-Type": content_type})

    return fault


def html(status: int = 200) -> Fault:
    """A page where JSON was due."""
    return answering(status, b"<html>Sorry</html>", content_type="text/html")


def huge(octets: int = 2 * 2**20) -> Fault:
    """Legal JSON, and too much of it."""
    return answering(200, b'{"x":"' + b"x" * octets + b'"}')


def refusing(error: str, *, status: int = 400) -> Fault:
    """An OAuth error; nothing was done."""

    async def fault(turn: Turn) -> None:
        await send(turn.exchange, json_answer({"error": error}, status=status))

    return fault


def too_many(retry_after: float) -> Fault:
    """429; whoever comes back earlier than told breaks ``retry_after``."""

    async def fault(turn: Turn) -> None:
        turn.hold_off(retry_after)
        headers = {"Retry-After": f"{retry_after:g}"}
        await turn.exchange.answer(429, b"", headers)

    return fault


def redirecting(target: str, status: int = 302) -> Fault:
    async def fault(turn: Turn) -> None:
        await turn.exchange.answer(status, b"", {"Location": target})

    return fault


def slow(seconds: float) -> Fault:
    """Does nothing for so long, then all of it; nothing if the client left before."""

    async def fault(turn: Turn) -> None:
        if await _stays(turn, seconds):
            await honest(turn)

    return fault


def late(seconds: float) -> Fault:
    """Does it at once, and says so later; lost if the client left before."""

    async def fault(turn: Turn) -> None:
        answer = turn.work()
        if await _stays(turn, seconds):
            await send(turn.exchange, answer)
        else:
            answer.lost()

    return fault


async def silent(turn: Turn) -> None:
    """No answer ever comes, and nothing is done."""
    await turn.exchange.stream.receive_some()  # until the client leaves


async def cut(turn: Turn) -> None:
    """The connection breaks before anything was done."""
    await trio.lowlevel.checkpoint()
    turn.exchange.stream.reset()


async def answer_lost(turn: Turn) -> None:
    """It was done, and the connection breaks before the answer."""
    await trio.lowlevel.checkpoint()
    turn.work().lost()
    turn.exchange.stream.reset()


async def half_an_answer(turn: Turn) -> None:
    """It was done, and the connection breaks within the answer."""
    answer = turn.work()
    answer.lost()
    half = answer.body[: len(answer.body) // 2]
    head = f"HTTP/1.1 {answer.status} X\r\nContent-Length: {len(answer.body)}\r\n\r\n"
    await turn.exchange.raw(head.encode() + half)
    await trio.sleep(0.01)  # what was sent is read before the reset
    turn.exchange.stream.reset()


async def _stays(turn: Turn, seconds: float) -> bool:
    """Whether the client is still there after so long."""
    with trio.move_on_after(seconds) as scope:
        await turn.exchange.stream.receive_some()
    return scope.cancelled_caught
