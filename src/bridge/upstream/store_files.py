"""The Files port as the token store uses it.

What goes wrong is a `StorageError` in plain words; what was put right is logged here,
as nobody else learns of it.
"""

import errno
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bridge.errors import StorageBusy, StorageError
from bridge.oauth.record import RecordInvalid
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import Files
from bridge.upstream.sealed_files import is_sealed

#: Far beyond any login; tokens that travel in headers are some kilobytes.
LARGEST_BYTES = 256 * 1024
#: The file itself is the trouble, and a login writes a new one. Anything else (no
#: descriptor free, a disk that fails, another user's folder) may pass or be put right.
OF_THE_FILE = {
    errno.ELOOP,
    errno.EFBIG,
    errno.EINVAL,
    errno.EISDIR,
    errno.EACCES,
    errno.EBADMSG,
}
_ADVICE = {
    errno.ENOSPC: "free some space on that disk",
    errno.EDQUOT: "free some of your space on that disk",
    errno.EROFS: "make the folder writable, or choose another with --config-dir",
    errno.EACCES: "make the folder yours (mode 700), the file too (mode 600)",
    errno.EPERM: "run as its owner, or choose another folder with --config-dir",
    errno.ETIMEDOUT: "end the other process, or wait for it",
}
_OTHER_ADVICE = "check the folder's owner, mode and free space"


class StoreFiles:
    """The files of one server. Every method raises `StorageError`."""

    def __init__(self, files: Files, *, log: Log, upstream: str) -> None:
        self._files = files
        self._upstream = upstream
        self._log = log

    async def read(self, path: Path) -> bytes | None:
        """Raises `RecordInvalid` where the file itself is the trouble."""
        try:
            data = await self._files.read(
                path, limit=LARGEST_BYTES, on_tightened=self._tightened
            )
        except OSError as error:
            if error.errno in OF_THE_FILE:
                raise RecordInvalid(reason_of(error)) from error
            raise storage_error(error, path) from error
        if data is not None and is_sealed(data):
            raise StorageError(
                f"{path} is encrypted with a key in the system's keyring; set "
                f'bridge.token_store to "keyring", or delete it and log in again'
            )
        return data

    async def replace(self, path: Path, data: bytes) -> None:
        try:
            await self._files.replace(path, data, on_tightened=self._tightened)
        except OSError as error:
            raise storage_error(error, path) from error

    async def remove(self, path: Path) -> bool:
        try:
            return await self._files.remove(path)
        except OSError as error:
            raise storage_error(error, path) from error

    async def set_aside(self, path: Path, reason: str) -> None:
        try:
            moved = await self._files.set_aside(path)
        except FileNotFoundError:
            return  # another process was faster
        except OSError as error:
            raise storage_error(error, path) from error
        self.report(path, reason, moved_to=str(moved))

    async def stamp(self, path: Path) -> str:
        try:
            return await self._files.stamp(path)
        except OSError as error:
            raise storage_error(error, path) from error

    @asynccontextmanager
    async def lock(self, path: Path, *, within: float) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._files.lock(path, within=within))
            except TimeoutError as error:
                advice = _ADVICE[errno.ETIMEDOUT]
                raise StorageBusy(f"{path}: {reason_of(error)}; {advice}") from error
            except OSError as error:
                raise storage_error(error, path) from error
            yield

    def report(self, path: Path, reason: str, *, moved_to: str = "") -> None:
        self._log.emit(
            events.OAUTH_STORE_TROUBLE,
            upstream=self._upstream,
            file=str(path),
            reason=reason,
            moved_to=moved_to,
        )

    def _tightened(self, path: Path, mode: int) -> None:
        self.report(path, f"it was open to others (mode {mode:o}) and is no more")


def reason_of(error: OSError) -> str:
    """In words."""
    return error.strerror or type(error).__name__


def storage_error(error: OSError, path: Path) -> StorageError:
    """What went wrong with a file, and what to do about it."""
    advice = _ADVICE.get(error.errno or 0, _OTHER_ADVICE)
    return StorageError(f"{path}: {reason_of(error)}; {advice}")
