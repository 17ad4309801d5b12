"""SIGTERM and SIGHUP before the bridge heeds them. Imports nothing that takes time."""

import signal
from types import FrameType


class EarlyStop:
    """Takes SIGTERM from now on: a bridge that is told to stop ends with status 0, at
    whatever instant.

    Until `begin` nothing has been started, and the process ends at once. From then on
    it is remembered; the bridge takes signals itself as soon as it can.
    """

    def __init__(self) -> None:
        self.came = False
        self._begun = False
        signal.signal(signal.SIGTERM, self._note)

    def begin(self) -> None:
        """There is something to stop in order from now on."""
        self._begun = True

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
        if not self._begun:
            raise SystemExit(0)


class EarlyHangups:
    """Takes SIGHUP from now on, until `signals.heed_hangups` does: the process lives,
    and whether one came is remembered."""

    def __init__(self) -> None:
        self.came = False
        # A handler, not SIG_IGN: children would inherit that.
        signal.signal(signal.SIGHUP, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
