"""SIGKILL at random instants, and the next start: nobody repairs anything by hand.

``RESTARTS=50`` in the environment asks for the full figure, ``SEED`` for the same once
more.
"""

import os
import random
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from interop.rig.caller import Caller, Gone, Refused, callers
from interop.rig.life import Life, processes_with
from interop.rig.process import is_alive
from interop.rig.steady import SteadyHttp, executions, steady_entry

RESTARTS = int(os.environ.get("RESTARTS", "12"))
SEED = int(os.environ.get("SEED", "0")) or random.randrange(2**32)
HOMES = 3  # at once
CHILDREN = ("lines", "deaf")

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180 + 10 * RESTARTS)]


class Home:
    """One home whose bridges are killed, one after the other."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.rng = rng
        self.web = SteadyHttp(folder / "web.ledger")
        servers = {
            "lines": steady_entry(folder / "lines.ledger"),
            "deaf": steady_entry(folder / "deaf.ledger", "--deaf"),
            "web": self.web.entry(),
        }
        self.life = Life(servers, folder)
        self.ledger = folder / "lines.ledger"
        self.lives = 0
        self.answered: list[str] = []
        self.restarts: list[float] = []

    def children(self, name: str) -> list[int]:
        """The processes of one stdio server that live now."""
        return processes_with(str(self.life.folder / f"{name}.ledger"))

    async def killed_in_the_start(self) -> None:
        await self.life.until(lambda: self.life.takes(signal.SIGTERM))
        await trio.sleep(self.rng.uniform(0, 0.8))
        self.life.kill()

    async def killed_at_work(self) -> None:
        await self.connected()
        async with (
            callers(self.life.port, sse=1, mcp=1) as everybody,
            trio.open_nursery() as nursery,
        ):
            for who, caller in enumerate(everybody):
                nursery.start_soon(self._call, caller, who)
            await trio.sleep(self.rng.uniform(0.05, 0.5))
            self.life.kill()
            nursery.cancel_scope.cancel()

    async def _call(self, caller: Caller, who: int) -> None:
        for number in range(1, 10_000):
            marker = f"{self.lives}-{who}-{number}"
            try:
                answer = await caller.call(number, "lines__mark", {"marker": marker})
            except (Gone, Refused):
                return
            assert answer["result"]["content"][0]["text"] == f"ran {marker}"
            self.answered.append(marker)

    async def connected(self) -> None:
        """Until all three upstreams of the bridge that runs now are."""
        await self.life.ready(3)

    def start(self) -> None:
        self.lives += 1
        self.life.start()

    async def live_and_be_killed(self) -> None:
        """Start, be killed, leave what there is to the next."""
        self.start()
        if self.rng.random() < 0.4:
            await self.killed_in_the_start()
        else:
            await self.killed_at_work()

    async def live_on(self) -> None:
        """The next bridge serves as if nothing had been."""
        orphans = {pid for name in CHILDREN for pid in self.children(name)}
        began = time.monotonic()
        self.start()
        await self.connected()
        self.restarts.append(time.monotonic() - began)
        assert [pid for pid in orphans if is_alive(pid)] == []
        for name in CHILDREN:
            assert len(self.children(name)) == 1, name
        async with callers(self.life.port, sse=1, mcp=1) as everybody:
            for caller in everybody:
                for number, server in enumerate((*CHILDREN, "web"), 1):
                    text = f"{server} again"
                    asked = {"text": text}
                    answer = await caller.call(number, f"{server}__echo", asked)
                    assert answer["result"]["content"][0]["text"] == text
        self.life.kill()


@contextmanager
def a_home(folder: Path, rng: random.Random) -> Generator[Home]:
    home = Home(folder, rng)
    home.web.start()
    try:
        home.web.wait()
        yield home
    except BaseException as error:
        error.add_note(f"seed {SEED}:\n{home.life.output()[-3000:]}")
        raise
    finally:
        home.web.kill()
        home.life.end()


async def die_and_rise(home: Home, times: int) -> None:
    for _ in range(times):
        await home.live_and_be_killed()
        await home.live_on()
    home.start()
    await home.connected()
    home.life.send(signal.SIGTERM)
    await home.life.ended(40)
    assert home.life.status == 0
    for name in CHILDREN:
        assert home.children(name) == []
    left = [*home.life.home.rglob("*.pids"), *home.life.home.rglob("*.sock")]
    assert left == []


@pytest.mark.requirement("E3", "P8")
async def test_after_a_kill_at_any_instant_the_next_start_needs_no_repair(
    tmp_path: Path,
) -> None:
    rng = random.Random(SEED)
    homes: list[Home] = []

    async def live(number: int, times: int) -> None:
        folder = tmp_path / f"{number}"
        with a_home(folder, random.Random(rng.random())) as home:
            homes.append(home)
            await die_and_rise(home, times)

    async with trio.open_nursery() as nursery:
        for number in range(HOMES):
            nursery.start_soon(live, number, -(-RESTARTS // (2 * HOMES)))

    kills = sum(home.lives - 1 for home in homes)
    ended = [event for home in homes for event in home.life.events("orphans.ended")]
    slowest = max(took for home in homes for took in home.restarts)
    print(
        f"{kills} kills (seed {SEED}), {sum(e['processes'] for e in ended)} orphans "
        f"ended, slowest restart {slowest:.1f} s"
    )
    assert ended, "no child was left behind: this run shows nothing"
    assert all(event["left"] == 0 for event in ended)
    for home in homes:
        ran = executions(home.ledger)
        assert all(ran[marker] == 1 for marker in home.answered)
        assert "Traceback" not in home.life.output()
