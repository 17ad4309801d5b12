"""Says in the log that lines of it were lost, once there is room again."""

import trio

from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.observe.outlet import Outlet

#: Often enough for whoever reads along, rarely enough for a reader that is slow.
LOOK_EVERY = 10.0


async def tell_lost_lines(outlet: Outlet, *, log: Log) -> None:
    """Look now and then, until cancelled. Each lost line is told of once."""
    told = 0
    while True:
        await trio.sleep(LOOK_EVERY)
        lost = outlet.dropped
        if lost == told:
            continue
        log.emit(events.LOG_LINES_DROPPED, lines=lost - told)
        if outlet.dropped == lost:  # else this line was lost as well
            told = lost
