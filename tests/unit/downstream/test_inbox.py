"""What one request's application is told."""

import pytest
import trio
from hypercorn.typing import ASGIReceiveEvent
from trio.testing import wait_all_tasks_blocked

from bridge.downstream.inbox import MAX_PARTS, Inbox

GONE: ASGIReceiveEvent = {"type": "http.disconnect"}


def part(number: int) -> ASGIReceiveEvent:
    return {"type": "http.request", "body": b"%d" % number, "more_body": True}


async def full() -> Inbox:
    inbox = Inbox()
    for number in range(MAX_PARTS):
        await inbox.put(part(number))
    return inbox


async def test_parts_come_in_their_order(nursery: trio.Nursery) -> None:
    inbox = Inbox()
    got: list[ASGIReceiveEvent] = []

    async def read() -> None:
        got.extend([await inbox.receive() for _ in range(20)])

    nursery.start_soon(read)
    for number in range(20):
        await inbox.put(part(number))
    await wait_all_tasks_blocked()
    assert got == [part(number) for number in range(20)]


async def test_a_full_inbox_holds_the_reader_of_the_socket(
    nursery: trio.Nursery,
) -> None:
    inbox = await full()
    nursery.start_soon(inbox.put, part(99))
    await wait_all_tasks_blocked()
    for number in range(MAX_PARTS):
        assert await inbox.receive() == part(number)
    await wait_all_tasks_blocked()
    assert await inbox.receive() == part(99)


@pytest.mark.requirement("B5")
async def test_a_disconnect_does_not_wait_and_comes_before_what_is_left() -> None:
    inbox = await full()
    await inbox.put(GONE)
    await inbox.put(part(100))
    for _ in range(2):
        assert await inbox.receive() == GONE


async def test_a_waiting_application_hears_of_the_disconnect(
    nursery: trio.Nursery,
) -> None:
    inbox = Inbox()
    got: list[ASGIReceiveEvent] = []

    async def read() -> None:
        got.append(await inbox.receive())

    nursery.start_soon(read)
    await wait_all_tasks_blocked()
    await inbox.put(GONE)
    await wait_all_tasks_blocked()
    assert got == [GONE]


async def test_after_the_application_has_ended_nothing_is_kept(
    nursery: trio.Nursery,
) -> None:
    inbox = await full()
    nursery.start_soon(inbox.put, part(99))
    await wait_all_tasks_blocked()
    inbox.close()
    for number in range(100):
        await inbox.put(part(number))
    await inbox.put(GONE)
    assert await inbox.receive() == GONE
