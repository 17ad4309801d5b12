"""A provider that keeps the access token and rotates the refresh token only."""

import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from kit.login_room import login_room


@pytest.mark.requirement("D10")
async def test_a_refresh_uses_the_refresh_token_another_process_was_given(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        stored = await upstream.account.stored.load()
        assert stored is not None
        ours = replace(stored, tokens=replace(stored.tokens, refresh_token="used-up"))
        renewed = await upstream.account.refresh(ours)
        assert renewed is not None
        assert renewed.tokens.access_token != stored.tokens.access_token
        assert room.provider.counts.refreshes == 1
