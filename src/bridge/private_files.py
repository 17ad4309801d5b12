"""The real world behind `bridge.ports.Files`: private files of this user, POSIX only.

A file is replaced in one step: a temporary file beside it is created with mode 0600,
written, brought to the disk and renamed over it, then the folder is brought to the
disk. Whoever reads meanwhile, or after a kill at any instant, finds the old or the new
content whole. Everything goes through an open descriptor of the folder, so no symbolic
link put in between is followed. All of it runs in worker threads.
"""

import errno
import fcntl
import os
import secrets  # noqa: TID251 - part of the real world; names of temporary files
import stat
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import trio

from bridge.ports import OnTightened

T = TypeVar("T")

_FILE = stat.S_IRUSR | stat.S_IWUSR
_FOLDER = stat.S_IRWXU
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_COMMON = os.O_CLOEXEC | os.O_NOFOLLOW
_READ = _COMMON | os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY  # a pipe cannot hold us
_CREATE = _COMMON | os.O_WRONLY | os.O_CREAT | os.O_EXCL
_LOCK = _COMMON | os.O_RDWR | os.O_CREAT
_ENTER = _COMMON | os.O_RDONLY | os.O_DIRECTORY

_TEMPORARY = ".new"
#: A temporary file as old as this was left by a process that was killed: no write takes
#: a minute. A process number would say less: containers may share the folder.
_LEFT_OVER_NS = 60 * 10**9
#: A file that cannot be read again and again does not fill the disk.
_MOST_SET_ASIDE = 20
#: Pauses between tries for a lock. Its owners hold it for one round trip to a provider.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.05
#: Slow disks wait for each other, never for the name look-ups of other rooms.
_THREADS = 4


class PrivateFiles:
    """`bridge.ports.Files` of this machine.

    Writing tightens the file's folder, reading the file itself; parents further up are
    only ever created (mode 0700). OSErrors carry the reason in ``strerror``.
    """

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def read(
        self, path: Path, *, limit: int, on_tightened: OnTightened | None = None
    ) -> bytes | None:
        found = await self._run(lambda: _read(path, limit))
        if found is None:
            return None
        data, mode = found
        _report(path, mode, on_tightened)
        return data

    async def replace(
        self, path: Path, data: bytes, *, on_tightened: OnTightened | None = None
    ) -> None:
        mode = await self._run(lambda: _replace(path, data))
        _report(path.parent, mode, on_tightened)

    async def remove(self, path: Path) -> bool:
        return await self._run(lambda: _remove(path))

    async def set_aside(self, path: Path) -> Path:
        return await self._run(lambda: _set_aside(path))

    async def stamp(self, path: Path) -> str:
        return await self._run(lambda: _stamp(path))

    @asynccontextmanager
    async def lock(self, path: Path, *, within: float) -> AsyncGenerator[None]:
        """The lock is on ``<file>.lock``, which is never deleted."""
        held = await self._acquire(path, within)
        try:
            yield
        finally:
            os.close(held)  # the kernel frees the lock, here and on any other exit

    async def _acquire(self, path: Path, within: float) -> int:
        deadline, pause = trio.current_time() + within, _FIRST_PAUSE
        while (held := await self._run(lambda: _try_lock(path))) is None:
            left = deadline - trio.current_time()
            if left <= 0:
                raise TimeoutError(errno.ETIMEDOUT, "locked by another process", path)
            await trio.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)
        return held

    async def _run(self, job: Callable[[], T]) -> T:
        # Not abandoned when cancelled: what was done is always known.
        return await trio.to_thread.run_sync(job, limiter=self._limiter)


def _report(path: Path, mode: int | None, on_tightened: OnTightened | None) -> None:
    if mode is not None and on_tightened is not None:
        on_tightened(path, mode)


# --- in worker threads ---


def _read(path: Path, limit: int) -> tuple[bytes, int | None] | None:
    """The content, and the mode it had if that was too wide."""
    try:
        with _opened(path.parent, _ENTER) as folder:
            file = os.open(path.name, _READ, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _explained(error, path) from error
    try:
        _check_regular(os.fstat(file), path)
        mode = _tighten(file, _FILE, path)
        return _content(file, limit, path), mode
    finally:
        os.close(file)


def _content(file: int, limit: int, path: Path) -> bytes:
    parts: list[bytes] = []
    room = limit + 1
    while room and (part := os.read(file, room)):
        parts.append(part)
        room -= len(part)
    if not room:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", path)
    return b"".join(parts)


def _replace(path: Path, data: bytes) -> int | None:
    """The mode the folder had if that was too wide."""
    with _own_folder(path.parent) as folder:
        mode = _tighten(folder, _FOLDER, path.parent)
        temporary = f".{path.name}.{secrets.token_hex(8)}{_TEMPORARY}"
        try:
            now = _write(temporary, data, folder)
            os.rename(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            _unlink(temporary, folder)
            raise
        _to_disk(folder)
        # The new content is in its place: a leftover that stays takes nothing from it.
        with suppress(OSError):
            _sweep(folder, older_than=now - _LEFT_OVER_NS)
    return mode


def _write(name: str, data: bytes, folder: int) -> int:
    """A new file, on the disk; its time of writing (ns) by the clock of the disk."""
    file = os.open(name, _CREATE, _FILE, dir_fd=folder)
    try:
        os.fchmod(file, _FILE)  # never wider: an umask may have taken our own rights
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
        return os.fstat(file).st_mtime_ns
    finally:
        os.close(file)


def _remove(path: Path) -> bool:
    try:
        with _opened(path.parent, _ENTER) as folder:
            _sweep(folder, prefix=f".{path.name}.")
            found = _unlink(path.name, folder)
            _to_disk(folder)
    except FileNotFoundError:
        return False
    return found


def _set_aside(path: Path) -> Path:
    with _opened(path.parent, _ENTER) as folder:
        with os.scandir(folder) as entries:
            taken = {entry.name for entry in entries}
        names = (f"{path.name}.corrupt-{n}" for n in range(1, _MOST_SET_ASIDE))
        last = f"{path.name}.corrupt-{_MOST_SET_ASIDE}"
        name = next((name for name in names if name not in taken), last)
        os.rename(path.name, name, src_dir_fd=folder, dst_dir_fd=folder)
        _to_disk(folder)
    return path.with_name(name)


def _stamp(path: Path) -> str:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock; None: somebody else does."""
    name = f"{path.name}.lock"
    with _own_folder(path.parent) as folder:
        file = os.open(name, _LOCK, _FILE, dir_fd=folder)
        try:
            if _locked(file) and _is_at(name, file, folder):
                return file
        except OSError:
            os.close(file)
            raise
    os.close(file)
    return None


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(name: str, file: int, folder: int) -> bool:
    """Whether the lock is on the file others will find, not on a deleted one."""
    try:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(file))


# --- folders and modes ---


@contextmanager
def _opened(folder: Path, flags: int) -> Generator[int]:
    try:
        descriptor = os.open(folder, flags)
    except OSError as error:
        raise _explained(error, folder) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _own_folder(folder: Path) -> Generator[int]:
    """A folder to write in: made where it is missing, and nobody else's."""
    if not folder.exists():
        _make(folder)
    with _opened(folder, _ENTER) as descriptor:
        found = os.fstat(descriptor)
        _check_owner(found, folder)
        if found.st_mode & stat.S_ISVTX:
            raise PermissionError(errno.EPERM, "a folder everybody shares", folder)
        yield descriptor


def _make(folder: Path) -> None:
    for place in reversed((folder, *folder.parents)):
        try:
            place.mkdir(_FOLDER)
        except FileExistsError:
            continue
        place.chmod(_FOLDER)  # never wider: an umask may have taken our own rights


def _tighten(descriptor: int, mode: int, path: Path) -> int | None:
    """The mode it had, if others could do something with it; now it is ``mode``."""
    found = os.fstat(descriptor)
    _check_owner(found, path)
    had = stat.S_IMODE(found.st_mode)
    if not had & _OTHERS:
        return None
    os.fchmod(descriptor, mode)
    return had


def _check_regular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)


def _check_owner(found: os.stat_result, path: Path) -> None:
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", path)


def _explained(error: OSError, path: Path) -> OSError:
    """The same error, in words, with the whole path."""
    linked = error.errno in {errno.ELOOP, errno.ENOTDIR} and path.is_symlink()
    reason = "a symbolic link, which is not followed" if linked else error.strerror
    return OSError(errno.ELOOP if linked else error.errno, reason, path)


# --- small steps ---


def _unlink(name: str, folder: int) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _sweep(folder: int, *, prefix: str = ".", older_than: int | None = None) -> None:
    """Delete temporary files, those last written before ``older_than`` (ns)."""
    with os.scandir(folder) as entries:
        found = [e for e in entries if e.name.endswith(_TEMPORARY)]
        for entry in found:
            if entry.name.startswith(prefix) and _is_older(entry, older_than):
                _unlink(entry.name, folder)


def _is_older(entry: os.DirEntry[str], than: int | None) -> bool:
    """None: than anything. False for one that another process has swept away."""
    try:
        return than is None or entry.stat(follow_symlinks=False).st_mtime_ns < than
    except FileNotFoundError:
        return False


def _to_disk(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have no such thing
            raise
