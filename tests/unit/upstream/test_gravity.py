"""An outage is said once, loudly; its retries are not."""

from itertools import pairwise

import pytest

from bridge.contract.upstream import UpstreamState as S
from bridge.upstream.gravity import Gravity


def levels(*states: S) -> list[str]:
    gravity = Gravity()
    pairs = pairwise(states)
    return [gravity.of(before, now) for before, now in pairs]


@pytest.mark.requirement("R136")
def test_the_loss_of_what_served_is_a_warning_and_its_return_is_news() -> None:
    way = (S.CONNECTED, S.BACKOFF, S.CONNECTING, S.CONNECTING, S.CONNECTED)
    assert levels(*way) == ["warning", "info", "debug", "info"]


def test_one_outage_warns_once_however_often_it_is_tried_again() -> None:
    way = (S.CONNECTED, *(S.CONNECTING, S.BACKOFF) * 5)
    assert levels(*way).count("warning") == 1


def test_giving_up_the_quick_attempts_warns_once_more() -> None:
    way = (S.CONNECTED, S.BACKOFF, S.CONNECTING, *(S.FAILED, S.CONNECTING) * 5)
    assert levels(*way).count("warning") == 2


def test_a_login_that_is_needed_is_another_trouble_than_a_lost_link() -> None:
    way = (S.CONNECTED, S.BACKOFF, S.CONNECTING, S.AUTH_REQUIRED, S.CONNECTING)
    assert levels(*way) == ["warning", "info", "warning", "info"]
    assert levels(S.CONNECTING, S.AUTH_REQUIRED, S.CONNECTING, S.BACKOFF) == [
        "warning",
        "info",
        "info",
    ]


def test_what_never_served_warns_when_it_first_fails() -> None:
    assert levels(S.DISCONNECTED, S.CONNECTING, S.BACKOFF) == ["info", "warning"]


def test_the_next_outage_warns_again() -> None:
    way = (S.CONNECTED, S.BACKOFF, S.CONNECTING, S.CONNECTED, S.BACKOFF)
    assert levels(*way) == ["warning", "info", "info", "warning"]
