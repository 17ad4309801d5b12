import math
from random import Random
from statistics import mean

import pytest

from bridge.actor.restart import Backoff


def _delays(backoff: Backoff, attempt: int) -> list[float]:
    rng = Random(7)
    return [backoff.delay(attempt, rng) for _ in range(400)]


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(0, 0.5), (1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0)]
)
def test_the_pause_is_spread_over_the_whole_range_up_to_a_doubling_ceiling(
    attempt: int, ceiling: float
) -> None:
    delays = _delays(Backoff(0.5, 30.0), attempt)
    assert all(0 <= delay <= ceiling for delay in delays)
    assert min(delays) < 0.1 * ceiling
    assert max(delays) > 0.9 * ceiling
    assert mean(delays) == pytest.approx(ceiling / 2, rel=0.1)


@pytest.mark.parametrize("attempt", [63, 64, 1024, 10**9, 10**400])
def test_any_number_of_attempts_stays_at_the_cap(attempt: int) -> None:
    assert Backoff(0.5, 30.0).ceiling(attempt) == 30.0


def test_an_enormous_base_stays_at_the_cap() -> None:
    assert Backoff(1e308, 30.0).ceiling(60) == 30.0


def test_an_attempt_below_zero_counts_as_the_first() -> None:
    assert Backoff(0.5, 30.0).ceiling(-3) == 0.5


def test_the_floor_is_never_undercut_even_where_it_lies_above_the_ceiling() -> None:
    delays = _delays(Backoff(1.0, 8.0, floor=3.0), 2)
    assert all(3.0 <= delay <= 4.0 for delay in delays)
    assert set(_delays(Backoff(1.0, 8.0, floor=3.0), 0)) == {3.0}


def test_the_same_generator_gives_the_same_pauses() -> None:
    backoff = Backoff(0.5, 30.0)
    assert _delays(backoff, 4) == _delays(backoff, 4)


@pytest.mark.parametrize(
    ("wish", "wait"),
    [
        (7.0, 7.0),  # shorter than the jitter might be, longer than it might be:
        (120.0, 120.0),  # the server knows best
        (0.0, 0.5),  # but it cannot cause a hot loop
        (-5.0, 0.5),
        (1e9, 3600.0),  # nor park us for years
        (math.inf, 3600.0),
    ],
)
def test_a_servers_wish_wins_within_its_bounds(wish: float, wait: float) -> None:
    assert Backoff(0.5, 30.0).delay(6, Random(1), retry_after=wish) == wait


def test_a_wish_that_is_no_number_is_ignored() -> None:
    backoff = Backoff(0.5, 30.0)
    jittered = backoff.delay(3, Random(1))
    assert backoff.delay(3, Random(1), retry_after=math.nan) == jittered


@pytest.mark.parametrize("bad", [(-1.0, 1.0, 0.0), (1.0, -1.0, 0.0), (1.0, 1.0, -1.0)])
def test_a_negative_setting_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="zero or more"):
        Backoff(*bad)
