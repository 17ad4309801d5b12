"""Notices when the event loop is held up, and by whom (E8).

A task beats every `PERIOD` and each time sets an alarm of the kernel a little ahead. A
loop that is held up does not set it anew, so the alarm rings, on the same thread, in
the middle of whatever holds it up: there it is read which task that is, and where it
stands. Calls pay nothing for it; a hook around each step of a task was measured at some
percent of a call.

The alarm is SIGALRM. Whoever else takes that signal (the watchdog of a stop) ends this.
"""

import signal
import time
from types import FrameType

import trio

from bridge.actor.whose import label
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.observe.metrics import Metrics
from bridge.observe.readings import Stalls
from bridge.observe.stall import LIMIT, PERIOD, Sample, Stall, StallRecord

#: The first sample is taken here; later ones tell one busy task from many.
_FIRST = PERIOD + LIMIT / 2
_NEXT = LIMIT / 4
_OURS = "bridge."


class Pulse:
    """One per process, on the main thread."""

    def __init__(self, *, log: Log, metrics: Metrics) -> None:
        self._log = log
        self._record = StallRecord(now=0.0, cpu=0.0)
        metrics.watch_stalls(lambda: Stalls(self._record.count, self._record.longest))

    async def run(self) -> None:
        """Beat until cancelled, or until somebody else takes the alarm."""
        before = signal.signal(signal.SIGALRM, self._ring)
        self._record = StallRecord(now=trio.current_time(), cpu=time.process_time())
        try:
            while self._is_ours():
                signal.setitimer(signal.ITIMER_REAL, _FIRST, _NEXT)
                await trio.sleep(PERIOD)
                now = trio.current_time()
                self._say(self._record.beat(now=now, cpu=time.process_time()))
        finally:
            if self._is_ours():
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)

    def _is_ours(self) -> bool:
        return signal.getsignal(signal.SIGALRM) == self._ring

    def _ring(self, _number: int, frame: FrameType | None) -> None:
        """The beat is overdue. Runs between two instructions of whoever runs now."""
        sample = Sample(*_running(frame))
        now, cpu = trio.current_time(), time.process_time()
        self._say(self._record.sampled(sample, now=now, cpu=cpu))

    def _say(self, stall: Stall | None) -> None:
        if stall is not None:
            self._log.emit(
                events.BRIDGE_STALLED,
                seconds=stall.seconds,
                cpu=stall.cpu,
                task=stall.task,
                where=stall.where,
                suppressed=stall.suppressed,
            )


def _running(frame: FrameType | None) -> tuple[str, str]:
    try:
        task = trio.lowlevel.current_task()
    except RuntimeError:  # between two tasks: the process itself was held up
        return Sample().task, ""
    return label(task), _where(frame)


def _where(frame: FrameType | None) -> str:
    """The innermost place in our own code: ``bridge.router.table:build_table:80``."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(_OURS) and module != __name__:
            return f"{module}:{frame.f_code.co_name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
