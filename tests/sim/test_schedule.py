"""One seed, one run: alike in this process, in others, and under other hash seeds."""

import os
import subprocess
import sys
from pathlib import Path

import trio

from kit.schedule import reproducible_schedule
from sim.world import simulate

TESTS = Path(__file__).parents[1]
SEED = 7


def order_of_tasks(seed: int) -> list[int]:
    """In which order ten tasks that are ready together run, over ten rounds."""
    order: list[int] = []

    async def work(number: int) -> None:
        for _ in range(10):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(work, number)

    with reproducible_schedule(seed):
        trio.run(main)
    return order


def test_a_seed_decides_the_order_of_ready_tasks() -> None:
    first = order_of_tasks(1)
    assert order_of_tasks(1) == first
    assert order_of_tasks(2) != first
    assert sorted(first) != first


def digest_elsewhere(hash_seed: str) -> str:
    """The digest of the same seed in a process of its own."""
    code = f"from sim.world import simulate; print(simulate({SEED}).digest)"
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": str(TESTS),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stdout.strip()


def test_a_seed_gives_the_same_trace_in_every_process() -> None:
    here = simulate(SEED)
    assert len(here.happenings) > 100
    assert here.digest == simulate(SEED).digest
    assert here.digest == digest_elsewhere("1")
    assert here.digest == digest_elsewhere("2")
