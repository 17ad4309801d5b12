from random import Random

import pytest
import trio
from trio.testing import MockClock

from bridge.actor.supervisor import Supervisor
from kit.journal import Journal


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def supervisor(
    autojump_clock: MockClock, nursery: trio.Nursery, journal: Journal
) -> Supervisor:
    """A running supervisor; the end of the test cancels it.

    A test must ask for ``autojump_clock`` too: pytest-trio looks only at the
    arguments of the test itself.
    """
    running = Supervisor(log=journal.log, rng=Random(1))
    await nursery.start(running.run)
    return running
