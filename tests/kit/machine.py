"""A machine with processes that take signals, as `bridge.orphans` sees it."""

import signal
from collections.abc import Iterable
from pathlib import Path

import trio

from bridge.orphans.process_table import ProcessTable

BOOT = "0f6a"


class Machine(ProcessTable):
    """``deaf`` ends at SIGKILL only, ``immortal`` never; others after ``takes``."""

    def __init__(self, *, boot: str = BOOT, takes: float = 0.1) -> None:
        super().__init__(Path("/nowhere"))
        self._boot = boot
        self._takes = takes
        self._alive: dict[int, int] = {}
        self._ends: dict[int, float] = {}
        self.deaf: set[int] = set()
        self.immortal: set[int] = set()
        self.foreign: set[int] = set()
        self.signals: list[tuple[int, int]] = []

    @property
    def boot(self) -> str:
        return self._boot

    def start(self, processes: Iterable[tuple[int, int]]) -> None:
        self._alive.update(processes)

    def restart(self, pid: int, *, began: int) -> None:
        """Its number is another process's now."""
        self._ends.pop(pid)
        self._alive[pid] = began

    def began(self, pid: int) -> int | None:
        if self._ends.get(pid, trio.current_time() + 1) <= trio.current_time():
            self._alive.pop(pid, None)
        return self._alive.get(pid)

    def signal_group(self, pid: int, number: int) -> None:
        self.signals.append((pid, number))
        if pid in self.foreign:
            raise PermissionError
        if self.began(pid) is None:
            raise ProcessLookupError
        if pid in self.immortal:
            return
        if number == signal.SIGKILL:
            self._ends[pid] = trio.current_time()
        elif pid not in self.deaf:
            self._ends.setdefault(pid, trio.current_time() + self._takes)
