"""The simulation finds bugs: each one planted in the real code is found soon."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from sim.breaches import PLANTS
from sim.hunting import likely_seeds_for
from sim.pool import Hunted, Pool

Hunt = Callable[[str], Hunted]


@pytest.fixture(scope="session")
def hunt(pool: Pool, request: pytest.FixtureRequest) -> Hunt:
    """The hunts for all plants begin together; this is what one of them found."""
    asked = {
        item.callspec.params["plant"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "plant" in item.fixturenames
    }
    hunts: dict[str, Future[Hunted]] = {
        plant: pool.hunt(plant, likely_seeds_for(plant))
        for plant in PLANTS
        if plant in asked
    }
    return lambda plant: hunts[plant].result()


@pytest.mark.timeout(0)  # as long as those ordered before it take
@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found(
    plant: str, hunt: Hunt, found: dict[str, Hunted]
) -> None:
    hunted = hunt(plant)
    assert hunted.found, f"not found within {hunted.tried} seeds: {plant}"
    found[plant] = hunted
