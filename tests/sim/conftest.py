"""Which seeds a run simulates; each is simulated once and asked by many tests."""

import tomllib
from collections.abc import Generator
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import pytest

from sim.pool import Hunted, Pool, run_one
from sim.trace import Trace

_KEPT = Path(__file__).with_name("seeds.toml")


class Runs:
    """The traces of this session: ordered together, each made once."""

    def __init__(self, seeds: list[int], *, pool: Pool | None) -> None:
        self.seeds = seeds
        self._pool = pool
        self._made: dict[int, Trace] = {}
        self._ordered: dict[int, Future[Trace]] = {}

    def order(self) -> None:
        """Let the workers begin."""
        if self._pool is not None and not self._ordered:
            self._ordered = {seed: self._pool.simulate(seed) for seed in self.seeds}

    def trace(self, seed: int) -> Trace:
        self.order()
        if seed not in self._made:
            ordered = self._ordered.get(seed)
            self._made[seed] = run_one(seed) if ordered is None else ordered.result()
        return self._made[seed]


FOUND = pytest.StashKey[dict[str, Hunted]]()


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
def pool() -> Generator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> Runs:
    """Who looks at one seed gets it made in this process, for a debugger."""
    config, items = request.config, request.session.items
    seeds = seeds_of(config)
    if len(seeds) == 1:
        return Runs(seeds, pool=None)
    if not any(item.path.name == "test_coverage.py" for item in items):
        wanted = {_seed_of(item) for item in items}
        seeds = [seed for seed in seeds if seed in wanted]
    return Runs(seeds, pool=request.getfixturevalue("pool"))


def _seed_of(item: pytest.Item) -> int | None:
    call = getattr(item, "callspec", None)
    return None if call is None else call.params.get("seed")


@pytest.fixture
def replaying(pytestconfig: pytest.Config) -> bool:
    """One seed is looked at by a person."""
    return pytestconfig.getoption("--seed") is not None


@pytest.fixture(scope="session")
def found(pytestconfig: pytest.Config) -> dict[str, Hunted]:
    """What found each planted bug, for the table at the end."""
    return pytestconfig.stash.setdefault(FOUND, {})


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    table = config.stash.get(FOUND, None)
    if table:
        terminalreporter.section("planted bugs, and the seeds it took to find them")
        for plant, hunted in sorted(table.items()):
            line = f"{plant:<52} {hunted.tried:>3} (seed {hunted.seed})  {hunted.found}"
            terminalreporter.write_line(line)
