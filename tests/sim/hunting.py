"""In which seeds a planted bug is sought: in those where it can show at all."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sim.chance import Chance
from sim.scenario import STDIO, Plan, Scenario

#: Which seed found each planted bug last; written by `sim.page`.
_FINDINGS = Path(__file__).with_name("findings.toml")
_PREFACE = """\
# Which seed found each planted bug when docs/simulation.md was written. Tests try it
# first and then the others: a number out of date costs time and nothing else.
"""

#: Far fewer than every run of the tests simulates.
WITHIN = 100
#: The last seed that is looked at for one where a bug can show at all.
LAST = 300


def _is_killed_late(plan: Plan) -> bool:
    late = plan.kill is not None and plan.kill[0] > 4
    return late and plan.stop_early is None


def _can_end_hung(plan: Plan) -> bool:
    """What hangs is let hang until the end: nothing ends the server before."""
    undisturbed = plan.stop_early is None and plan.kill is None
    return undisturbed and not plan.flaky.isdisjoint(STDIO)


#: What a run must hold for a bug with this word in its name to show.
NEEDS: dict[str, Callable[[Plan], bool]] = {
    "a hang": _can_end_hung,
    "stop": lambda plan: plan.stop_early is not None,
    "reload": lambda plan: plan.reloads > 1,
    "successor": lambda plan: plan.reloads > 1,
    "crash": lambda plan: plan.crashes > 0 and plan.stop_early is None,
    "stored": _is_killed_late,
    "file": _is_killed_late,
    "refresh": lambda plan: plan.mischief and plan.stop_early is None,
}


def seeds_for(plant: str) -> list[int]:
    """The first of them in which it can show."""
    needs = [need for word, need in NEEDS.items() if word in plant]
    found: list[int] = []
    for seed in range(1, LAST + 1):
        plan = Plan.of(Chance(seed), Scenario())
        if all(need(plan) for need in needs):
            found.append(seed)
    return found[:WITHIN]


def likely_seeds_for(plant: str) -> list[int]:
    """The same, and before all others the one that found it last."""
    seeds = seeds_for(plant)
    last = tomllib.loads(_FINDINGS.read_text("utf-8")).get(plant)
    return seeds if last is None else [last, *(each for each in seeds if each != last)]


def record(findings: Mapping[str, int]) -> None:
    """Remember the seed that found each planted bug."""
    _FINDINGS.write_text(_PREFACE + "".join(_lines(findings.items())), "utf-8")


def _lines(findings: Iterable[tuple[str, int]]) -> Iterable[str]:
    return (f'"{plant}" = {seed}\n' for plant, seed in sorted(findings))
