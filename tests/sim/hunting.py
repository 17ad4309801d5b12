"""In which seeds a planted bug is sought: in those where it can show at all."""

from collections.abc import Callable

from sim.chance import Chance
from sim.scenario import Plan, Scenario

#: Far fewer than every run of the tests simulates.
WITHIN = 100
#: The last seed that is looked at for one where a bug can show at all.
LAST = 300


def _is_killed_late(plan: Plan) -> bool:
    late = plan.kill is not None and plan.kill[0] > 4
    return late and plan.stop_early is None


#: What a run must hold for a bug with this word in its name to show.
NEEDS: dict[str, Callable[[Plan], bool]] = {
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
