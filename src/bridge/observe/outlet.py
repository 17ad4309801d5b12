"""The end of the log: one file descriptor, usually standard output.

A reader that is slow or gone must not hold up or end the bridge (E4), and standard
output must not be made non-blocking, because the shell shares it. So the outlet asks
whether there is room before it writes, keeps a bounded rest for the next time, and
counts what it had to drop. It never raises and never waits.
"""

import os
import select
from collections import deque

# A pipe that polls writable takes at least this much without blocking (POSIX).
_CHUNK = select.PIPE_BUF
_PENDING_LIMIT = 1 << 20  # bytes kept for a slow reader: some thousand lines


class Outlet:
    """Writes lines to a descriptor it does not own."""

    def __init__(self, descriptor: int, *, pending_limit: int = _PENDING_LIMIT) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._pending: deque[memoryview] = deque()
        self._size = 0
        self._limit = pending_limit
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many lines were lost: reader gone, disk full, or rest over its bound."""
        return self._dropped

    def write(self, line: bytes) -> None:
        """Write ``line``, or keep it while there is no room, or drop and count it."""
        if self._size + len(line) > self._limit:
            self.flush()
        if self._size + len(line) > self._limit:
            self._dropped += 1
            return
        self._pending.append(memoryview(line))
        self._size += len(line)
        self.flush()

    def flush(self, wait: float = 0.0) -> None:
        """Write what there is room for; at the end, ``wait`` seconds for each piece."""
        try:
            while self._pending and self._has_room(wait):
                self._write_piece()
        except OSError:  # closed, disk full, reader gone: what is kept is lost
            self._dropped += len(self._pending)
            self._pending.clear()
            self._size = 0

    def _has_room(self, wait: float) -> bool:
        return bool(self._poll.poll(wait * 1000))

    def _write_piece(self) -> None:
        line = self._pending[0]
        written = os.write(self._descriptor, line[:_CHUNK])
        self._size -= written
        if written < len(line):
            self._pending[0] = line[written:]
        else:
            self._pending.popleft()
