"""How long to wait before the next connection attempt (R131, R132, R134). Pure.

The quick attempts of a first connection come ``retryDelay`` apart. Then, and after a
lost connection, the pause doubles from ``restartDelay`` with full jitter; after
``maxRestartAttempts`` it is ``recoveryInterval`` for ever: nothing is abandoned.
"""

from math import isnan

import msgspec

from bridge.config.model import FailoverConfig, UpstreamConfig

BACKOFF_CAP = 60.0
RETRY_AFTER_CAP = 300.0  # a server may not put itself aside for longer (threats C20)
FLOOR_SHARE = 0.1  # full jitter may draw nearly nothing: never a hot loop
FLOOR = 0.1
SLOW_SPREAD = 1.1  # many bridges behind one outage do not all come back at once
_DOUBLINGS = 30  # beyond any cap; keeps the power small


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one upstream, in seconds."""

    quick_attempts: int = 3
    quick_delay: float = 1.0
    base: float = 5.0
    cap: float = BACKOFF_CAP
    attempts: int = 5
    slow: float = 60.0
    auto_restart: bool = True
    for_ever: bool = True  # the slow attempts; else it waits to be poked


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Wait a time drawn from these bounds. ``slow``: shown as failed."""

    at_least: float
    at_most: float
    slow: bool = False


def policy_of(config: UpstreamConfig, failover: FailoverConfig) -> RetryPolicy:
    """What the seed's timing keys mean (decision 15)."""
    health = config.health_check
    return RetryPolicy(
        quick_attempts=config.retry_attempts,
        quick_delay=config.retry_delay,
        base=health.restart_delay,
        attempts=health.max_restart_attempts,
        slow=failover.recovery_interval,
        auto_restart=health.auto_restart,
        for_ever=failover.enabled,
    )


def heeded(wish: float | None) -> float | None:
    """What counts of a server's wish for patience, in seconds: no junk, and nothing
    beyond `RETRY_AFTER_CAP`. None: it has none."""
    if wish is None or isnan(wish) or wish <= 0:
        return None
    return min(wish, RETRY_AFTER_CAP)


def slow_pause(policy: RetryPolicy) -> Pause | None:
    """The pause of an upstream nobody expects back soon; None: wait for a poke."""
    if not policy.for_ever:
        return None
    slow = max(policy.slow, FLOOR)
    return Pause(at_least=slow, at_most=slow * SLOW_SPREAD, slow=True)


def pause_after(
    policy: RetryPolicy,
    failures: int,
    *,
    served: bool,
    retry_after: float | None = None,
) -> Pause | None:
    """The pause after the ``failures``-th failure in a row; None: wait for a poke.

    ``served``: the upstream has been ready once, so no quick attempts are due. A
    server's own ``retry_after`` wins, within `RETRY_AFTER_CAP`.
    """
    quick = 0 if served else policy.quick_attempts
    if failures <= quick:
        delay = max(policy.quick_delay, FLOOR)
        return _wished(Pause(at_least=delay, at_most=delay), retry_after)
    if not policy.auto_restart:
        return None
    return _wished(_backoff(policy, failures - quick), retry_after)


def _backoff(policy: RetryPolicy, nth: int) -> Pause | None:
    if nth > policy.attempts:
        return slow_pause(policy)
    bound = max(min(policy.cap, policy.base * 2 ** min(nth - 1, _DOUBLINGS)), FLOOR)
    return Pause(at_least=max(bound * FLOOR_SHARE, FLOOR), at_most=bound)


def _wished(pause: Pause | None, retry_after: float | None) -> Pause | None:
    if pause is None or retry_after is None or isnan(retry_after):
        return pause
    wish = min(max(retry_after, pause.at_least), RETRY_AFTER_CAP)
    return Pause(at_least=wish, at_most=wish, slow=pause.slow)
