"""How many calls a second each principal may make."""

import pytest

from bridge.contract.principal import Principal
from bridge.errors import RateLimited
from bridge.router.rates import Rates


def person(name: str) -> Principal:
    return Principal(issuer="https://idp", subject=name)


ANN, BOB = person("ann"), person("bob")


def test_no_limit_costs_nothing() -> None:
    rates = Rates(0.0)
    for _ in range(1000):
        rates.check(ANN, 0.0)
    assert len(rates) == 0


def test_one_too_many_is_told_how_long_to_wait() -> None:
    rates = Rates(2.0)
    rates.check(ANN, 0.0)
    rates.check(ANN, 0.0)
    with pytest.raises(RateLimited, match="2 calls a second") as refused:
        rates.check(ANN, 0.0)
    assert refused.value.retry_after == pytest.approx(0.5)
    assert refused.value.retryable
    rates.check(ANN, 0.5)


def test_nobody_pays_for_another() -> None:
    rates = Rates(1.0)
    rates.check(ANN, 0.0)
    rates.check(BOB, 0.0)
    with pytest.raises(RateLimited):
        rates.check(ANN, 0.0)


def test_principals_without_end_do_not_fill_the_memory() -> None:
    rates = Rates(1.0)
    for number in range(100_000):
        rates.check(person(str(number)), number * 0.1)
    assert len(rates) <= 1024


def test_those_still_counted_are_never_forgotten() -> None:
    rates = Rates(1.0)
    for number in range(5000):
        rates.check(person(str(number)), 0.0)
    with pytest.raises(RateLimited):
        rates.check(person("0"), 0.0)
