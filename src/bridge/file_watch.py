"""Notices that a file was edited, whatever way it was: by looking at it.

Looked at, not listened to: what systems tell about files (inotify and its kin) is
about a folder and an inode, and says nothing of a path through links, of a folder
that was replaced, of a network share or of a file mounted alone into a container. Two
looks a second see every one of those, and cost a third of what listening costs with
the library that does it best (it wakes a thread twenty times a second).
"""

import errno
from pathlib import Path

import trio

from bridge.config import stamp_of

#: Between two looks (s). An edit waits for quiet much longer than that.
LOOK_EVERY = 0.5
#: A disk that does not answer by then is not waited for (s).
ANSWER_WITHIN = 10.0


class LookingWatch:
    """Implements `bridge.ports.FileWatch`."""

    def __init__(self) -> None:
        # A look that hangs keeps its thread; it must not gather others.
        self._one_at_a_time = trio.CapacityLimiter(1)

    async def changed(self, path: Path, *, since: str) -> str:
        while (now := await self._look(path)) == since:  # noqa: ASYNC110 - a disk's
            await trio.sleep(LOOK_EVERY)
        return now

    async def _look(self, path: Path) -> str:
        try:
            with trio.fail_after(ANSWER_WITHIN):
                return await trio.to_thread.run_sync(
                    stamp_of, path, abandon_on_cancel=True, limiter=self._one_at_a_time
                )
        except trio.TooSlowError:
            reason = "the disk does not answer"
            raise TimeoutError(errno.ETIMEDOUT, reason) from None
