"""Runs what a command does, until it is done or Ctrl-C ends it."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio

from bridge.cli.exit import EXIT_INTERRUPTED, CommandFailed

T = TypeVar("T")

_LINE = 64 * 2**10


def run(command: Callable[[], Awaitable[T]]) -> T:
    """The result of ``command``. Raises what it raises, never in a group, and
    CommandFailed once it has been interrupted and has cleaned up."""
    return trio.run(_interruptible, command)


async def _interruptible(command: Callable[[], Awaitable[T]]) -> T:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        return await alongside(command, partial(_heed, signals))


async def _heed(signals: AsyncIterator[int]) -> None:
    await anext(signals)
    raise CommandFailed("given up", status=EXIT_INTERRUPTED)


async def alongside(
    main: Callable[[], Awaitable[T]], other: Callable[[], Awaitable[None]]
) -> T:
    """The result of ``main``, while ``other`` runs beside it.

    The first exception of either ends both and is raised plain.
    """
    results: list[T] = []
    failures: list[Exception] = []

    async def finish() -> None:
        results.append(await main())
        nursery.cancel_scope.cancel()

    async def guarded(part: Callable[[], Awaitable[None]]) -> None:
        try:
            await part()
        except Exception as error:  # noqa: BLE001 - raised below, outside of the nursery
            failures.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(guarded, other)
        nursery.start_soon(guarded, finish)
    if failures:
        raise failures[0]
    return results[0]


async def read_line(descriptor: int) -> str | None:
    """The next line of a terminal, a pipe or a file; None at its end.

    Waits without a thread, so that it can be cancelled. A file is always ready.
    """
    held = b""
    while b"\n" not in held and len(held) < _LINE:
        await _readable(descriptor)
        data = os.read(descriptor, 1)
        if not data:
            break
        held += data
    return held.decode("utf-8", "replace").strip() if held else None


async def _readable(descriptor: int) -> None:
    try:
        await trio.lowlevel.wait_readable(descriptor)
    except OSError:  # epoll takes no plain files
        await trio.lowlevel.checkpoint()
