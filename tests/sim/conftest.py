"""Which seeds a run simulates; each is simulated once and asked by many tests."""

import tomllib
from pathlib import Path
from typing import cast

import pytest

from sim.trace import Trace
from sim.world import simulate

_KEPT = Path(__file__).with_name("seeds.toml")


class Runs:
    """The traces of this session, made when they are asked for."""

    def __init__(self, seeds: list[int]) -> None:
        self.seeds = seeds
        self._traces: dict[int, Trace] = {}

    def trace(self, seed: int) -> Trace:
        if seed not in self._traces:
            self._traces[seed] = simulate(seed)
        return self._traces[seed]


FOUND = pytest.StashKey[dict[str, str]]()


def seeds_of(config: pytest.Config) -> list[int]:
    """The one seed asked for, or the kept ones and then as many as asked for."""
    one = cast("int | None", config.getoption("--seed"))
    if one is not None:
        return [one]
    kept = tomllib.loads(_KEPT.read_text("utf-8")).get("seed", [])
    numbers = [entry["number"] for entry in kept]
    fresh = range(1, cast("int", config.getoption("--seeds")) + 1)
    return numbers + [seed for seed in fresh if seed not in numbers]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds_of(metafunc.config))


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Who asks for one seed wants to see that run, and nothing of the others."""
    if config.getoption("--seed") is None:
        return
    here = Path(__file__).parent
    ours = [item for item in items if item.path.parent == here]
    other = [item for item in ours if item.path.name != "test_simulation.py"]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


@pytest.fixture(scope="session")
def runs(pytestconfig: pytest.Config) -> Runs:
    return Runs(seeds_of(pytestconfig))


@pytest.fixture
def replaying(pytestconfig: pytest.Config) -> bool:
    """One seed is looked at by a person."""
    return pytestconfig.getoption("--seed") is not None


@pytest.fixture(scope="session")
def found(pytestconfig: pytest.Config) -> dict[str, str]:
    """Planted bug to the seed that found it, for the table at the end."""
    return pytestconfig.stash.setdefault(FOUND, {})


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    table = config.stash.get(FOUND, None)
    if table:
        terminalreporter.section("planted bugs, and the seeds it took to find them")
        for plant, seed in sorted(table.items()):
            terminalreporter.write_line(f"{plant:<45} {seed}")
