"""Where a running bridge reads its configuration again."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import trio

from bridge.config import Loaded
from bridge.errors import ConfigError, Problem
from bridge.ports import FileWatch

#: Every ``$(command ...)`` has a deadline of its own; this is for all of them together,
#: and for a file that is a pipe or stands on a disk that does not answer.
LOAD_SECONDS = 60.0


class ConfigSource(Protocol):
    """The configuration as it stands now, as often as asked."""

    @property
    def name(self) -> str:
        """Of the file, for messages."""
        ...

    async def load(self) -> Loaded:
        """Read and check it as a whole, in bounded time. Raises ConfigError."""
        ...

    async def changed(self, *, since: str) -> str:
        """Wait until its stamp is not ``since`` any more; the new one.

        Raises OSError where that cannot be found out.
        """
        ...

    @property
    def stamp(self) -> str:
        """Of what the bridge was started with."""
        ...


class FileSource:
    """A file, read by ``read`` in a worker thread: the loader runs programs.

    ``stamp``: taken before the bridge read it for its start, so that an edit in
    between is not missed.
    """

    def __init__(
        self,
        path: Path,
        *,
        read: Callable[[], Loaded],
        watch: FileWatch,
        stamp: str,
    ) -> None:
        self._path = path
        self._read = read
        self._watch = watch
        self._stamp = stamp
        # A reading that hangs keeps its thread; it must not gather others.
        self._one_at_a_time = trio.CapacityLimiter(1)

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def stamp(self) -> str:
        return self._stamp

    async def load(self) -> Loaded:
        try:
            with trio.fail_after(LOAD_SECONDS):
                return await trio.to_thread.run_sync(
                    self._read, abandon_on_cancel=True, limiter=self._one_at_a_time
                )
        except trio.TooSlowError:
            reason = f"could not be read and checked within {LOAD_SECONDS:g} s"
            problem = Problem("(file)", reason, hint="nothing was changed; try again")
            raise ConfigError(f"{self._path}: {reason}", (problem,)) from None

    async def changed(self, *, since: str) -> str:
        return await self._watch.changed(self._path, since=since)
