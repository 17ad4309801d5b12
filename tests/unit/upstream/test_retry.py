"""The pauses between attempts."""

import pytest

from bridge.config.model import FailoverConfig, HealthCheckConfig, UpstreamConfig
from bridge.upstream.retry import (
    FLOOR,
    RETRY_AFTER_CAP,
    Pause,
    RetryPolicy,
    pause_after,
    policy_of,
    slow_pause,
)

POLICY = RetryPolicy(quick_attempts=2, quick_delay=1.0, base=5.0, attempts=5, slow=60)


def bounds(failures: int, *, served: bool) -> tuple[float, float, bool]:
    pause = pause_after(POLICY, failures, served=served)
    assert pause is not None
    return pause.at_least, pause.at_most, pause.slow


@pytest.mark.requirement("R134", "R132")
def test_a_first_connection_is_quick_then_doubles_then_slow() -> None:
    assert [bounds(n, served=False) for n in range(1, 9)] == [
        (1, 1, False),
        (1, 1, False),
        (0.5, 5, False),
        (1, 10, False),
        (2, 20, False),
        (4, 40, False),
        (6, 60, False),
        (60, pytest.approx(66), True),
    ]


@pytest.mark.requirement("R131")
def test_after_a_loss_it_doubles_at_once() -> None:
    assert bounds(1, served=True) == (0.5, 5, False)
    assert bounds(6, served=True)[2]


def test_no_setting_makes_a_hot_loop() -> None:
    hot = RetryPolicy(quick_delay=0, base=0, slow=0, attempts=10**9)
    for failures in (1, 2, 5, 10_000):
        for served in (True, False):
            pause = pause_after(hot, failures, served=served)
            assert pause is not None
            assert pause.at_least >= FLOOR
            assert pause.at_most >= pause.at_least
    slow = slow_pause(hot)
    assert slow is not None
    assert slow.at_least >= FLOOR


@pytest.mark.requirement("R132")
def test_without_failover_nothing_is_tried_after_the_attempts() -> None:
    policy = policy_of(UpstreamConfig(), FailoverConfig(enabled=False))
    assert slow_pause(policy) is None
    assert pause_after(policy, policy.attempts, served=True) is not None
    assert pause_after(policy, policy.attempts + 1, served=True) is None
    assert pause_after(policy, 10**6, served=False, retry_after=5.0) is None


@pytest.mark.parametrize(
    ("wish", "given"),
    [(0.0, 0.5), (-9.0, 0.5), (42.0, 42.0), (1e9, RETRY_AFTER_CAP)],
)
def test_the_servers_wish_wins_within_bounds(wish: float, given: float) -> None:
    pause = pause_after(POLICY, 1, served=True, retry_after=wish)
    assert pause == Pause(at_least=given, at_most=given)


def test_without_auto_restart_only_the_quick_attempts_are_made() -> None:
    policy = RetryPolicy(quick_attempts=1, auto_restart=False)
    assert pause_after(policy, 1, served=False) is not None
    assert pause_after(policy, 2, served=False) is None
    assert pause_after(policy, 1, served=True) is None


def test_the_seeds_keys_are_read_in_milliseconds() -> None:
    check = HealthCheckConfig(
        restart_delay_ms=2000, max_restart_attempts=7, auto_restart=False
    )
    config = UpstreamConfig(retry_attempts=4, retry_delay_ms=500, health_check=check)
    failover = FailoverConfig(recovery_interval_ms=30_000)
    assert policy_of(config, failover) == RetryPolicy(
        quick_attempts=4,
        quick_delay=0.5,
        base=2.0,
        attempts=7,
        slow=30.0,
        auto_restart=False,
    )
