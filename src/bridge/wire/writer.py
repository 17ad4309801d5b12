"""The way out of a pipe-like link: one bounded queue, one writer, whole messages."""

import trio

from bridge.errors import LinkBusy, LinkLost, LinkTimeout
from bridge.protocol.frame import encode
from bridge.wire.link import Outgoing

#: Frames that wait: as many as the actor may have in flight, four times over.
_FRAMES = 256
#: Beyond this the other side has stopped reading.
_OCTETS = 32 * 2**20
#: One write takes what fits the usual pipe.
_BATCH = 64 * 2**10
#: A write that waits longer will not come to an end (protocol 8).
_WRITE_DEADLINE = 30.0


class WriteQueue:
    """Messages on their way out; several that wait leave in one write."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[tuple[Outgoing, bytes]](
            _FRAMES
        )
        self._octets = 0

    def put(self, outgoing: Outgoing) -> None:
        """Queue a frame, as one line. Raises `LinkBusy`."""
        line = encode(outgoing.frame) + b"\n"
        # One frame is always taken: the limit is for a queue that does not move.
        if self._octets and self._octets + len(line) > _OCTETS:
            raise LinkBusy("the outgoing queue is full")
        try:
            self._send.send_nowait((outgoing, line))
        except trio.WouldBlock:
            raise LinkBusy("the outgoing queue is full") from None
        self._octets += len(line)

    async def drain(self, stream: trio.abc.SendStream) -> None:
        """Write for ever. Raises `LinkLost` or `LinkTimeout`; the stream is then torn.

        A frame half written cannot be taken back: whoever cancels this task gives up
        the link.
        """
        while True:
            data = await self._batch()
            if data:
                await _write(stream, data)

    async def take(self) -> bytes:
        """The next message by itself, without its newline, for a link with frames.

        It counts as written from now on.
        """
        while True:
            outgoing, line = await self._receive.receive()
            self._octets -= len(line)
            if not outgoing.revoked:
                outgoing.written = True
                return line[:-1]

    async def _batch(self) -> bytes:
        taken = [await self._receive.receive()]
        size = len(taken[0][1])
        while size < _BATCH and self._receive.statistics().current_buffer_used:
            taken.append(self._receive.receive_nowait())
            size += len(taken[-1][1])
        self._octets -= size
        kept = [(outgoing, line) for outgoing, line in taken if not outgoing.revoked]
        for outgoing, _ in kept:
            outgoing.written = True
        return b"".join(line for _, line in kept)


async def _write(stream: trio.abc.SendStream, data: bytes) -> None:
    try:
        with trio.fail_after(_WRITE_DEADLINE):
            await stream.send_all(data)
    except trio.TooSlowError:
        raise LinkTimeout(
            f"nothing was read for {_WRITE_DEADLINE:g} s; the link is given up"
        ) from None
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise LinkLost("the input was closed") from error
