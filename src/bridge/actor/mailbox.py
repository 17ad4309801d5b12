"""A bounded mailbox: the only way to reach an actor.

The bound counts *calls*: work that may be refused. Control messages (a cancel, an
answer, a drain) each belong to an accepted call or have one sender, so they are never
refused and are bounded by what they belong to.

An actor that ends, for whatever reason, seals its mailbox and answers what `seal`
returns. So a message that `offer` took is either received or returned by `seal`.
"""

from math import inf
from typing import Generic, TypeVar

import trio

M = TypeVar("M")


class MailboxFull(Exception):
    """The bound is reached; the message was not taken."""


class MailboxSealed(Exception):
    """The actor has ended; the message was not taken."""


class Mailbox(Generic[M]):
    """One receiver, many senders; a Trio memory channel with a counted bound."""

    def __init__(self, *, bound: int) -> None:
        self._bound = bound
        self._send, self._receive = trio.open_memory_channel[tuple[M, bool]](inf)
        self._counted = 0
        self._sealed = False

    @property
    def bound(self) -> int:
        """How many counted messages may wait."""
        return self._bound

    @property
    def depth(self) -> int:
        """How many messages wait, counted or not."""
        return self._receive.statistics().current_buffer_used

    @property
    def counted(self) -> int:
        """How many counted messages wait or are on their way to a woken receiver."""
        return self._counted

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
        """Wait for the next message.

        Raises `MailboxSealed` once the mailbox is sealed, also in a receiver that
        already waits: nothing will ever come.
        """
        try:
            message, counted = await self._receive.receive()
        except trio.EndOfChannel:
            raise MailboxSealed from None
        self._counted -= counted
        return message

    def take(self) -> M | None:
        """The next message if one waits, without waiting."""
        try:
            message, counted = self._receive.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return None
        self._counted -= counted
        return message

    def seal(self) -> list[M]:
        """Refuse later offers and return what was queued, for its last answer."""
        self._sealed = True
        self._send.close()
        left: list[M] = []
        while self.depth:
            message, counted = self._receive.receive_nowait()
            self._counted -= counted
            left.append(message)
        return left
