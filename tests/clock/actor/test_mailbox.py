import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.actor.mailbox import Mailbox, MailboxFull, MailboxSealed


async def test_a_waiting_receiver_wakes_with_the_message(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    mailbox = Mailbox[str](bound=1)
    got: list[str] = []

    async def receive() -> None:
        got.append(await mailbox.receive())

    nursery.start_soon(receive)
    await wait_all_tasks_blocked()
    mailbox.offer("hello")
    await wait_all_tasks_blocked()
    assert got == ["hello"]
    assert mailbox.counted == 0


async def test_a_message_on_its_way_to_a_receiver_survives_its_cancellation(
    autojump_clock: MockClock,
) -> None:
    mailbox = Mailbox[str](bound=1)
    got: list[str] = []

    async def receive() -> None:
        got.append(await mailbox.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        mailbox.offer("hello")
        nursery.cancel_scope.cancel()
    assert got == ["hello"]


async def test_a_receiver_that_waits_is_told_when_the_mailbox_is_sealed(
    autojump_clock: MockClock,
) -> None:
    mailbox = Mailbox[str](bound=1)
    told: list[bool] = []

    async def receive() -> None:
        with pytest.raises(MailboxSealed):
            await mailbox.receive()
        told.append(True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        assert mailbox.seal() == []
    assert told == [True]
    with pytest.raises(MailboxSealed):
        await mailbox.receive()


async def test_sealing_returns_what_waited_and_refuses_what_comes() -> None:
    mailbox = Mailbox[str](bound=2)
    mailbox.offer("call")
    mailbox.offer("cancel", counted=False)
    assert mailbox.seal() == ["call", "cancel"]
    assert mailbox.sealed
    assert (mailbox.depth, mailbox.counted) == (0, 0)
    with pytest.raises(MailboxSealed):
        mailbox.offer("late", counted=False)
    assert mailbox.take() is None
    assert mailbox.seal() == []


async def test_control_messages_pass_a_full_mailbox() -> None:
    mailbox = Mailbox[str](bound=1)
    mailbox.offer("call")
    with pytest.raises(MailboxFull):
        mailbox.offer("another")
    mailbox.offer("cancel", counted=False)
    assert [mailbox.take(), mailbox.take(), mailbox.take()] == ["call", "cancel", None]
    mailbox.offer("another")
