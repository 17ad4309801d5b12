"""A connection's byte stream, with a deadline on every write.

A peer that stops reading would otherwise hold its writer for ever: writes are shielded
from cancellation, because half a chunk on the wire corrupts the whole answer.
"""

import trio

#: A peer that takes nothing for this long is not slow but gone.
WRITE_DEADLINE = 30.0
#: One deadline covers at most this much, so that a large answer on a thin line (35 KB/s
#: and up) is not mistaken for a stuck one.
SLICE = 2**20


class DeadlineStream:
    """Wraps a stream; a write that takes too long closes it forcefully."""

    def __init__(
        self, inner: trio.abc.Stream, *, write_deadline: float = WRITE_DEADLINE
    ) -> None:
        self._inner = inner
        self._write_deadline = write_deadline

    async def send_all(self, data: bytes) -> None:
        """Write everything, whatever happens to the caller, or break the stream.

        Raises `trio.BrokenResourceError` when the peer does not read or has gone, and
        `trio.ClosedResourceError` when the stream was closed meanwhile.
        """
        if len(data) <= SLICE:
            return await self._send(data)
        view = memoryview(data)
        for start in range(0, len(data), SLICE):
            await self._send(view[start : start + SLICE])
        return None

    async def _send(self, data: bytes | memoryview) -> None:
        deadline = trio.current_time() + self._write_deadline
        with trio.CancelScope(shield=True, deadline=deadline) as scope:
            return await self._inner.send_all(data)
        assert scope.cancelled_caught
        await trio.aclose_forcefully(self._inner)
        raise trio.BrokenResourceError("the peer does not read")

    async def send_eof(self) -> None:
        """Say that nothing more will come; silent when the stream cannot or is gone."""
        if not isinstance(self._inner, trio.abc.HalfCloseableStream):
            return
        try:
            await self._inner.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def receive_some(self, max_bytes: int) -> bytes:
        """What the peer sent; empty at its end, and when the connection is gone."""
        try:
            return bytes(await self._inner.receive_some(max_bytes))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def break_off(self) -> None:
        """Close without a word, now."""
        await trio.aclose_forcefully(self._inner)
