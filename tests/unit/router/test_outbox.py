import pytest
import trio
import trio.testing

from bridge.router.outbox import Item, Outbox, OutboxClosed


def box(frames: int = 4, size: int = 100) -> Outbox:
    return Outbox(max_frames=frames, max_bytes=size)


def drained(outbox: Outbox) -> list[bytes]:
    found: list[bytes] = []
    while (item := outbox.get_nowait()) is not None:
        found.append(item.data)
    return found


def test_what_is_put_comes_out_in_order() -> None:
    outbox = box()
    outbox.put(b"1")
    outbox.put(b"2", response=True)
    assert outbox.get_nowait() == Item(b"1")
    assert outbox.get_nowait() == Item(b"2", response=True)
    assert outbox.get_nowait() is None
    assert outbox.queued_bytes == 0


def test_progress_of_one_call_is_coalesced_to_the_latest() -> None:
    outbox = box()
    outbox.offer(b"10 %", key="call")
    outbox.offer(b"20 percent", key="call")
    outbox.offer(b"other", key="other")
    assert outbox.queued_bytes == len(b"20 percent") + len(b"other")
    assert drained(outbox) == [b"20 percent", b"other"]
    assert outbox.queued_bytes == 0


def test_a_taken_key_may_be_offered_again() -> None:
    outbox = box()
    outbox.offer(b"1", key="call")
    assert drained(outbox) == [b"1"]
    outbox.offer(b"2", key="call")
    assert drained(outbox) == [b"2"]


def test_news_that_do_not_fit_are_dropped_and_counted() -> None:
    outbox = box(frames=1)
    assert outbox.offer(b"1")
    assert not outbox.offer(b"2")
    assert outbox.dropped == 1
    assert not outbox.closed


@pytest.mark.requirement("B13", "R59")
def test_progress_gives_way_to_a_response() -> None:
    outbox = box(frames=2)
    outbox.offer(b"progress")
    outbox.put(b"first")
    assert outbox.put(b"response", response=True)
    assert drained(outbox) == [b"first", b"response"]
    assert outbox.dropped == 1


@pytest.mark.requirement("B13", "R59")
def test_a_response_that_does_not_fit_closes_the_outbox_and_frees_its_memory() -> None:
    outbox = box(size=10)
    outbox.put(b"123456")
    outbox.put(b"123456")
    assert not outbox.put(b"1")
    assert outbox.closed
    assert outbox.reason == "overflow"
    assert outbox.queued_bytes == 0
    assert outbox.queued == 0


def test_one_frame_of_any_size_fits_while_there_is_room() -> None:
    outbox = box(size=10)
    outbox.put(b"small")
    assert outbox.put(b"larger than the whole bound")
    assert outbox.put(b"x") is False
    assert box(size=1).put(b"large")


def test_a_flag_stands_in_the_queue_once_and_always_fits() -> None:
    outbox = box(frames=1)
    outbox.put(b"full")
    outbox.flag("tools", b"changed")
    outbox.flag("tools", b"changed")
    assert drained(outbox) == [b"full", b"changed"]


def test_flags_survive_when_progress_is_dropped() -> None:
    outbox = box(frames=2)
    outbox.flag("tools", b"changed")
    outbox.offer(b"progress", key="call")
    outbox.put(b"response")
    assert drained(outbox) == [b"changed", b"response"]
    outbox.flag("tools", b"changed")
    assert drained(outbox) == [b"changed"]


def test_a_closed_outbox_drops_what_comes_later() -> None:
    outbox = box()
    outbox.put(b"1")
    outbox.close("left")
    outbox.close("again")
    assert not outbox.put(b"2")
    assert not outbox.offer(b"3")
    outbox.flag("k", b"4")
    assert drained(outbox) == [b"1"]
    assert outbox.reason == "left"


async def test_a_reader_gets_what_was_queued_and_then_the_reason() -> None:
    outbox = box()
    outbox.put(b"1")
    outbox.close("left")
    assert (await outbox.get()).data == b"1"
    with pytest.raises(OutboxClosed, match="left"):
        await outbox.get()


async def test_a_waiting_reader_is_woken_by_the_next_item(
    nursery: trio.Nursery,
) -> None:
    outbox = box()

    async def later() -> None:
        await trio.testing.wait_all_tasks_blocked()
        outbox.put(b"1")

    nursery.start_soon(later)
    assert (await outbox.get()).data == b"1"
