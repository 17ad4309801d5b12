import pytest
import trio
import trio.testing

from bridge.router.outbox import Budget, Item, Outbox, OutboxClosed


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


def shared_boxes(count: int, *, limit: int) -> tuple[Budget, list[Outbox]]:
    budget = Budget(limit)
    boxes = [
        Outbox(max_frames=100, max_bytes=1000, budget=budget) for _ in range(count)
    ]
    return budget, boxes


def test_beyond_what_all_may_owe_the_one_that_owes_most_goes() -> None:
    budget, (small, large, late) = shared_boxes(3, limit=1000)
    small.put(b"s" * 200)
    large.put(b"l" * 700)
    assert late.put(b"x" * 300)
    assert (large.closed, large.reason, large.queued_bytes) == (True, "overflow", 0)
    assert not small.closed
    assert not late.closed
    assert budget.used == 500


def test_it_may_be_the_one_that_asks_for_more() -> None:
    budget, (small, large) = shared_boxes(2, limit=1000)
    small.put(b"s" * 400)
    large.put(b"l" * 500)
    assert not large.put(b"l" * 200)
    assert large.closed
    assert not small.closed
    assert budget.used == 400


def test_what_was_read_or_dropped_is_owed_no_more() -> None:
    budget, (one, other) = shared_boxes(2, limit=1000)
    for _ in range(50):
        one.put(b"x" * 600)
        assert one.get_nowait() is not None
    for _ in range(50):
        one.offer(b"p" * 300, key="progress")
    one.offer(b"p" * 100, key="progress")
    assert budget.used == 100
    other.put(b"x" * 900)
    assert not one.closed
    assert not other.closed
    assert budget.used == 1000


def test_readers_that_left_owe_nothing() -> None:
    budget, (one,) = shared_boxes(1, limit=1000)
    for _ in range(50):
        gone = Outbox(max_frames=10, max_bytes=1000, budget=budget)
        gone.put(b"x" * 600)
        gone.close("left")
        del gone
    assert one.put(b"x" * 900)
    assert not one.closed


def test_a_thousand_slow_readers_are_bounded_together() -> None:
    budget, boxes = shared_boxes(1000, limit=10_000)
    for _ in range(10):
        for box in boxes:
            box.put(b"x" * 10)
    assert budget.used <= 10_000
    assert sum(box.closed for box in boxes) < 1000
    quick = Outbox(max_frames=10, max_bytes=1000, budget=budget)
    assert quick.put(b"small")
    assert not quick.closed
