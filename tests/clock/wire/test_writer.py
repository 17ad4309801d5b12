"""What is taken back before it was written is never written."""

import pytest
import trio
from trio.testing import MemorySendStream

from bridge.errors import LinkLost
from bridge.protocol.frame import notification, request
from bridge.wire.link import Outgoing
from bridge.wire.posts import Body
from bridge.wire.writer import WriteQueue


def call(id: int) -> Outgoing:  # noqa: A002 - the wire's own word
    return Outgoing(request("tools/call", {}, id=id), upstream_id=id)


@pytest.mark.requirement("P2")
async def test_a_revoked_frame_is_left_out_of_its_batch(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    queue, stream = WriteQueue(), MemorySendStream()
    kept, revoked = call(1), call(2)
    queue.put(revoked)
    queue.put(kept)
    assert revoked.revoke()
    nursery.start_soon(queue.drain, stream)
    await trio.testing.wait_all_tasks_blocked()
    written = stream.get_data_nowait()
    assert written.count(b"\n") == 1
    assert b'"id":1' in written
    assert (kept.written, revoked.written) == (True, False)
    assert not kept.revoke()


async def test_a_batch_of_nothing_but_revoked_frames_writes_nothing(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    queue, stream = WriteQueue(), MemorySendStream()
    revoked = call(1)
    queue.put(revoked)
    revoked.revoke()
    nursery.start_soon(queue.drain, stream)
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(trio.WouldBlock):
        stream.get_data_nowait()
    queue.put(Outgoing(notification("ping")))
    assert b"ping" in await stream.get_data()


async def test_a_framed_link_takes_the_next_message_that_is_still_wanted(
    autojump_clock: object,
) -> None:
    queue = WriteQueue()
    revoked = call(1)
    for outgoing in (revoked, call(2)):
        queue.put(outgoing)
    revoked.revoke()
    assert b'"id":2' in await queue.take()


async def test_the_body_of_a_revoked_post_is_not_sent(autojump_clock: object) -> None:
    revoked = call(1)
    revoked.revoke()
    with pytest.raises(LinkLost, match="taken back"):
        await anext(aiter(Body(revoked)))
    assert not revoked.written
