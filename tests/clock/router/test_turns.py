"""What waits for the router together is taken together: turns of the loop are dear."""

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.router import Checkpoint, UpstreamDown
from bridge.contract.upstream import UpstreamState
from kit.routing import RouterRoom, names, policy, tool


async def turns_until_listed(room: RouterRoom, *, behind: int) -> int:
    """How often everybody else may go on before a new tool is in the table."""
    for _ in range(behind):
        down = UpstreamState.BACKOFF
        room.send(
            UpstreamDown(
                address=room.upstreams["bad"], epoch=1, state=down, reason="again"
            )
        )
    room.up("good", tools=[tool("x")])
    turns = 0
    while "good__x" not in names(tuple(room.board.whole.entries("tools"))):
        await trio.lowlevel.checkpoint()
        turns += 1
    return turns


@pytest.fixture
async def room(nursery: trio.Nursery, autojump_clock: MockClock) -> RouterRoom:
    made = RouterRoom(policy("bad"), policy("good"))
    await made.start(nursery)
    await trio.testing.wait_all_tasks_blocked()
    return made


@pytest.mark.requirement("C31", "P3")
async def test_news_of_a_good_upstream_do_not_stand_behind_those_of_a_bad_one(
    room: RouterRoom, autojump_clock: MockClock
) -> None:
    assert await turns_until_listed(room, behind=60) < 10


@pytest.mark.requirement("C31")
async def test_so_many_news_that_they_fill_more_than_a_turn_leave_room_for_others(
    room: RouterRoom, autojump_clock: MockClock
) -> None:
    assert 2 < await turns_until_listed(room, behind=300) < 30


async def test_news_that_come_together_make_one_table(
    room: RouterRoom, autojump_clock: MockClock
) -> None:
    before = room.board.whole.version
    room.up("bad", tools=[tool("y")])
    room.up("good", tools=[tool("x")])
    room.up("good", epoch=2, tools=[tool("x"), tool("z")])
    await trio.testing.wait_all_tasks_blocked()
    assert room.board.whole.version == before + 1
    assert len(room.board.whole.entries("tools")) == 3


@pytest.mark.requirement("C31")
async def test_a_turn_that_took_long_ends_and_the_rest_comes_in_the_next(
    room: RouterRoom, autojump_clock: MockClock
) -> None:
    heard: list[float] = []
    for _ in range(4):  # each takes longer than a turn may
        room.send(Checkpoint(heard=lambda: autojump_clock.jump(1)))
        room.send(Checkpoint(heard=lambda: heard.append(trio.current_time())))
    began = trio.current_time()
    await trio.testing.wait_all_tasks_blocked()
    assert [at - began for at in heard] == [1, 2, 3, 4]
