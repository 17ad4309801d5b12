"""The file of a record: locked by the bridge that lives, free once it is dead."""

import fcntl
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bridge.orphans.record import Record, decode, encode

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_RDWR
_FOLDER = "children"
_SUFFIX = ".pids"
#: More than any bridge writes; a file of somebody else is not read into memory.
_LIMIT = 2**20


class RecordFile:
    """This bridge's own record. All methods raise OSError.

    The lock goes with the process, whatever ends it, and children do not inherit it.
    """

    def __init__(self, home: Path, name: str) -> None:
        folder = home / _FOLDER
        for each in (home, folder):  # `parents` alone would leave the home to all
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = folder / f"{name}.new"
        self._path = folder / f"{name}{_SUFFIX}"
        self._file = os.open(new, _FLAGS | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Nobody sees it before it is locked, so nobody takes it for a dead one's.
            new.rename(self._path)
        except OSError:
            os.close(self._file)
            raise

    def write(self, record: Record) -> None:
        """Put ``record`` in place of what it said.

        It only has to outlive the process, not the machine: nothing waits for a disk.
        """
        data = encode(record)
        os.pwrite(self._file, data, 0)
        os.ftruncate(self._file, len(data))

    def remove(self) -> None:
        """No child is left."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def abandoned(home: Path) -> list[Path]:
    """The records that may be of dead bridges; `claimed` tells. Raises OSError."""
    return sorted((home / _FOLDER).glob(f"*{_SUFFIX}"))


@contextmanager
def claimed(path: Path) -> Generator[Record | None]:
    """What a dead bridge recorded; afterwards the file is gone.

    None when its owner lives, another bridge sees to it, or it is no file of ours.
    Raises OSError.
    """
    try:
        file = os.open(path, _FLAGS | os.O_NONBLOCK)
    except FileNotFoundError:  # its owner has ended meanwhile
        yield None
        return
    try:
        record = _read(file)
        yield record
        if record is not None:
            path.unlink(missing_ok=True)
    finally:
        os.close(file)


def _read(file: int) -> Record | None:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return decode(os.pread(file, _LIMIT, 0))
