"""Lines the log has lost are told of once there is room."""

import os

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.cli.lost_lines import LOOK_EVERY, tell_lost_lines
from bridge.observe import catalogue as events
from bridge.observe.outlet import Outlet
from kit.journal import Journal


class Reader:
    """An outlet into a pipe that takes next to nothing."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.outlet = Outlet(self.write_end, pending_limit=10)

    def close(self) -> None:
        os.close(self.read_end)
        os.close(self.write_end)


@pytest.mark.requirement("E4")
async def test_lost_lines_are_told_of_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    journal, reader = Journal(), Reader()
    nursery.start_soon(lambda: tell_lost_lines(reader.outlet, log=journal.log))
    await trio.sleep(LOOK_EVERY + 1)
    assert journal.of(events.LOG_LINES_DROPPED) == []
    for _ in range(3):
        reader.outlet.write(b"longer than the limit\n")
    await trio.sleep(3 * LOOK_EVERY)
    assert journal.of(events.LOG_LINES_DROPPED) == [{"lines": 3}]
    reader.close()
    await wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()
