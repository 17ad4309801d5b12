"""SIGKILL at random instants around a rotation: no login is lost, no file is broken.

The provider is a slow network away, so that many kills meet a rotation, and it forgives
a refresh token that is used twice within a minute. Each bridge is a whole one, forked
from a process that has imported it: two hundred take two minutes.
``KILLS=1000`` in the environment asks for more.
"""

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.rig.bridge import running_bridge
from interop.rig.browser import browser_command, opened
from interop.rig.forked import ForkedBridge
from interop.rig.process import free_port
from interop.rig.protected import Protected, credential_files, running_protected
from interop.rig.sdk import sdk_client, text_of, until_listed

KILLS = int(os.environ.get("KILLS", "200"))
LIFETIME = 3600
#: The last instant of a kill, as a part of what a start and a rotation usually take.
LATEST = 1.6
#: What the provider, or the engine under it, says of a request that never came whole.
CUT_SHORT = {"invalid_request", "aborted", "request aborted"}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.external,
    pytest.mark.timeout(120 + 3 * KILLS),
]


@pytest.fixture
def protected(tmp_path: Path) -> Iterator[Protected]:
    with running_protected(
        tmp_path / "world", lifetime=LIFETIME, grace=60, delay=0.1
    ) as world:
        yield world


class Kennel:
    """One home, and the bridges that live in it one after the other."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        folder.mkdir()
        self.config = config
        self.home = folder / "home"
        self.browser = folder / "browser"
        self.bridge: ForkedBridge | None = None
        self._folder = folder
        self._file = folder / "config.json"
        self._file.write_text(json.dumps(config), encoding="utf-8")
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "BRIDGE_HOME": str(self.home),
            "BROWSER": browser_command(self.browser),
        }

    def start(self) -> ForkedBridge:
        args = ["--no-auth", "--debug"]
        self.bridge = ForkedBridge(self._file, self._folder, env=self._env, args=args)
        return self.bridge

    def until(self, seen: Callable[[], bool], within: float = 40) -> None:
        """Wait for what the running bridge shall do."""
        deadline = time.monotonic() + within
        while not seen():
            assert self.bridge, "none is running"
            ended = self.bridge.status is not None
            assert not ended, (self._folder / "output.txt").read_text("utf-8")[-4000:]
            assert time.monotonic() < deadline, f"not so within {within} s"
            time.sleep(0.005)

    def make_old(self) -> None:
        """Let the stored tokens look expired: the next start renews them at once."""
        for file, stored in credential_files(self.home).items():
            stored["created_at"] -= LIFETIME
            file.write_text(json.dumps(stored), encoding="utf-8")

    def refresh_tokens(self) -> list[str]:
        """Those that are stored. Every file must be whole and private."""
        stored = credential_files(self.home).values()
        return [each["refresh_token"] for each in stored]

    def seconds_of_a_rotation(self) -> float:
        """From the start of a bridge until both rotated tokens are stored."""
        before = set(self.refresh_tokens())
        self.make_old()
        began = time.monotonic()
        bridge = self.start()
        self.until(lambda: not before & set(self.refresh_tokens()))
        took = time.monotonic() - began
        bridge.stop()
        return took


@pytest.fixture
def kennel(protected: Protected, tmp_path: Path) -> Iterator[Kennel]:
    kennel = Kennel(protected.config(port=free_port()), tmp_path / "bridge")
    yield kennel
    if kennel.bridge is not None:
        kennel.bridge.end()


@pytest.mark.requirement("R99", "R109", "P5", "P6", "D11", "D12")
async def test_no_login_is_lost_and_no_file_is_broken(
    protected: Protected, kennel: Kennel, tmp_path: Path
) -> None:
    first = kennel.start()
    kennel.until(lambda: len(kennel.refresh_tokens()) == 2)
    first.stop()
    usual = sorted(kennel.seconds_of_a_rotation() for _ in range(5))[2]
    before = sum(protected.refreshes().values())

    saved = sum(_kill_one(kennel, usual) for _ in range(KILLS))

    rotated = sum(protected.refreshes().values()) - before
    print(f"{KILLS} kills: {rotated} tokens rotated, {saved} of them stored in time")
    # Some must have died with the answer on the way, or this test shows nothing.
    assert rotated - saved > KILLS / 20
    assert saved > KILLS / 20
    # A request cut short by a kill is none; any other refusal is of a lost token.
    assert set(protected.provider.counts().refused) <= CUT_SHORT
    folder = tmp_path / "bridge"
    with running_bridge(kennel.config, folder, args=["--no-auth"]) as bridge:
        async with sdk_client(f"{bridge.url}/mcp") as client:
            await until_listed(client, lambda names: len(names) == 4)
            assert await text_of(client, "calls__add", a=2, b=3) == "5"
    assert protected.logins() == {"stream": 1, "calls": 1}
    assert len(opened(kennel.browser)) == 2


def _kill_one(kennel: Kennel, usual: float) -> int:
    """How many of the two rotations were stored before the kill."""
    kennel.make_old()
    before = kennel.refresh_tokens()
    bridge = kennel.start()
    time.sleep(random.uniform(0.2, LATEST) * usual)
    bridge.kill()
    after = kennel.refresh_tokens()
    assert len(after) == 2
    _assert_private(kennel.home / "auth")
    return len(set(after) - set(before))


def _assert_private(folder: Path) -> None:
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert not [name for name in modes if "corrupt" in name]
