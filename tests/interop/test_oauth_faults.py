"""Logins under trouble, at a real provider that takes a token used twice for theft.

A deadline here ends no call: the SDK's client does not survive a call that is cut.
"""

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from mcp import Client

from interop.rig.bridge import running_bridge
from interop.rig.browser import browser_command, opened
from interop.rig.protected import Protected, running_protected
from interop.rig.sdk import sdk_client, text_of, until_listed

pytestmark = [pytest.mark.interop, pytest.mark.external]

LIFETIME = 5
NO_AUTH = ["--no-auth", "--debug"]
ONCE = {"stream": 1, "calls": 1}


@pytest.fixture
def protected(tmp_path: Path) -> Iterator[Protected]:
    with running_protected(tmp_path / "world", lifetime=LIFETIME) as world:
        yield world


async def _call_both(client: Client) -> None:
    for name in ONCE:
        assert await text_of(client, f"{name}__add", a=2, b=3) == "5"


async def _listed(client: Client) -> None:
    await until_listed(client, lambda names: len(names) == 4)


@contextmanager
def _suspended(pid: int) -> Generator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.requirement("R102", "R107", "D10")
async def test_two_bridges_with_one_home_refresh_as_one(
    protected: Protected, tmp_path: Path
) -> None:
    config, seconds = protected.config(), 20
    home, browser = tmp_path / "home", tmp_path / "browser"
    env = {"BRIDGE_HOME": str(home), "BROWSER": browser_command(browser)}
    with running_bridge(config, tmp_path / "a", env=env, args=NO_AUTH) as first:
        async with sdk_client(f"{first.url}/mcp") as one:
            await _listed(one)
            with running_bridge(
                config, tmp_path / "b", env=env, args=NO_AUTH
            ) as second:
                async with sdk_client(f"{second.url}/mcp") as other:
                    await _listed(other)
                    end = trio.current_time() + seconds
                    while trio.current_time() < end:
                        await _call_both(one)
                        await _call_both(other)
                        await trio.sleep(0.1)
                    refreshes = protected.refreshes()

    most = seconds / (0.7 * LIFETIME) + 4  # the start of both took some time as well
    assert all(3 <= number <= most for number in refreshes.values()), refreshes
    assert protected.provider.counts().refused == {}
    assert protected.logins() == ONCE
    assert len(opened(browser)) == 2


@pytest.mark.requirement("R105", "D13")
async def test_calls_after_a_long_sleep_of_the_machine_succeed_at_once(
    protected: Protected, tmp_path: Path
) -> None:
    env = {"BROWSER": browser_command(tmp_path / "browser")}
    folder = tmp_path / "bridge"
    with running_bridge(protected.config(), folder, env=env, args=NO_AUTH) as bridge:
        async with sdk_client(f"{bridge.url}/mcp") as client:
            await _listed(client)
            with _suspended(bridge.process.pid):
                await trio.sleep(LIFETIME + 3)
            await _call_both(client)

    assert protected.logins() == ONCE


@pytest.mark.requirement("R108", "R158")
async def test_a_provider_that_hangs_longer_than_a_token_lives_costs_no_login(
    tmp_path: Path,
) -> None:
    env = {"BROWSER": browser_command(tmp_path / "browser")}
    folder = tmp_path / "bridge"
    with (
        # It answers when nobody listens any more, so it must forgive a second use.
        running_protected(tmp_path / "world", lifetime=LIFETIME, grace=60) as protected,
        running_bridge(protected.config(), folder, env=env, args=NO_AUTH) as bridge,
    ):
        async with sdk_client(f"{bridge.url}/mcp") as client:
            await _listed(client)
            with _suspended(protected.provider.pid):
                await bridge.process.seen(
                    lambda: len(bridge.events("oauth.refresh_failed")) >= 2, 60
                )
                failed = await client.call_tool("calls__add", {"a": 2, "b": 3})
            await bridge.process.seen(lambda: _renewed(bridge.events()), 60)
            await _listed(client)
            await _call_both(client)
        logins = protected.logins()

    assert failed.is_error
    assert "oauth login" not in str(failed.content)
    assert logins == ONCE


def _renewed(events: list[dict[str, str]]) -> bool:
    """Both logins, after the last failure."""
    names = [(each.get("event"), each.get("upstream")) for each in events]
    last = max(i for i, (name, _) in enumerate(names) if name == "oauth.refresh_failed")
    return {
        upstream for name, upstream in names[last:] if name == "oauth.token_refreshed"
    } == {"stream", "calls"}
