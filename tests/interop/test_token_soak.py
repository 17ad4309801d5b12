"""Tokens that live five seconds, and calls all the time: not one of them may fail.

``make interop`` calls for a minute; for longer, say for how many seconds:
``SOAK_SECONDS=600 .venv/bin/pytest tests/interop/test_token_soak.py``
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
from mcp import Client

from interop.rig.bridge import UNTRACED, running_bridge
from interop.rig.browser import browser_command, opened
from interop.rig.protected import Protected, running_protected
from interop.rig.sdk import sdk_client, text_of, until_listed

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
LIFETIME = 5

pytestmark = [
    pytest.mark.interop,
    pytest.mark.external,
    pytest.mark.timeout(SECONDS + 180),
]


@pytest.fixture
def protected(tmp_path: Path) -> Iterator[Protected]:
    with running_protected(tmp_path / "world", lifetime=LIFETIME) as world:
        yield world


class Calls:
    """Calls without a pause, each counted; the first failure ends the test."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}

    async def make(self, client: Client, name: str, *, until: float) -> None:
        """Until that time; no call is cut, which the SDK's client does not survive."""
        number = 0
        while trio.current_time() < until:
            number += 1
            assert await text_of(client, f"{name}__add", a=number, b=1) == str(
                number + 1
            )
            self.done[name] = number
            await trio.sleep(0.05)


@pytest.mark.requirement("R105", "R106", "R107", "R109", "P6")
async def test_no_call_fails_while_tokens_come_and_go(
    protected: Protected, tmp_path: Path
) -> None:
    calls, browser = Calls(), tmp_path / "browser"
    env = {"BROWSER": browser_command(browser), **UNTRACED}
    with running_bridge(
        protected.config(), tmp_path / "bridge", env=env, args=["--no-auth"]
    ) as bridge:
        async with sdk_client(f"{bridge.url}/mcp") as client:
            await until_listed(client, lambda names: len(names) == 4)
            before = protected.refreshes()
            end = trio.current_time() + SECONDS
            async with trio.open_nursery() as nursery:
                for name in protected.servers:
                    nursery.start_soon(partial(calls.make, client, name, until=end))
            after = protected.refreshes()
        finished = bridge.events("call.finished")

    refreshes = {name: after[name] - before[name] for name in after}
    print(f"calls: {calls.done}, refreshes: {refreshes}")
    assert {each["outcome"] for each in finished} == {"ok"}
    # Renewed at 70 to 80 % of its life: one refresh for each token, and no more.
    least, most = SECONDS / LIFETIME - 1, SECONDS / (0.7 * LIFETIME) + 1
    assert all(least <= number <= most for number in refreshes.values()), refreshes
    assert all(number > SECONDS for number in calls.done.values()), calls.done
    assert len(opened(browser)) == 2
    assert protected.logins() == {"stream": 1, "calls": 1}
    assert protected.provider.counts().refused == {}
