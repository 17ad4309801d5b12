"""A byte stream whose writes have a deadline."""

import pytest
import trio
from trio.testing import (
    MockClock,
    lockstep_stream_pair,
    memory_stream_one_way_pair,
    memory_stream_pair,
)

from bridge.downstream.stream import SLICE, WRITE_DEADLINE, DeadlineStream


@pytest.mark.requirement("B13")
async def test_a_write_nobody_reads_breaks_the_stream(
    autojump_clock: MockClock,
) -> None:
    ours, theirs = lockstep_stream_pair()
    stream = DeadlineStream(ours)
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"x")
    assert trio.current_time() == WRITE_DEADLINE
    with pytest.raises(trio.BrokenResourceError):
        await theirs.send_all(b"y")


async def test_a_write_is_not_cut_in_half_by_a_cancel(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    ours, theirs = lockstep_stream_pair()

    async def read_later() -> None:
        await trio.sleep(10)
        while len(got) < 3:
            got.extend(await theirs.receive_some(1))

    got = bytearray()
    nursery.start_soon(read_later)
    with trio.move_on_after(1):
        await DeadlineStream(ours).send_all(b"abc")
    assert bytes(got) == b"abc"


async def test_a_long_write_arrives_whole() -> None:
    ours, theirs = memory_stream_pair()
    sent = bytes(range(256)) * (3 * SLICE // 256) + b"end"
    await DeadlineStream(ours).send_all(sent)
    got = bytearray()
    while len(got) < len(sent):
        got += await theirs.receive_some()
    assert bytes(got) == sent


async def test_the_end_is_said_where_a_stream_can_say_it() -> None:
    ours, theirs = memory_stream_pair()
    await DeadlineStream(ours).send_eof()
    assert await theirs.receive_some() == b""
    await trio.aclose_forcefully(ours)
    await DeadlineStream(ours).send_eof()


async def test_a_stream_that_cannot_say_its_end_is_left_open() -> None:
    send, receive = memory_stream_one_way_pair()
    await DeadlineStream(_FullDuplex(trio.StapledStream(send, receive))).send_eof()
    await send.send_all(b"x")
    assert await receive.receive_some() == b"x"


class _FullDuplex(trio.abc.Stream):
    """A stream that is closed in both directions at once, as TLS is."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self._inner = inner

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def test_a_connection_that_is_gone_reads_as_its_end() -> None:
    ours, _theirs = memory_stream_pair()
    stream = DeadlineStream(ours)
    await stream.break_off()
    assert await stream.receive_some(10) == b""
