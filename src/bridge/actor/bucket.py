"""A token bucket. Pure: time is an argument.

It holds a burst: without another word one second's worth of tokens, at least one.
"""


class Bucket:
    """At most ``per_second`` in the long run, which is more than zero."""

    __slots__ = ("_at", "_level", "capacity", "per_second")

    def __init__(
        self, per_second: float, *, now: float, burst: float | None = None
    ) -> None:
        if not per_second > 0:
            raise ValueError("a bucket fills at more than nothing per second")
        self.per_second = per_second
        self.capacity = max(per_second if burst is None else burst, 1.0)
        self._level = self.capacity
        self._at = now

    def take(self, now: float) -> bool:
        """One more, if there is a token for it."""
        level = self._refilled(now)
        if level < 1:
            return False
        self._level = level - 1
        return True

    def wait(self, now: float, *, ahead: int = 0) -> float:
        """Seconds until there is a token for who comes after ``ahead`` others."""
        missing = ahead + 1 - self._refilled(now)
        return max(missing / self.per_second, 0.0)

    def is_full(self, now: float) -> bool:
        """Nobody has taken anything for a while: as good as a new one."""
        return self._refilled(now) >= self.capacity

    def _refilled(self, now: float) -> float:
        passed = max(now - self._at, 0.0)
        level = min(self.capacity, self._level + passed * self.per_second)
        # A level that is one but for the last digit of a float is one.
        self._level, self._at = round(level, 9), max(now, self._at)
        return self._level
