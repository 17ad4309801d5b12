"""The stream under a WebSocket: what the library leaves unbounded is bounded here.

The answer to the handshake has a size and is judged before the library sees it; frames
are counted; a write has a deadline. What is wrong is kept as ``fault`` and raised
through the library into the task that reads or writes.
"""

import trio

from bridge.errors import ConnectFailed, LinkError, LinkLost, LinkTimeout
from bridge.wire import upgrade
from bridge.wire.frame_meter import FrameMeter

_HEAD_OCTETS = 64 * 2**10
#: A write that waits longer will not come to an end (protocol 8).
_WRITE_DEADLINE = 30.0


class GuardedStream(trio.abc.Stream):
    """Wraps the connection of one WebSocket."""

    def __init__(self, stream: trio.abc.Stream, *, name: str) -> None:
        self._stream = stream
        self._name = name
        self._upgraded = False
        self._meter = FrameMeter(name=name)
        self._heard_at = 0.0
        self._writing = False
        self.torn = False  # a frame was half written: nothing can follow it
        self.fault: LinkError | None = None

    def lives_since(self, time: float) -> bool:
        """The peer spoke since then, or a write that has its own deadline goes on."""
        return not self.torn and (self._writing or self._heard_at > time)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Raises `LinkTimeout`, beside what the stream raises."""
        self._writing, whole = True, False
        try:
            with trio.fail_after(_WRITE_DEADLINE):
                await self._stream.send_all(data)
            whole = True
        except trio.TooSlowError:
            raise self._faulty(
                LinkTimeout(
                    f"'{self._name}' read nothing for {_WRITE_DEADLINE:g} s;"
                    " the link is given up"
                )
            ) from None
        finally:
            self._writing, self.torn = False, not whole

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Raises `LinkError`, beside what the stream raises."""
        if not self._upgraded:
            return await self._receive_head(max_bytes)
        data = bytes(await self._stream.receive_some(max_bytes))
        self._count(data)
        return data

    async def aclose(self) -> None:
        # Not the polite end of TLS: it may hang, and nothing waits for it.
        await trio.aclose_forcefully(self._stream)

    async def _receive_head(self, max_bytes: int | None) -> bytes:
        held = bytearray()
        while not (end := upgrade.end_of_head(held)):
            if len(held) > _HEAD_OCTETS:
                raise self._faulty(
                    ConnectFailed(f"'{self._name}' answers with too large a head")
                )
            held += await self._receive_handshake(max_bytes)
        refusal = upgrade.refusal(bytes(held[:end]), name=self._name)
        if refusal is not None:
            raise self._faulty(refusal)
        self._upgraded = True
        self._count(bytes(held[end:]))
        return bytes(held)

    async def _receive_handshake(self, max_bytes: int | None) -> bytes:
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if not data:
            raise self._faulty(
                ConnectFailed(
                    f"'{self._name}' closed the connection during the handshake"
                )
            )
        return bytes(data)

    def _count(self, data: bytes) -> None:
        self._heard_at = trio.current_time()
        try:
            self._meter.feed(data, now=self._heard_at)
        except LinkLost as error:
            raise self._faulty(error) from None

    def _faulty(self, error: LinkError) -> LinkError:
        self.fault = self.fault or error
        return error
