from itertools import product
from random import Random

import pytest

from bridge.actor.restart import (
    Backoff,
    Decision,
    Escalate,
    Outcome,
    PastBudget,
    Quarantine,
    Restart,
    RestartBudget,
    RestartHistory,
    RestartPolicy,
    RestartType,
    Stop,
    decide,
)

NOW = 1000.0
FRESH = RestartHistory(restarts=(NOW - 5,), attempt=1)
SPENT = RestartHistory(restarts=(NOW - 50, NOW - 5), attempt=2)
PROBING = RestartHistory(probing=True)
STATES = {"left": FRESH, "spent": SPENT, "probing": PROBING}

# (type, crashed) -> restarts at all; the table of the module's docstring
AGAIN = {
    (RestartType.PERMANENT, False): True,
    (RestartType.PERMANENT, True): True,
    (RestartType.TRANSIENT, False): False,
    (RestartType.TRANSIENT, True): True,
    (RestartType.TEMPORARY, False): False,
    (RestartType.TEMPORARY, True): False,
}


def _policy(
    kind: RestartType = RestartType.PERMANENT,
    past_budget: PastBudget = PastBudget.QUARANTINE,
) -> RestartPolicy:
    return RestartPolicy(
        type=kind,
        budget=RestartBudget(2, 60.0),
        backoff=Backoff(1.0, 30.0),
        stable_after=20.0,
        past_budget=past_budget,
        quarantine_retry=300.0,
    )


def _decide(
    policy: RestartPolicy,
    history: RestartHistory,
    *,
    crashed: bool = True,
    uptime: float = 1.0,
    now: float = NOW,
) -> Decision:
    outcome = Outcome(crashed=crashed, uptime=uptime)
    return decide(policy, history, outcome=outcome, now=now, rng=Random(3))


@pytest.mark.requirement("R130")
@pytest.mark.parametrize(
    ("kind", "crashed", "budget", "past_budget"),
    list(product(RestartType, (False, True), STATES, PastBudget)),
)
def test_every_pair_of_the_table(
    *, kind: RestartType, crashed: bool, budget: str, past_budget: PastBudget
) -> None:
    decision = _decide(_policy(kind, past_budget), STATES[budget], crashed=crashed)
    if not AGAIN[kind, crashed]:
        expected = Stop
    elif budget == "left":
        expected = Restart
    else:
        expected = {
            PastBudget.QUARANTINE: Quarantine,
            PastBudget.ESCALATE: Escalate,
        }[past_budget]
    assert type(decision) is expected


def test_the_pause_grows_with_each_restart_in_a_row() -> None:
    ceilings: list[float] = []
    policy = RestartPolicy(budget=RestartBudget(6, 60.0), backoff=Backoff(1.0, 8.0))
    history = RestartHistory()
    for now in range(6):
        decision = _decide(policy, history, now=float(now))
        assert isinstance(decision, Restart)
        ceilings.append(policy.backoff.ceiling(history.attempt))
        assert 0 <= decision.delay <= ceilings[-1]
        history = decision.history
    assert ceilings == [1, 2, 4, 8, 8, 8]
    assert history.restarts == (0, 1, 2, 3, 4, 5)


@pytest.mark.requirement("R132")
def test_a_stable_run_starts_the_pauses_anew() -> None:
    worn = RestartHistory(attempt=9)
    stable = _decide(_policy(), worn, uptime=20.0)
    assert isinstance(stable, Restart)
    assert stable.history.attempt == 1
    assert stable.delay <= 1.0
    short = _decide(_policy(), worn, uptime=19.9)
    assert isinstance(short, Restart)
    assert short.history.attempt == 10


def test_restarts_older_than_the_period_no_longer_count() -> None:
    history = RestartHistory(restarts=(NOW - 60, NOW - 59))
    decision = _decide(_policy(), history)
    assert isinstance(decision, Restart)
    assert decision.history.restarts == (NOW - 59, NOW)


def test_a_budget_of_none_allows_no_restart() -> None:
    policy = RestartPolicy(budget=RestartBudget(0, 60.0))
    assert isinstance(_decide(policy, RestartHistory()), Quarantine)


def test_a_failed_probe_goes_back_to_quarantine_at_once() -> None:
    decision = _decide(_policy(), PROBING, uptime=19.9)
    assert isinstance(decision, Quarantine)
    assert decision.retry_in == 300.0
    assert decision.history.probing


def test_a_probe_that_stayed_up_ends_the_quarantine() -> None:
    decision = _decide(_policy(), PROBING, uptime=20.0)
    assert isinstance(decision, Restart)
    assert not decision.history.probing
