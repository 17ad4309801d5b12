"""The simulation finds bugs: each one planted in the real code is found soon."""

import pytest

from sim.breaches import PLANTS
from sim.world import simulate

#: As many as every run of the tests simulates.
WITHIN = 50


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found(
    plant: str, found: dict[str, str], pytestconfig: pytest.Config
) -> None:
    if pytestconfig.getoption("--seed") is not None:
        pytest.skip("one seed is being replayed")
    for seed in range(1, WITHIN + 1):
        with PLANTS[plant]():
            trace = simulate(seed)
        if trace.breaches:
            found[plant] = f"{seed:>3}  {trace.breaches[0]}"
            return
    pytest.fail(f"not found within {WITHIN} seeds: {plant}")
