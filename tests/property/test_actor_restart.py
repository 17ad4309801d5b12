"""A crashing child never restarts more often than its budget allows."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bridge.actor.restart import (
    Backoff,
    Outcome,
    Quarantine,
    Restart,
    RestartBudget,
    RestartHistory,
    RestartPolicy,
    decide,
)


@given(
    uptimes=st.lists(st.floats(0, 100), max_size=60),
    intensity=st.integers(0, 5),
    period=st.floats(1, 100),
    retry=st.floats(0, 400),
    seed=st.integers(0, 2**32),
)
def test_within_any_period_there_are_at_most_intensity_restarts(
    uptimes: list[float], intensity: int, *, period: float, retry: float, seed: int
) -> None:
    policy = RestartPolicy(
        budget=RestartBudget(intensity, period),
        backoff=Backoff(0.1, 5.0),
        stable_after=30.0,
        quarantine_retry=retry,
    )
    rng, now, history = Random(seed), 0.0, RestartHistory()
    restarts: list[float] = []
    for uptime in uptimes:
        now += uptime
        outcome = Outcome(crashed=True, uptime=uptime)
        decision = decide(policy, history, outcome=outcome, now=now, rng=rng)
        assert isinstance(decision, Restart | Quarantine)
        history = decision.history
        assert len(history.restarts) <= intensity
        if isinstance(decision, Restart):
            restarts.append(now)
            now += decision.delay
        else:
            now += retry
    for at in restarts:
        assert sum(at - period < other <= at for other in restarts) <= intensity
