"""Processes whose children are known to the next bridge, should this one be killed."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.orphans.ending import Undertaker
from bridge.orphans.process_table import ProcessTable
from bridge.orphans.record import Leader, Record
from bridge.orphans.record_file import RecordFile
from bridge.ports import Process, Processes

#: What children get to tidy up when nobody wants to wait any more.
LAST_MOMENT = 0.5


class RecordedProcesses:
    """Starts children as ``inner`` does and keeps their record in ``home``.

    No child is started before `begin` has ended the orphans of earlier bridges: they
    may hold what the new ones need.
    """

    def __init__(
        self,
        inner: Processes,
        *,
        home: Path,
        log: Log,
        table: ProcessTable | None = None,
    ) -> None:
        self._inner = inner
        self._home = home
        self._log = log
        self._table = table or ProcessTable()
        self._boot = self._table.boot
        self._leaders: dict[int, Leader] = {}
        self._alive: dict[int, Process] = {}
        self._cut = False
        self._file: RecordFile | None = None
        self._begun = trio.Event()

    async def begin(self) -> None:
        """End orphans, then open our own record. Failure costs the record only."""
        try:
            if self._boot:
                undertaker = Undertaker(self._home, table=self._table, log=self._log)
                await undertaker.end_orphans()
                self._open()
        finally:
            self._begun.set()

    async def spawn(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: str | None
    ) -> Process:
        await self._begun.wait()
        process = await self._inner.spawn(command, env=env, cwd=cwd)
        self._alive[process.pid] = process
        if self._cut:
            process.kill()
        began = self._table.began(process.pid)
        if began is not None:
            self._leaders[process.pid] = Leader(process.pid, began)
            self._write()
        return _Recorded(process, self)

    def forget(self, pid: int) -> None:
        """The child has ended and is reaped."""
        self._alive.pop(pid, None)
        if self._leaders.pop(pid, None) is not None:
            self._write()

    async def cut(self) -> None:
        """End every child now, and any that is just being started; who stops them
        in their own time finds them gone."""
        self._cut = True
        for process in tuple(self._alive.values()):
            process.terminate()
        await trio.sleep(LAST_MOMENT)
        for process in tuple(self._alive.values()):
            process.kill()

    def end(self) -> None:
        """The bridge ends in peace: its record goes, unless a child is left."""
        file, self._file = self._file, None
        if file is not None and not self._leaders:
            file.remove()

    def _open(self) -> None:
        pid = os.getpid()
        name = f"{pid}-{self._table.began(pid)}"
        try:
            self._file = RecordFile(self._home, name)
        except OSError as error:
            self._give_up(error)
        self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        record = Record(self._boot, tuple(self._leaders.values()))
        try:
            self._file.write(record)
        except OSError as error:
            self._file = None
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        self._log.emit(events.ORPHANS_NOT_RECORDED, error=reason)


class _Recorded:
    """A child that is forgotten once it is reaped."""

    def __init__(self, inner: Process, processes: RecordedProcesses) -> None:
        self._inner = inner
        self._processes = processes

    @property
    def pid(self) -> int:
        return self._inner.pid

    @property
    def stdin(self) -> trio.abc.SendStream:
        return self._inner.stdin

    @property
    def stdout(self) -> trio.abc.ReceiveStream:
        return self._inner.stdout

    @property
    def stderr(self) -> trio.abc.ReceiveStream:
        return self._inner.stderr

    async def wait(self) -> int:
        status = await self._inner.wait()
        self._processes.forget(self.pid)
        return status

    def terminate(self) -> None:
        self._inner.terminate()

    def kill(self) -> None:
        self._inner.kill()
