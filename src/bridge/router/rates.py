"""How many calls a second each principal may make. Pure: time is an argument."""

from bridge.actor.bucket import Bucket
from bridge.contract.principal import Principal
from bridge.errors import RateLimited

#: Buckets that are full again are as good as none; beyond so many they are thrown away.
_REMEMBERED = 1024


class Rates:
    """``per_second`` calls of each principal, in all its sessions; 0: any number."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._buckets: dict[Principal, Bucket] = {}
        self._prune_at = _REMEMBERED

    def __len__(self) -> int:
        return len(self._buckets)

    def check(self, principal: Principal, now: float) -> None:
        """Count one call. Raises `RateLimited` when it is one too many."""
        if not self._per_second:
            return
        bucket = self._buckets.get(principal)
        if bucket is None:
            bucket = self._add(principal, now)
        if not bucket.take(now):
            wait = bucket.wait(now)
            raise RateLimited(
                f"you may make {self._per_second:g} calls a second; nothing ran, try"
                f" again in {wait:.1f} s",
                retry_after=wait,
            )

    def _add(self, principal: Principal, now: float) -> Bucket:
        if len(self._buckets) >= self._prune_at:
            busy = {p: b for p, b in self._buckets.items() if not b.is_full(now)}
            self._buckets = busy
            self._prune_at = max(_REMEMBERED, 2 * len(busy))
        bucket = self._buckets[principal] = Bucket(self._per_second, now=now)
        return bucket
