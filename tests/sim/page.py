"""Writes the generated parts of docs/simulation.md: the checks and the planted bugs.

    PYTHONPATH=tests python -m sim.page

Hunting all planted bugs takes minutes, and leaves behind which seed found each, so that
the tests find it at once. That seed moves with every change of the bridge, so a test
compares the names alone.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from sim.breaches import PLANTS
from sim.hunting import record, seeds_for
from sim.pool import Hunted, Pool
from sim.promises import CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"


def between(page: str, part: str) -> str:
    """What stands between the markers of a part."""
    return page.partition(_begin(part))[2].partition(_end(part))[0].strip()


def put(page: str, part: str, text: str) -> str:
    """The page with another text between the markers."""
    pattern = re.escape(_begin(part)) + ".*?" + re.escape(_end(part))
    new = f"{_begin(part)}\n\n{text}\n\n{_end(part)}"
    return re.sub(pattern, lambda _found: new, page, flags=re.DOTALL)


def checks_table() -> str:
    """Every check, and what it stands for."""
    rows = [
        "| Check | A run fails when | Invariants | Promises |",
        "| --- | --- | --- | --- |",
    ]
    for name, check in CHECKS.items():
        invariants, promises = _numbers(check.invariants), _numbers(check.promises)
        rows.append(f"| {name} | {check.text} | {invariants} | {promises} |")
    return "\n".join(rows)


def plants_table(hunts: Iterable[Hunted]) -> str:
    """Planted bugs, and the seeds it took to find each."""
    rows = ["| Planted bug | Seeds | Broken promises |", "| --- | ---: | --- |"]
    for hunted in hunts:
        seeds = str(hunted.tried) if hunted.found else "not found"
        rows.append(f"| {hunted.plant} | {seeds} | {', '.join(hunted.promises)} |")
    return "\n".join(rows)


def plants_named(page: str) -> list[str]:
    """The planted bugs the page tells of."""
    rows = between(page, "plants").splitlines()[2:]
    return [row.split("|")[1].strip() for row in rows]


def main() -> None:
    pool = Pool()
    hunting = [pool.hunt(plant, seeds_for(plant)) for plant in PLANTS]
    hunts = [each.result() for each in hunting]
    pool.close()
    record({each.plant: each.seed for each in hunts if each.found})
    table = plants_table(hunts)
    page = PAGE.read_text("utf-8")
    PAGE.write_text(put(put(page, "plants", table), "checks", checks_table()), "utf-8")


def _numbers(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _begin(part: str) -> str:
    return f"<!-- begin {part} -->"


def _end(part: str) -> str:
    return f"<!-- end {part} -->"


if __name__ == "__main__":
    main()
