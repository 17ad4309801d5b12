"""Raise at a chosen await of an async function, wherever in its call tree it is.

A suspended coroutine cannot be given an exception before Trio resumes it: Trio would
still hold it in a queue. So the await is carried out, and fails on its return. That is
also the harder case: the message was received, the bytes were sent, the slot taken.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import CoroutineType
from typing import Any, cast


class Planted(Exception):
    """The fault this module raises."""


class AwaitCounter:
    """How many awaits the function reached, and whether the fault was raised."""

    def __init__(self) -> None:
        self.reached = 0
        self.raised = False


async def failing_at(
    number: int, work: Callable[[], Awaitable[None]], *, counter: AwaitCounter
) -> None:
    """Run ``work`` and raise `Planted` when its await ``number`` (from 1) returns.

    The waiting at the end of a nursery block is left alone: Trio's own bookkeeping
    stands there, and no library call of the work can fail in its place.
    """
    await _Faulty(cast("Coroutine[Any, Any, None]", work()), number, counter)


class _Faulty:
    def __init__(
        self, work: Coroutine[Any, Any, None], number: int, counter: AwaitCounter
    ) -> None:
        self._work = work
        self._number = number
        self._counter = counter

    def __await__(self) -> Generator[Any, Any, None]:
        step: Callable[[], Any] = lambda: self._work.send(None)  # noqa: E731 - replaced below
        while True:
            try:
                trap = step()
            except StopIteration:
                return
            step = self._next_step((yield from _outcome(trap)))

    def _next_step(self, resumed: "_Resumed") -> Callable[[], Any]:
        if resumed.error is not None:
            error = resumed.error
            return lambda: self._work.throw(error)
        if _ends_a_nursery(self._work):
            return lambda: self._work.send(resumed.value)
        self._counter.reached += 1
        if self._counter.reached == self._number:
            self._counter.raised = True
            return lambda: self._work.throw(Planted(f"await {self._number}"))
        return lambda: self._work.send(resumed.value)


class _Resumed:
    def __init__(self, value: Any, error: BaseException | None) -> None:
        self.value = value
        self.error = error


def _outcome(trap: Any) -> Generator[Any, Any, _Resumed]:
    try:
        return _Resumed((yield trap), None)
    except BaseException as error:  # noqa: BLE001 - thrown into the work, never kept
        return _Resumed(None, error)


def _ends_a_nursery(work: object) -> bool:
    """Whether the coroutine waits in ``Nursery._nested_child_finished``."""
    while isinstance(work, CoroutineType):
        if work.cr_code.co_name == "_nested_child_finished":
            return True
        work = cast("object", work.cr_await)
    return False
