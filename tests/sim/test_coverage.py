"""The simulation is worth its name only if the faults occur and the calls are many."""

from collections import Counter

import pytest

from sim.conftest import Runs

#: Fewer seeds may miss a rare fault by chance.
ENOUGH = 30
FAULTS = (
    "babbles",
    "bad token",
    "change tools",
    "client cancels",
    "client reset",
    "client vanishes",
    "connections refused",
    "connections reset",
    "crash after",
    "crash before",
    "crashes later",
    "dies at once",
    "error",
    "forget session",
    "half",
    "hang",
    "is deaf",
    "junk",
    "late",
    "never",
    "never initializes",
    "reset",
    "slow reader",
    "slow reader cut",
    "status 500",
    "status 503",
    "stop in the middle",
    "twice",
    "unknown id",
)
#: What must have been seen on the clients' side, for the checks to mean anything.
OUTCOMES = (
    "results",
    "error 1001",
    "error 1002",
    "error 1005",
    "excused: cancelled",
    "excused: did not read",
    "progress",
    "questions",
)


@pytest.mark.timeout(0)  # as long as its seeds take
def test_every_fault_really_occurred(runs: Runs) -> None:
    if len(runs.seeds) < ENOUGH:
        pytest.skip(f"needs {ENOUGH} seeds")
    faults: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for seed in runs.seeds:
        faults.update(runs.trace(seed).faults)
        counts.update(runs.trace(seed).counts)
    print("\n", dict(faults), dict(counts))
    assert sorted(set(faults)) == sorted(FAULTS)
    assert not [outcome for outcome in OUTCOMES if not counts[outcome]]
    assert counts["results"] > counts["asked"] / 2
