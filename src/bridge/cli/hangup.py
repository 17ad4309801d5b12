"""SIGHUP before anybody can act on it. Imports nothing that takes time."""

import signal
from types import FrameType


class EarlyHangups:
    """Takes SIGHUP from now on, until `signals.heed_hangups` does: the process lives,
    and whether one came is remembered."""

    def __init__(self) -> None:
        self.came = False
        # A handler, not SIG_IGN: children would inherit that.
        signal.signal(signal.SIGHUP, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
