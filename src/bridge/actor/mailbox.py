"""A bounded mailbox: the only way to reach an actor.

The bound counts *calls*: work that may be refused. Control messages (a cancel, an
answer, a drain) each belong to an accepted call or have one sender, so they are never
refused and are bounded by what they belong to.
"""

from math import inf
from typing import Generic, TypeVar

import trio

M = TypeVar("M")


class MailboxFull(Exception):  # noqa: N818 - a fact to act on, as trio.WouldBlock is
    """The bound is reached; the message was not taken."""


class MailboxSealed(Exception):  # noqa: N818 - a fact to act on, as trio.EndOfChannel is
    """The actor has ended; the message was not taken."""


class Mailbox(Generic[M]):
    """One receiver, many senders; a Trio memory channel with a counted bound."""

    def __init__(self, *, bound: int) -> None:
        self._bound = bound
        self._send, self._receive = trio.open_memory_channel[tuple[M, bool]](inf)
        self._counted = 0
        self._sealed = False

    @property
    def depth(self) -> int:
        """How many messages wait."""
        return self._receive.statistics().current_buffer_used

    @property
    def sealed(self) -> bool:
        return self._sealed

    def offer(self, message: M, *, counted: bool = True) -> None:
        """Put a message without waiting.

        Raises `MailboxFull` when ``counted`` and the bound is reached, and
        `MailboxSealed` after `seal`.
        """
        if self._sealed:
            raise MailboxSealed
        if counted and self._counted >= self._bound:
            raise MailboxFull
        self._counted += counted
        self._send.send_nowait((message, counted))

    async def receive(self) -> M:
        """Wait for the next message."""
        message, counted = await self._receive.receive()
        self._counted -= counted
        return message

    def take(self) -> M | None:
        """The next message if one waits, without waiting."""
        try:
            message, counted = self._receive.receive_nowait()
        except trio.WouldBlock:
            return None
        self._counted -= counted
        return message

    def seal(self) -> list[M]:
        """Refuse later offers and return what was queued, for its last answer."""
        self._sealed = True
        left: list[M] = []
        while True:
            try:
                left.append(self._receive.receive_nowait()[0])
            except trio.WouldBlock:
                self._counted = 0
                return left
