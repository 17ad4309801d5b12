"""A logout, and what is ordered or under way around it."""

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.upstream import Forget, Reauthorize
from kit import provider_faults
from kit.login_room import LoginRoom, login_room


def is_stored(room: LoginRoom) -> bool:
    """A login is on the disk."""
    names = [path.name for path in room.files.disk.files]
    return any(name.startswith("server-hash-") for name in names)


@pytest.mark.requirement("R101")
async def test_a_login_made_while_the_provider_revokes_the_old_one_stays(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        room.provider.faults.once("revocation", provider_faults.slow(8.0))
        upstream.post(Forget(reason="an operator"))
        await trio.sleep(0.5)
        assert not is_stored(room)
        upstream.post(Reauthorize(reason="an operator"))
        await upstream.reach("ready")
        await trio.sleep(20)
        assert is_stored(room)
        assert await upstream.echo("hello") == "hello"


async def test_the_last_of_two_commands_wins(autojump_clock: MockClock) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        upstream.post(Forget(reason="an operator"))
        upstream.post(Reauthorize(reason="an operator", force=True))
        await trio.sleep(30)
        await upstream.reach("ready", within=1)
        assert room.provider.counts.logins == 2
        assert is_stored(room)
