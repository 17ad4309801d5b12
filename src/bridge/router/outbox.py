"""A bounded outbound queue with one reader: a stream to one client.

What must arrive (responses, questions) is *put*; what may be missed (progress, logs) is
*offered* and dropped first; what is only a flag (list changes) is *flagged* and stands
in the queue at most once. When something that must arrive does not fit, the reader is
too slow to keep: the outbox closes with the reason "overflow" and nobody else waits.
"""

from collections import deque
from collections.abc import Callable, Hashable
from weakref import WeakSet

import msgspec
import trio


def nobody() -> None:
    """Nobody has to be told."""


class Item(msgspec.Struct, frozen=True):
    """One encoded JSON-RPC message. ``response``: it answers the stream's request."""

    data: bytes
    response: bool = False


class OutboxClosed(Exception):
    """Nothing more will come; the argument is the reason."""


class _Slot:
    __slots__ = ("data", "droppable", "key", "response")

    def __init__(
        self, data: bytes, *, response: bool, droppable: bool, key: Hashable | None
    ) -> None:
        self.data = data
        self.response = response
        self.droppable = droppable
        self.key = key


class Budget:
    """Bytes that wait for all readers together.

    Each outbox has its own bound, but a thousand of them full are more than a process
    has. Beyond ``limit`` the reader that owes the most goes, and nobody else.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0  # at least what waits: readers that left are not taken off
        self._outboxes: WeakSet[Outbox] = WeakSet()

    @property
    def used(self) -> int:
        """Bytes that wait now."""
        return sum(outbox.queued_bytes for outbox in self._outboxes)

    def join(self, outbox: "Outbox") -> None:
        """Count what waits in an outbox, for as long as it lives."""
        self._outboxes.add(outbox)

    def grown(self, by: int) -> None:
        """So many bytes more (or less) wait; makes room when they are too many."""
        self._used += by
        if self._used <= self._limit:
            return
        self._used = self.used
        while self._used > self._limit:
            max(self._outboxes, key=lambda outbox: outbox.queued_bytes).give_up()
            self._used = self.used


class Outbox:
    """Bounded in frames and bytes; synchronous on the writer's side.

    ``max_bytes`` is where it counts as full; one frame may stand above it. A reader
    that waits for its response alone takes no questions.
    """

    def __init__(
        self,
        *,
        max_frames: int,
        max_bytes: int,
        takes_questions: bool = True,
        budget: Budget | None = None,
    ) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._slots: deque[_Slot] = deque()
        self._keyed: dict[Hashable, _Slot] = {}
        self._bytes = 0
        self._wake = trio.Event()
        self.takes_questions = takes_questions
        self._budget = budget
        if budget is not None:
            budget.join(self)
        self.closed = False
        self.reason = ""
        self.dropped = 0
        #: Called once, after it has closed: its reader may be stuck in a write.
        self.on_give_up: Callable[[], None] = nobody

    @property
    def queued(self) -> int:
        """How many items wait for the reader."""
        return len(self._slots)

    @property
    def queued_bytes(self) -> int:
        return self._bytes

    def put(self, data: bytes, *, response: bool = False) -> bool:
        """Queue what must arrive. False: closed, or closed now by overflow."""
        if self.closed:
            return False
        if not self._fits():
            self._drop_droppable()
        if not self._fits():
            self.give_up()
            return False
        self._append(_Slot(data, response=response, droppable=False, key=None))
        return not self.closed

    def offer(self, data: bytes, *, key: Hashable | None = None) -> bool:
        """Queue what may be missed; a queued one with the same ``key`` is replaced."""
        if self.closed:
            return False
        slot = self._keyed.get(key) if key is not None else None
        if slot is not None:
            size, slot.data = len(slot.data), data
            self._grow(len(data) - size)
            return True
        if not self._fits():
            self.dropped += 1
            return False
        self._append(_Slot(data, response=False, droppable=True, key=key))
        return True

    def flag(self, key: Hashable, data: bytes) -> None:
        """Queue a notice that stands in the queue at most once, and fits always."""
        if not self.closed and key not in self._keyed:
            self._append(_Slot(data, response=False, droppable=False, key=key))

    async def get(self) -> Item:
        """The next item. Raises `OutboxClosed` when there will be none."""
        if self._slots:
            await trio.lowlevel.checkpoint()
        while not self._slots:
            if self.closed:
                raise OutboxClosed(self.reason)
            self._wake = trio.Event()
            await self._wake.wait()
        return self._pop()

    def get_nowait(self) -> Item | None:
        """The next item if one is queued, so that many go out in one write."""
        return self._pop() if self._slots else None

    def close(self, reason: str) -> None:
        """Later items are dropped; the reader still gets what is queued."""
        if not self.closed:
            self.closed = True
            self.reason = reason
            self._wake.set()

    def _fits(self) -> bool:
        # At most one frame stands above the byte bound; its own size is bounded where
        # it came in, and a large result must not end the session of a good reader.
        return len(self._slots) < self._max_frames and self._bytes < self._max_bytes

    def _append(self, slot: _Slot) -> None:
        self._slots.append(slot)
        if slot.key is not None:
            self._keyed[slot.key] = slot
        self._wake.set()
        self._grow(len(slot.data))

    def _grow(self, by: int) -> None:
        self._bytes += by
        if self._budget is not None:
            self._budget.grown(by)

    def _pop(self) -> Item:
        slot = self._slots.popleft()
        self._grow(-len(slot.data))
        if slot.key is not None:
            del self._keyed[slot.key]
        return Item(slot.data, slot.response)

    def _drop_droppable(self) -> None:
        kept = [slot for slot in self._slots if not slot.droppable]
        self.dropped += len(self._slots) - len(kept)
        self._slots = deque(kept)
        self._keyed = {slot.key: slot for slot in kept if slot.key is not None}
        self._grow(sum(len(slot.data) for slot in kept) - self._bytes)

    def give_up(self) -> None:
        """Its reader is too slow to keep: drop everything, and close."""
        self.dropped += len(self._slots)
        self._slots.clear()
        self._keyed.clear()
        self._grow(-self._bytes)
        self.close("overflow")
        self.on_give_up()
