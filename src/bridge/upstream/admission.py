"""Whether a call may wait for a connection, and what it is told if not (R137)."""

import trio

from bridge.config.model import UpstreamConfig
from bridge.contract.upstream import Call
from bridge.errors import UpstreamUnavailable
from bridge.upstream import faults
from bridge.upstream.lifecycle import Lifecycle
from bridge.upstream.state import Phase

FIRST_GRACE = 5.0  # seconds a call waits for an upstream that was never ready yet

#: Nobody knows when these end, so nobody waits for it.
_HOPELESS = (Phase.FAILED, Phase.AWAITING_LOGIN, Phase.DRAINING, Phase.STOPPED)


class Admission:
    """Rules for calls that come while the upstream is not ready."""

    def __init__(self, config: UpstreamConfig, lifecycle: Lifecycle) -> None:
        self._name = config.name
        self._wish = config.wait_for_restart
        self._lifecycle = lifecycle

    @property
    def is_hopeless(self) -> bool:
        """Nobody knows when there will be a connection."""
        return self._lifecycle.phase in _HOPELESS

    def until(self, call: Call) -> float:
        """Until when a call may wait for a connection; a time gone by: not at all."""
        if self.is_hopeless:
            return call.received_at
        if self._lifecycle.state.served:
            return call.received_at + self._wish
        return call.received_at + max(self._wish, FIRST_GRACE)

    def unavailable(self) -> UpstreamUnavailable:
        """The error of the present state; nothing was executed."""
        life = self._lifecycle
        if life.phase is Phase.AWAITING_LOGIN:
            return faults.login_needed(self._name, life.state.reason)
        wait = None
        if life.retry_at is not None:
            wait = max(life.retry_at - trio.current_time(), 0.0)
        reason = life.state.reason
        if not reason and life.last_error:
            reason = f"not ready after: {life.last_error}"
        return faults.unavailable(
            self._name, reason, state=life.shown.value, retry_after=wait
        )
