"""A one-way stream of bytes with a bounded buffer: a writer waits for its reader."""

import trio


class Pipe:
    """The buffer between a `PipeSender` and a `PipeReceiver`."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.data = bytearray()
        self.sender_closed = False
        self.receiver_closed = False
        self._changed = trio.Event()

    @property
    def room(self) -> int:
        return self.capacity - len(self.data)

    def wake(self) -> None:
        """Something changed: let both sides look again."""
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def change(self) -> None:
        await self._changed.wait()


class PipeSender(trio.abc.SendStream):
    """The end that writes."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        left = memoryview(data)
        while True:
            self._check()
            taken = min(len(left), self._pipe.room)
            if taken:
                self._pipe.data += left[:taken]
                self._pipe.wake()
                left = left[taken:]
            if not left:
                return
            await self._pipe.change()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._pipe.room <= 0 and not self._pipe.receiver_closed:
            self._check()
            await self._pipe.change()

    def close(self) -> None:
        self._pipe.sender_closed = True
        self._pipe.wake()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def _check(self) -> None:
        if self._pipe.sender_closed:
            raise trio.ClosedResourceError
        if self._pipe.receiver_closed:
            raise trio.BrokenResourceError


class PipeReceiver(trio.abc.ReceiveStream):
    """The end that reads."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        pipe = self._pipe
        while not pipe.receiver_closed and not pipe.data and not pipe.sender_closed:
            await pipe.change()
        if pipe.receiver_closed:
            raise trio.ClosedResourceError
        taken = bytes(pipe.data[:max_bytes])
        del pipe.data[: len(taken)]
        if taken:
            pipe.wake()
        return taken

    def close(self) -> None:
        self._pipe.receiver_closed = True
        self._pipe.wake()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()


Duplex = trio.StapledStream[PipeSender, PipeReceiver]


def duplex_pair(capacity: int) -> tuple[Duplex, Duplex]:
    """Two ends of a connection whose buffers hold ``capacity`` bytes each way."""
    there, back = Pipe(capacity), Pipe(capacity)
    return (
        trio.StapledStream(PipeSender(there), PipeReceiver(back)),
        trio.StapledStream(PipeSender(back), PipeReceiver(there)),
    )
