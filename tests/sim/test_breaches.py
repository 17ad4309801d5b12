"""The simulation finds bugs: each one planted in the real code is found soon."""

import pytest

from sim.breaches import PLANTS
from sim.chance import Chance
from sim.scenario import Plan, Scenario
from sim.world import simulate

#: As many as every run of the tests simulates.
WITHIN = 50


def seeds_for(plant: str) -> list[int]:
    """All of them; for what only a stop shows, those that stop in the middle."""
    seeds = list(range(1, WITHIN + 1))
    if "stop" not in plant:
        return seeds
    plans = {seed: Plan.of(Chance(seed), Scenario()) for seed in seeds}
    return [seed for seed, plan in plans.items() if plan.stop_early is not None]


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found(plant: str, found: dict[str, str]) -> None:
    for number, seed in enumerate(seeds_for(plant), 1):
        with PLANTS[plant]():
            trace = simulate(seed)
        if trace.breaches:
            found[plant] = f"{number:>2} (seed {seed:>2})  {trace.breaches[0]}"
            return
    pytest.fail(f"not found within {WITHIN} seeds: {plant}")
