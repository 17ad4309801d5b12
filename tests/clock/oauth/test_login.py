"""From a 401 to a logged-in upstream, and back when its tokens go."""

import pytest
from trio.testing import MockClock

from kit.login_room import login_room


@pytest.mark.requirement("R78", "R80")
async def test_a_server_that_asks_for_a_login_gets_one_and_serves(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        assert await upstream.echo("hello") == "hello"
        assert room.provider.counts.registrations == 1
