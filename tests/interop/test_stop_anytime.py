"""SIGTERM at random instants: status 0 in time, nobody left, every call answered.

``STOPS=100`` in the environment asks for the full figure, ``SEED`` for the same again.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import trio

from interop.rig.caller import Gone, McpCaller, Refused, SseCaller, callers
from interop.rig.life import Life
from interop.rig.servers import Entry
from interop.rig.steady import executions, steady_entry
from interop.rig.vault import running_vault

STOPS = int(os.environ.get("STOPS", "24"))
SEED = int(os.environ.get("SEED", "0")) or random.randrange(2**32)
AT_ONCE = 3
DRAIN = 12.0  # of which the bridge keeps 8 s for children that do not listen
SLACK = 2.0  # a machine others use too
LONGEST = 1.5  # of a call

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180 + 5 * STOPS)]


class Run(msgspec.Struct):
    """One bridge, what it is doing when the signal comes, and what was asked of it."""

    life: Life
    rng: random.Random
    ledger: Path
    asked: int = 0
    answered: int = 0
    refused: int = 0
    #: Markers of calls whose connection ended without a word.
    unanswered: list[str] = msgspec.field(default_factory=list[str])
    faults: list[str] = msgspec.field(default_factory=list[str])

    async def pause(self, longest: float) -> None:
        await trio.sleep(self.rng.uniform(0, longest))

    def stop(self) -> None:
        self.life.send(signal.SIGTERM)


Scene = Callable[[Run], Awaitable[None]]


async def in_the_start(run: Run) -> None:
    await run.pause(0.8)
    run.stop()


async def idle(run: Run) -> None:
    await run.life.ready()
    await run.pause(0.3)
    run.stop()


async def during_a_login(run: Run) -> None:
    await run.life.until(run.life.listens)
    await run.pause(0.5)
    run.stop()


async def during_a_reload(run: Run) -> None:
    await run.life.ready()
    servers = run.life.config["mcpServers"]
    servers["more"] = servers.pop("lines")
    run.life.write()
    run.life.send(signal.SIGHUP)
    await run.pause(0.3)
    run.stop()


async def under_calls(run: Run) -> None:
    await run.life.ready()
    async with (
        callers(run.life.port, sse=2, mcp=2) as everybody,
        trio.open_nursery() as nursery,
    ):
        for who, caller in enumerate(everybody):
            nursery.start_soon(busy, run, caller, who)
            for number in (1, 2):
                nursery.start_soon(slow, run, caller, f"{who}-{number}")
        await trio.sleep(0.1)  # the slow ones are on their way by now, mostly
        await run.pause(1.0)
        run.stop()


async def slow(run: Run, caller: SseCaller | McpCaller, marker: str) -> None:
    """One call. If it was taken before the signal it must have its result."""
    number = int(marker[-1])
    run.asked += 1
    seconds = run.rng.uniform(0.5, LONGEST)
    asked = {"seconds": seconds, "marker": marker}
    try:
        answer = await caller.call(number, "lines__sleep", asked)
    except Refused:  # the signal was first
        run.refused += 1
        return
    run.answered += 1
    if answer["result"]["content"][0]["text"] != f"ran {marker}":
        run.faults.append(f"{marker}: {answer}")


async def busy(run: Run, caller: SseCaller | McpCaller, who: int) -> None:
    """One call after the other, until the bridge takes no more."""
    for number in range(10, 10_000):
        marker = f"{who}-{number}"
        run.asked += 1
        try:
            answer = await caller.call(number, "lines__mark", {"marker": marker})
        except Refused:
            run.refused += 1
            return
        except Gone:
            run.unanswered.append(marker)
            return
        run.answered += 1
        if answer["result"]["content"][0]["text"] != f"ran {marker}":
            run.faults.append(f"{marker}: {answer}")
        await trio.sleep(0.01)


#: Those that take calls come more often than the others.
SCENES: dict[str, Scene] = {
    "in the start": in_the_start,
    "idle": idle,
    "under calls": under_calls,
    "during a login": during_a_login,
    "under more calls": under_calls,
    "during a reload": during_a_reload,
    "with a deaf child": idle,
    "under calls, with a deaf child": under_calls,
}


@pytest.fixture
def locked() -> Iterator[Entry]:
    """A server whose login nobody finishes: no browser of these bridges goes there."""
    with running_vault() as (_, entry):
        yield entry


async def live_and_stop(
    name: str, folder: Path, *, locked: Entry, rng: random.Random
) -> Run:
    """A bridge from its start to its end."""
    ledger = folder / "lines.ledger"
    servers = {"lines": steady_entry(ledger)}
    if name == "during a login":
        servers["locked"] = locked
    if "deaf" in name:
        servers["deaf"] = steady_entry(folder / "deaf.ledger", "--deaf")
    run = Run(Life(servers, folder, drainTimeout=DRAIN), rng, ledger)
    try:
        run.life.start()
        await run.life.until(lambda: run.life.takes(signal.SIGTERM))
        await SCENES[name](run)
        took = await run.life.ended(DRAIN + SLACK)
        judge(run, took)
    except BaseException as error:
        error.add_note(f"{name}, seed {SEED}:\n{run.life.output()[-3000:]}")
        raise
    finally:
        run.life.end()
    return run


def judge(run: Run, took: float) -> None:
    """What every stop must leave: nothing."""
    assert run.life.status == 0, f"status {run.life.status} after {took:.1f} s"
    assert run.life.left_behind() == []
    assert "Traceback" not in run.life.output()
    assert [*run.life.home.rglob("*.pids"), *run.life.home.rglob("*.sock")] == []
    assert run.faults == []
    assert run.answered + run.refused + len(run.unanswered) == run.asked
    ran = executions(run.ledger)
    assert [marker for marker in run.unanswered if marker in ran] == []
    assert run.answered == sum(ran.values())


@pytest.mark.requirement("E1", "P8", "P2", "C6")
async def test_whenever_it_is_told_to_stop_it_does_so_in_order(
    tmp_path: Path, locked: Entry
) -> None:
    rng = random.Random(SEED)
    names = [list(SCENES)[number % len(SCENES)] for number in range(STOPS)]
    runs: list[Run] = []

    async def one_after_the_other() -> None:
        while names:
            name, number = names.pop(), len(names)
            folder = tmp_path / f"{number}"
            own = random.Random(rng.random())
            runs.append(await live_and_stop(name, folder, locked=locked, rng=own))

    began = time.monotonic()
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(one_after_the_other)
    total = Counter[str]()
    for run in runs:
        total += Counter(
            answered=run.answered,
            refused=run.refused,
            without_a_word=len(run.unanswered),
        )
    print(
        f"{len(runs)} stops in {time.monotonic() - began:.0f} s (seed {SEED}), "
        f"status 0 each: {dict(total)}"
    )
    assert len(runs) == STOPS
    assert total["answered"]


@pytest.mark.requirement("E1")
async def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "second"
    servers = {
        "lines": steady_entry(folder / "lines.ledger"),
        "deaf": steady_entry(folder / "deaf.ledger", "--deaf"),
    }
    life = Life(servers, folder, drainTimeout=30)
    life.start()
    try:
        await life.ready()
        async with callers(life.port, sse=1, mcp=0) as [caller]:
            assert isinstance(caller, SseCaller)
            asked = {"seconds": 60, "marker": "long"}
            await caller.begin(1, "lines__sleep", asked)
            await trio.sleep(0.2)
            life.send(signal.SIGTERM)
            await life.until(lambda: life.events("bridge.draining"))
            await trio.sleep(0.5)
            assert life.status is None
            life.send(signal.SIGTERM)
            took = await life.ended(20)
        print(f"ended {took:.2f} s after the second signal")
        assert life.status == 0
        assert took < 5
        assert life.left_behind() == []
        assert "Traceback" not in life.output()
    finally:
        life.end()
