"""What a link has for its actor is bounded in number and in pace."""

import pytest
import trio
from trio.testing import MockClock

from bridge.errors import LinkLost
from bridge.protocol.frame import Frame, raw
from bridge.wire.inbox import Inbox
from bridge.wire.link import FrameRefused, LinkEvent, Received, RequestFailed

NEWS = Received(frame=Frame(method="notifications/tools/list_changed"))
QUESTION = Received(frame=Frame(id=1, method="ping"))
ANSWER = Received(frame=Frame(id=1, result=raw({})))
JUNK = FrameRefused(kind="not_json", size=1)
FAILED = RequestFailed(upstream_id=1, error=LinkLost("gone"))


async def seconds_for(event: LinkEvent, times: int) -> float:
    """How long a peer needs to be heard so many times by an actor that is quick."""
    inbox = Inbox()
    began = trio.current_time()

    async def say() -> None:
        for _ in range(times):
            await inbox.put(event)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say)
        for _ in range(times):
            await inbox.receive()
    return trio.current_time() - began


@pytest.mark.requirement("C31")
@pytest.mark.parametrize("event", [NEWS, JUNK])
async def test_a_flood_of_what_nobody_asked_for_is_slowed_down(
    event: LinkEvent, autojump_clock: MockClock
) -> None:
    assert await seconds_for(event, 900) == 0
    assert 9 < await seconds_for(event, 6000) < 12


@pytest.mark.requirement("C31")
async def test_a_flood_of_questions_is_slowed_down_more(
    autojump_clock: MockClock,
) -> None:
    """Each wants an answer, which may be a request of its own."""
    assert await seconds_for(QUESTION, 90) == 0
    assert 6 < await seconds_for(QUESTION, 600) < 12


@pytest.mark.requirement("C31")
@pytest.mark.parametrize("event", [ANSWER, FAILED])
async def test_answers_are_never_slowed_down(
    event: LinkEvent, autojump_clock: MockClock
) -> None:
    assert await seconds_for(event, 6000) == 0
