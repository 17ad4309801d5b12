"""Every seed keeps every promise: the bridge as a whole, in a world full of faults."""

import pytest

from sim.conftest import Runs


@pytest.mark.timeout(0)  # as long as those ordered before it take
@pytest.mark.requirement("P2", "P3", "R47")
def test_the_bridge_keeps_its_promises_in_a_world_of_faults(
    seed: int, runs: Runs, *, replaying: bool
) -> None:
    trace = runs.trace(seed)
    if replaying:
        print(f"\n{trace.text}")
    assert not trace.breaches, trace.report()
