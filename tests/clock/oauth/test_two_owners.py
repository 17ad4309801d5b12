"""Two owners of one login: another bridge, or the next edition of an upstream."""

import pytest

from bridge.errors import GrantRefused
from kit.login_room import login_room


@pytest.mark.requirement("D10")
async def test_a_refresh_token_that_was_refused_to_another_owner_is_not_sent_again(
    autojump_clock: object,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        held = await upstream.account.stored.load()
        assert held is not None
        await upstream.account.stored.forget_refresh(held)  # as the other one does
        before = room.provider.counts.requests["token"]
        with pytest.raises(GrantRefused):
            await upstream.account.refresh(held)
        assert room.provider.counts.requests["token"] == before
