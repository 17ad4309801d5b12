"""The mailbox against a plain list, under any order of use."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.actor.mailbox import Mailbox, MailboxFull, MailboxSealed

BOUND = 3


class MailboxMachine(RuleBasedStateMachine):
    """The model: who waits, in order, and whether each is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox[int](bound=BOUND)
        self.waiting: list[tuple[int, bool]] = []
        self.numbers: Iterator[int] = count(1)

    @property
    def counted(self) -> int:
        return sum(counted for _, counted in self.waiting)

    @rule(counted=st.booleans())
    def offer(self, *, counted: bool) -> None:
        number = next(self.numbers)
        if self.mailbox.sealed:
            with pytest.raises(MailboxSealed):
                self.mailbox.offer(number, counted=counted)
        elif counted and self.counted == BOUND:
            with pytest.raises(MailboxFull):
                self.mailbox.offer(number, counted=counted)
        else:
            self.mailbox.offer(number, counted=counted)
            self.waiting.append((number, counted))

    @rule()
    def take(self) -> None:
        expected = self.waiting.pop(0)[0] if self.waiting else None
        assert self.mailbox.take() == expected

    @precondition(lambda self: self.waiting)
    @rule()
    def receive(self) -> None:
        assert trio.run(self.mailbox.receive) == self.waiting.pop(0)[0]

    @rule()
    def seal(self) -> None:
        assert self.mailbox.seal() == [number for number, _ in self.waiting]
        self.waiting.clear()

    @invariant()
    def the_counts_agree_and_the_bound_holds(self) -> None:
        assert self.mailbox.depth == len(self.waiting)
        assert self.mailbox.counted == self.counted <= BOUND


TestMailbox = MailboxMachine.TestCase


class Traffic:
    """Offers to one mailbox, and everything that came out of it."""

    def __init__(self, bound: int) -> None:
        self.mailbox = Mailbox[int](bound=bound)
        self.accepted: list[int] = []
        self.seen: list[int] = []

    async def receive(self) -> None:
        with suppress(MailboxSealed):
            while True:
                self.seen.append(await self.mailbox.receive())

    def offer(self, number: int, *, counted: bool) -> None:
        try:
            self.mailbox.offer(number, counted=counted)
        except MailboxFull:
            assert counted
        else:
            self.accepted.append(number)


@given(
    offers=st.lists(st.booleans(), max_size=40),
    pause_every=st.integers(1, 5),
    receivers=st.integers(1, 3),
    bound=st.integers(1, 4),
)
def test_with_receivers_at_work_each_accepted_message_is_seen_once(
    offers: list[bool], pause_every: int, *, receivers: int, bound: int
) -> None:
    traffic = Traffic(bound)

    async def main() -> list[int]:
        async with trio.open_nursery() as nursery:
            for _ in range(receivers):
                nursery.start_soon(traffic.receive)
            for number, counted in enumerate(offers):
                traffic.offer(number, counted=counted)
                assert traffic.mailbox.counted <= bound
                if number % pause_every == 0:
                    await trio.lowlevel.checkpoint()
            return traffic.mailbox.seal()

    left = trio.run(main)
    seen = traffic.seen + left
    assert sorted(seen) == traffic.accepted
    if receivers == 1:
        # A message handed over just before the seal is received just after it.
        assert traffic.seen == sorted(traffic.seen)
        assert left == sorted(left)
