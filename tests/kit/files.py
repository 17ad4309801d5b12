"""The Files port in memory, on Trio's clock, with the faults disks and kills have.

Several `MemoryFiles` on one `MemoryDisk` are several processes on one machine: they see
each other's files and wait for each other's locks.
"""

import errno
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import trio

from bridge.ports import OnTightened

_PAUSE = 0.01


class Killed(BaseException):
    """What stands for a SIGKILL; passes by every ``except Exception``."""


class MemoryDisk:
    """What outlives a process. Change it by hand as a person would."""

    def __init__(self) -> None:
        self.files: dict[Path, bytes] = {}
        self.left_over: list[bytes] = []  # temporary files of killed processes
        self.held: set[Path] = set()  # locks; put one in: another process has it
        self.wide: dict[Path, int] = {}  # files and folders open to others: their mode
        self.broken: dict[Path, OSError] = {}  # what reading them raises
        self.versions: dict[Path, int] = {}

    def put(self, path: Path, data: bytes) -> None:
        self.files[path] = data
        self._touch(path)

    def delete(self, path: Path) -> None:
        del self.files[path]
        self.broken.pop(path, None)
        self._touch(path)

    def move(self, old: Path, new: Path) -> None:
        self.put(new, self.files[old])
        self.delete(old)

    def stamp(self, path: Path) -> str:
        return str(self.versions[path]) if path in self.files else ""

    def _touch(self, path: Path) -> None:
        self.versions[path] = self.versions.get(path, 0) + 1


class MemoryFiles:
    """`bridge.ports.Files` of one process.

    ``delay``: how long every operation takes (s). ``refuse``: what writing raises, such
    as `disk_full`. ``kill_at``: the next `replace` ends in `Killed`, before or after
    the new content is in its place. ``log``: every change, in order.
    """

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = disk or MemoryDisk()
        self.delay = 0.0
        self.refuse: OSError | None = None
        self.kill_at: Literal["", "before", "after"] = ""
        self.log: list[tuple[str, Path]] = []

    async def read(
        self, path: Path, *, limit: int, on_tightened: OnTightened | None = None
    ) -> bytes | None:
        await self._work()
        if (error := self.disk.broken.get(path)) is not None:
            raise error
        self._tighten(path, on_tightened)
        data = self.disk.files.get(path)
        if data is not None and len(data) > limit:
            raise OSError(errno.EFBIG, f"larger than {limit} bytes", path)
        return data

    async def replace(
        self, path: Path, data: bytes, *, on_tightened: OnTightened | None = None
    ) -> None:
        await self._work(writes=True)
        self._tighten(path.parent, on_tightened)
        kill, self.kill_at = self.kill_at, ""
        if kill == "before":
            self.disk.left_over.append(data)
            raise Killed
        self.disk.put(path, data)
        self.log.append(("replace", path))
        if kill == "after":
            raise Killed

    async def remove(self, path: Path) -> bool:
        await self._work(writes=True)
        if path not in self.disk.files:
            return False
        self.disk.delete(path)
        self.log.append(("remove", path))
        return True

    async def set_aside(self, path: Path) -> Path:
        await self._work(writes=True)
        if path not in self.disk.files:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        number = 1
        while (new := path.with_name(f"{path.name}.corrupt-{number}")) in (
            self.disk.files
        ):
            number += 1
        self.disk.move(path, new)
        self.log.append(("set_aside", path))
        return new

    async def stamp(self, path: Path) -> str:
        await self._work()
        return self.disk.stamp(path)

    @asynccontextmanager
    async def lock(self, path: Path, *, within: float) -> AsyncGenerator[None]:
        await self._work(writes=True)
        deadline = trio.current_time() + within
        while path in self.disk.held:
            if trio.current_time() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, "locked by another process", path)
            await trio.sleep(_PAUSE)
        self.disk.held.add(path)
        self.log.append(("lock", path))
        try:
            yield
        finally:
            self.disk.held.discard(path)
            self.log.append(("unlock", path))

    async def _work(self, *, writes: bool = False) -> None:
        await trio.lowlevel.checkpoint()
        # A worker thread is not abandoned: cancelling does not end the operation.
        with trio.CancelScope(shield=True):
            await trio.sleep(self.delay)
        if writes and self.refuse is not None:
            raise self.refuse

    def _tighten(self, path: Path, on_tightened: OnTightened | None) -> None:
        mode = self.disk.wide.pop(path, None)
        if mode is not None and on_tightened is not None:
            on_tightened(path, mode)


def disk_full(path: str = "tokens") -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", path)


def read_only(path: str = "tokens") -> OSError:
    return OSError(errno.EROFS, "Read-only file system", path)
