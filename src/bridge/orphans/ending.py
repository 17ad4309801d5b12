"""Ends what dead bridges have left behind, in bounded time."""

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import trio

from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.orphans.process_table import ProcessTable
from bridge.orphans.record import Leader
from bridge.orphans.record_file import abandoned, claimed

#: Their input has ended with their bridge, so they are told at once, and made to later.
GRACE = 3.0
#: After SIGKILL only the kernel can delay the end; it is not waited for long.
_REAP = 1.0
_POLL = 0.02

SignalGroup = Callable[[int, int], None]


class Undertaker:
    """Ends the children named by the records of bridges that are dead."""

    def __init__(
        self,
        home: Path,
        *,
        table: ProcessTable,
        log: Log,
        signal_group: SignalGroup = os.killpg,
    ) -> None:
        self._home = home
        self._table = table
        self._log = log
        self._signal_group = signal_group

    async def end_orphans(self) -> None:
        """Until they are gone, or will not go. A bridge that lives keeps its own.

        Takes at most a little more than `GRACE` for each dead bridge.
        """
        try:
            found = abandoned(self._home)
        except OSError as error:
            self._unknown(error)
            return
        for path in found:
            try:
                await self._end_all_of(path)
            except OSError as error:
                self._unknown(error)

    def _unknown(self, error: OSError) -> None:
        self._log.emit(events.ORPHANS_UNKNOWN, error=error.strerror or str(error))

    async def _end_all_of(self, path: Path) -> None:
        with claimed(path) as record:
            if record is None or record.boot != self._table.boot:
                return
            left = self._alive(record.leaders)
            if not left:
                return
            survivors = await self._end(left)
        self._log.emit(
            events.ORPHANS_ENDED,
            processes=len(left) - len(survivors),
            pids=[each.pid for each in left],
            left=len(survivors),
        )

    async def _end(self, leaders: list[Leader]) -> list[Leader]:
        """Those that are still there in the end."""
        self._tell(leaders, signal.SIGTERM)
        stubborn = await self._wait_for(leaders, GRACE)
        # The group may outlive its leader: its members are made to go as well. A number
        # that is somebody else's by now means that the whole group has gone.
        theirs = [e for e in leaders if self._table.began(e.pid) in (None, e.began)]
        self._tell(theirs, signal.SIGKILL)
        return await self._wait_for(stubborn, _REAP)

    def _tell(self, leaders: Iterable[Leader], number: int) -> None:
        for leader in leaders:
            try:
                self._signal_group(leader.pid, number)
            except (ProcessLookupError, PermissionError):
                continue  # gone meanwhile

    async def _wait_for(self, leaders: list[Leader], seconds: float) -> list[Leader]:
        with trio.move_on_after(seconds):
            while leaders:
                await trio.sleep(_POLL)  # nobody but their parent is told of their end
                leaders = self._alive(leaders)
        return leaders

    def _alive(self, leaders: Iterable[Leader]) -> list[Leader]:
        return [each for each in leaders if self._table.began(each.pid) == each.began]
