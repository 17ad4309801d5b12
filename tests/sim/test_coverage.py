"""The simulation is worth its name only if the faults occur and the calls are many."""

from collections import Counter

import pytest

from sim.conftest import Runs
from sim.mind import DEEDS, FATES, GUARDED_DEEDS, HARMLESS, HTTP_DEEDS
from sim.settings import EDITS
from sim.vault import MISCHIEF
from sim.weather import AT_ONCE, CLOCK, DISK, LASTING

#: Fewer seeds may miss a rare fault by chance.
ENOUGH = 200
#: What clients and operators do to the bridge.
FAULTS = (
    "actor crashes",
    "bad token",
    "client cancels",
    "client half-open",
    "client junk",
    "client reset",
    "client vanishes",
    "id used twice",
    "killed",
    "second signal",
    "session of another",
    "slow reader",
    "slow reader cut",
    "stop in the middle",
)
#: What must have been seen on the clients' side, for the checks to mean anything.
OUTCOMES = (
    "results",
    "error 1001",
    "error 1002",
    "error 1003",
    "error 1005",
    "excused: cancelled",
    "excused: cut by a second signal",
    "excused: did not read",
    "excused: killed",
    "excused: silent",
    "http 404",
    "http 503",
    "logins",
    "progress",
    "questions",
    "reloads",
    "refreshes",
    "jitters",
)


def known_faults() -> set[str]:
    """Every fault that any table of the simulator names."""
    lots = (DEEDS, HTTP_DEEDS, GUARDED_DEEDS, FATES, EDITS, MISCHIEF)
    drawn = {value for lot in lots for value in lot.values}
    of_the_world = {*AT_ONCE, *LASTING, *DISK, *CLOCK, *FAULTS}
    return (drawn | of_the_world) - HARMLESS


@pytest.mark.timeout(0)  # as long as its seeds take
def test_every_fault_really_occurred(runs: Runs) -> None:
    if len(runs.seeds) < ENOUGH:
        pytest.skip(f"needs {ENOUGH} seeds")
    faults: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for seed in runs.seeds:
        faults.update(runs.trace(seed).faults)
        counts.update(runs.trace(seed).counts)
    print("\n", dict(faults.most_common()), "\n", dict(counts.most_common()))
    assert sorted(faults) == sorted(known_faults())
    assert not [outcome for outcome in OUTCOMES if not counts[outcome]]
    assert counts["results"] > counts["asked"] / 3
