"""How many per second pass."""

import pytest

from bridge.actor.bucket import Bucket


def test_one_seconds_worth_passes_at_once_and_then_the_rate() -> None:
    bucket = Bucket(10.0, now=0.0)
    assert [bucket.take(0.0) for _ in range(11)] == [True] * 10 + [False]
    assert not bucket.take(0.09)
    assert bucket.take(0.1)


def test_a_burst_of_its_own_passes_at_once_and_is_saved_up_again() -> None:
    bucket = Bucket(2.0, now=0.0, burst=5)
    assert [bucket.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(1e6) for _ in range(6)] == [True] * 5 + [False]


def test_a_slow_rate_lets_one_pass_at_a_time() -> None:
    bucket = Bucket(0.5, now=0.0)
    assert bucket.take(0.0)
    assert bucket.wait(0.0) == pytest.approx(2.0)
    assert bucket.wait(0.0, ahead=2) == pytest.approx(6.0)
    assert not bucket.take(1.9)
    assert bucket.take(2.0)


def test_whoever_sleeps_as_long_as_told_passes_whatever_the_floats() -> None:
    bucket, now = Bucket(3.0, now=0.0), 0.0
    for _ in range(1000):
        now += bucket.wait(now)
        assert bucket.take(now)
    assert now == pytest.approx((1000 - 3) / 3)


def test_idle_time_never_saves_up_more_than_a_second() -> None:
    bucket = Bucket(2.0, now=0.0)
    assert bucket.is_full(0.0)
    assert [bucket.take(1e6) for _ in range(3)] == [True, True, False]
    assert not bucket.is_full(1e6)
    assert bucket.is_full(1e6 + 1)


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = Bucket(1.0, now=100.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.5)
    assert bucket.take(101.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_bucket_that_never_fills_is_a_mistake(rate: float) -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        Bucket(rate, now=0.0)
