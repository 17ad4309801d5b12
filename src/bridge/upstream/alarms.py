"""Every moment one upstream actor waits for, behind a single sleeping task."""

from enum import Enum
from math import inf

import trio


class Alarm(Enum):
    """What a moment is for."""

    PAUSE = "pause"  # the next connection attempt
    PHASE = "phase"  # connecting, handshaking or listing took too long
    STABLE = "stable"  # ready for a while
    SWEEP = "sweep"  # deadlines of calls, questions and own requests
    PROGRESS = "progress"  # progress held back by the rate limit
    NEWS = "news"  # notifications held back by the rate limit
    RELIST = "relist"  # the lists have changed
    WISHES = "wishes"  # subscriptions a busy link did not take
    PROBE = "probe"  # health
    CIRCUIT = "circuit"  # an upstream that answered only errors may be tried again
    RATE = "rate"  # a call held back by the rate limit
    DRAIN = "drain"  # the calls' time is over
    STATUS = "status"  # counters have changed


class Alarms:
    """Set and clear without waiting; one task sleeps in `ring`.

    A moment set earlier than the present sleep moves the sleep's own deadline, so
    nothing ticks while nothing is due.
    """

    def __init__(self) -> None:
        self._at: dict[Alarm, float] = {}
        self._sleep: trio.CancelScope | None = None

    def set(self, alarm: Alarm, at: float) -> None:
        """Ring at this time instead of any other."""
        self._at[alarm] = at
        if self._sleep is not None and at < self._sleep.deadline:
            self._sleep.deadline = at

    def no_later(self, alarm: Alarm, at: float) -> None:
        """Ring at this time unless it rings earlier anyway."""
        if at < self._at.get(alarm, inf):
            self.set(alarm, at)

    def clear(self, *alarms: Alarm) -> None:
        """Do not ring."""
        for alarm in alarms:
            self._at.pop(alarm, None)

    def clear_all(self) -> None:
        self._at.clear()

    async def ring(self) -> list[Alarm]:
        """Sleep until something is due; what is due is no longer set."""
        with trio.CancelScope(deadline=min(self._at.values(), default=inf)) as sleep:
            self._sleep = sleep
            try:
                await trio.sleep_forever()
            finally:
                self._sleep = None
        now = trio.current_time()
        due = [alarm for alarm, at in self._at.items() if at <= now]
        self.clear(*due)
        return due
