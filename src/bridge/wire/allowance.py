"""How much of what a peer causes may pass, and how much of it did not."""

import trio

from bridge.actor.bucket import Bucket


class Allowance:
    """``burst`` at once, then ``per_second``; what is refused is counted."""

    def __init__(self, *, burst: int, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._bucket: Bucket | None = None  # full until somebody takes
        self._suppressed = 0

    def take(self) -> bool:
        """Whether one more may pass now."""
        now = trio.current_time()
        if self._bucket is None:
            self._bucket = Bucket(self._per_second, now=now, burst=self._burst)
        passes = self._bucket.take(now)
        self._suppressed += not passes
        return passes

    def skip(self, count: int) -> None:
        """Count what was not even asked for."""
        self._suppressed += count

    def suppressed(self) -> int:
        """How many were refused since this was last asked."""
        count, self._suppressed = self._suppressed, 0
        return count
