"""How much of what a peer causes may be logged: a bucket that refills with time."""

import trio


class Allowance:
    """``burst`` at once, then ``per_second``; what is refused is counted."""

    def __init__(self, *, burst: int, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = float(burst)
        self._at: float | None = None
        self._suppressed = 0

    def take(self) -> bool:
        """Whether one more may pass now."""
        now = trio.current_time()
        since = 0.0 if self._at is None else now - self._at
        self._left = min(self._burst, self._left + since * self._per_second)
        self._at = now
        if self._left < 1:
            self._suppressed += 1
            return False
        self._left -= 1
        return True

    def skip(self, count: int) -> None:
        """Count what was not even asked for."""
        self._suppressed += count

    def suppressed(self) -> int:
        """How many were refused since this was last asked."""
        count, self._suppressed = self._suppressed, 0
        return count
