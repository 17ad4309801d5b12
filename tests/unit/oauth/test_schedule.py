"""When a token is renewed, whatever the clocks do."""

from math import inf

import pytest
from msgspec.structs import replace

from bridge.oauth.credential import TokenSet
from bridge.oauth.schedule import (
    CLOCK_SKEW,
    Age,
    Moment,
    age_of,
    remaining,
    renew_in,
)
from kit.token_states import NOW, later

DAY = 86_400.0


def tokens(lifetime: float | None, *, age: float = 0.0) -> TokenSet:
    return TokenSet(access_token="a", created_at=NOW.wall - age, expires_in=lifetime)


def renewed_at(lifetime: float | None, *, chance: float, age: float = 0.0) -> float:
    """Seconds from `NOW` to the renewal of a token that came in now."""
    held = tokens(lifetime, age=age)
    return renew_in(held, age_of(held, NOW), NOW, chance=chance)


@pytest.mark.requirement("R105")
@pytest.mark.parametrize(
    ("lifetime", "chance", "seconds"),
    [
        (3600, 0.0, 2880.0),
        (3600, 1.0, 2520.0),
        (5, 0.0, 4.0),
        (5, 1.0, 3.5),
        (1, 0.0, 1.0),  # never more often than that
        (0.01, 1.0, 1.0),
        (1e10, 0.0, 8e9),
        (None, 0.5, inf),
    ],
)
def test_a_token_is_renewed_before_its_end_at_a_moment_of_its_own(
    lifetime: float | None, chance: float, seconds: float
) -> None:
    assert renewed_at(lifetime, chance=chance) == pytest.approx(seconds)


def test_what_was_stored_a_while_ago_is_renewed_so_much_earlier() -> None:
    assert renewed_at(3600, chance=0.0, age=2000) == pytest.approx(880)
    assert renewed_at(3600, chance=0.0, age=3000) == 0.0


def test_a_lifetime_that_was_not_said_has_no_end() -> None:
    held = tokens(None)
    assert remaining(held, age_of(held, NOW), later(1e9)) == inf


@pytest.mark.requirement("D13")
def test_the_clock_that_makes_a_token_older_is_believed() -> None:
    held = tokens(3600)
    age = age_of(held, NOW)
    slept = Moment(NOW.wall + 1000, NOW.monotonic)  # the machine was suspended
    set_back = Moment(NOW.wall - DAY, NOW.monotonic + 1000)
    set_forward = Moment(NOW.wall + DAY, NOW.monotonic + 1000)
    assert remaining(held, age, slept) == 2600
    assert remaining(held, age, set_back) == 2600
    assert remaining(held, age, set_forward) == 3600 - DAY
    assert age.at(set_back) == 1000


def test_no_age_is_negative() -> None:
    age = Age(NOW)
    assert age.at(Moment(NOW.wall - 5, NOW.monotonic - 5)) == 0.0


@pytest.mark.requirement("D13")
def test_a_date_in_the_future_says_that_the_token_is_old() -> None:
    a_little = replace(tokens(3600), created_at=NOW.wall + CLOCK_SKEW)
    age = age_of(a_little, NOW)
    assert not age.of_the_future
    assert remaining(a_little, age, NOW) == 3600
    tomorrow = replace(tokens(3600), created_at=NOW.wall + DAY)
    age = age_of(tomorrow, NOW)
    assert age.of_the_future
    assert remaining(tomorrow, age, NOW) == -inf
    assert renew_in(tomorrow, age, NOW, chance=0.5) == 0.0
