"""Simulates seeds in processes of their own, one per core, untraced by coverage.

A run takes about half a second of one core, twice that under a tracer; every run stands
alone, so they may be made anywhere and in any order.
"""

import gc
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sim.breaches import PLANTS
from sim.trace import Trace
from sim.world import simulate

#: A run that takes longer (seconds of the machine's clock) hangs without waiting.
HANGS_AFTER = 300
#: Runs are made without the garbage collector; its work is done between them.
_COLLECT_EVERY = 10
#: What makes coverage trace a new process.
_TRACERS = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


class Hunted:
    """A planted bug: the seed that found it, and how many were tried until then."""

    def __init__(self, plant: str, *, tried: int, trace: Trace | None) -> None:
        self.plant = plant
        self.tried = tried
        self.seed = 0 if trace is None else trace.seed
        self.found = "" if trace is None else str(trace.breaches[0])
        self.promises = (
            [] if trace is None else sorted({b.promise for b in trace.breaches})
        )


class Pool:
    """Worker processes. ``close`` ends them; what has not begun is not begun."""

    def __init__(self, workers: int = 0) -> None:
        self._workers = ProcessPoolExecutor(
            workers or os.cpu_count() or 1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare,
        )

    def simulate(self, seed: int) -> "Future[Trace]":
        """The trace of a seed, some time."""
        return self._submit(run_one, seed)

    def hunt(self, plant: str, seeds: Sequence[int]) -> "Future[Hunted]":
        """Try a planted bug against these seeds, until one finds it."""
        return self._submit(_hunt, plant, tuple(seeds))

    def close(self) -> None:
        self._workers.shutdown(cancel_futures=True)

    def _submit(self, work: Callable[..., Any], *args: object) -> "Future[Any]":
        with _untraced():  # the first submissions start the workers
            return self._workers.submit(work, *args)


def run_one(seed: int) -> Trace:
    """One seed, in this process; what hangs or is cleaned up too late is a breach."""
    late: list[str] = []
    sys.unraisablehook, before = _noting(late), sys.unraisablehook
    signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(HANGS_AFTER)
    try:
        trace = simulate(seed)
    finally:
        signal.alarm(0)
        sys.unraisablehook = before
    for text in late:
        trace.crash(text)
    if seed % _COLLECT_EVERY == 0:
        gc.collect()
    return trace


def _hunt(plant: str, seeds: Sequence[int]) -> Hunted:
    for tried, seed in enumerate(seeds, 1):
        with PLANTS[plant]():
            trace = run_one(seed)
        if trace.breaches:
            return Hunted(plant, tried=tried, trace=trace)
    return Hunted(plant, tried=len(seeds), trace=None)


def _prepare() -> None:
    """A worker: warnings are errors here as they are in other tests."""
    warnings.simplefilter("error")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to heed


def _hangs(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"the run hangs: no end after {HANGS_AFTER} s")


def _noting(late: list[str]) -> Callable[[Any], None]:
    def note(unraisable: Any) -> None:
        late.append(f"{unraisable.err_msg or 'ignored'}: {unraisable.exc_value!r}")

    return note


@contextmanager
def _untraced() -> Generator[None]:
    hidden = {name: os.environ.pop(name) for name in _TRACERS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
