"""How loudly a change of state is said. Pure.

An outage is told at *warning* when it begins, also the first one of an upstream that
never served, and once more when the quick attempts are over (``failed``). Each retry in
between is *info*, and so is the end. Steps inside one shown state are *debug*. So one
warning stands for one thing to know, however often it is tried again.
"""

from bridge.contract.upstream import UpstreamState
from bridge.observe.catalogue import Level

_OUT = frozenset(
    {UpstreamState.BACKOFF, UpstreamState.FAILED, UpstreamState.AUTH_REQUIRED}
)


class Gravity:
    """Remembers what has been told of the present outage."""

    def __init__(self) -> None:
        self._told: set[UpstreamState] = set()

    def of(self, before: UpstreamState, now: UpstreamState) -> Level:
        """The level for this change; counts it as told."""
        if now is UpstreamState.CONNECTED:
            self._told.clear()
        if now in _OUT and self._is_news(now):
            self._told.add(now)
            return "warning"
        return "debug" if now is before else "info"

    def _is_news(self, now: UpstreamState) -> bool:
        return not self._told or (
            now is not UpstreamState.BACKOFF and now not in self._told
        )
