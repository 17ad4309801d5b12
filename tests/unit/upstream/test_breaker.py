"""When calls are refused because an upstream answers only errors."""

from collections.abc import Callable
from itertools import product
from math import inf, nan

import pytest
from msgspec import Raw
from msgspec.structs import replace

from bridge.config.model import FailoverConfig
from bridge.errors import (
    ConnectFailed,
    DestinationRefused,
    Forbidden,
    LinkBusy,
    LinkError,
    LinkLost,
    LinkTimeout,
    RequestRefused,
    SessionLost,
    Unauthorized,
)
from bridge.upstream import breaker as machine
from bridge.upstream.breaker import (
    LONE,
    TRIAL_HINT,
    Breaker,
    BreakerPolicy,
    Circuit,
    breaker_policy,
    is_fault,
    is_server_error,
    patience,
)

POLICY = BreakerPolicy(failures=3, base=30.0)
C, O, H = Circuit.CLOSED, Circuit.OPEN, Circuit.HALF_OPEN  # noqa: E741 - the table's


def failed(
    breaker: Breaker, call: int = 0, *, name: str = "a", now: float = 0.0
) -> Breaker:
    return machine.failed(
        breaker, call, name=name, reason="no answer", now=now, chance=0.0
    )


def tripped(openings: int = 1) -> Breaker:
    """Open since time 0."""
    before = Breaker(policy=POLICY, failures=2, names=frozenset({"b"}))
    return failed(replace(before, openings=openings - 1))


HALF = machine.sent(machine.rested(tripped(), 30.0), 7)

#: From, event, to: of the table in the module's own words.
TABLE = [
    (C, "failure", C),
    (C, "last failure", O),
    (C, "answer", C),
    (C, "time", C),
    (C, "connection", C),
    (C, "no verdict", C),
    (O, "failure", O),
    (O, "last failure", O),
    (O, "answer", H),
    (O, "time", H),
    (O, "too early", O),
    (O, "connection", H),
    (O, "no verdict", O),
    (H, "failure", H),
    (H, "trial fails", O),
    (H, "answer", C),
    (H, "time", H),
    (H, "connection", H),
    (H, "no verdict", H),
]
BEFORE = {C: Breaker(policy=POLICY), O: tripped(), H: HALF}


HAPPENINGS: dict[str, Callable[[Breaker], Breaker]] = {
    "failure": lambda b: failed(b, now=40.0),
    "last failure": lambda b: failed(
        replace(b, failures=2, names=frozenset({"b"})), now=40.0
    ),
    "trial fails": lambda b: failed(b, 7, now=40.0),
    "answer": lambda b: machine.answered(b, 40.0),
    "time": lambda b: machine.rested(b, 40.0),
    "too early": lambda b: machine.rested(b, 29.9),
    "connection": lambda b: machine.reconnected(b, 40.0),
    "no verdict": lambda b: machine.withdrawn(b, 7),
}


@pytest.mark.parametrize(
    ("circuit", "event", "after"), TABLE, ids=lambda x: getattr(x, "value", x)
)
def test_every_event_leads_where_the_table_says(
    circuit: Circuit, event: str, after: Circuit
) -> None:
    assert BEFORE[circuit].circuit is circuit
    assert HAPPENINGS[event](BEFORE[circuit]).circuit is after


def test_failures_must_be_in_a_row() -> None:
    state = Breaker(policy=POLICY)
    for _ in range(10):
        state = failed(failed(state, name="a"), name="b")
        assert state.failures == 2
        state = machine.answered(state, 0.0)
        assert (state.circuit, state.failures, state.names) == (C, 0, frozenset())


def test_one_broken_tool_needs_more_failures_than_a_broken_server() -> None:
    state = Breaker(policy=POLICY)
    for _ in range(3 * LONE - 1):
        state = failed(state, name="broken")
        assert state.circuit is C
    assert failed(state, name="another").circuit is O
    assert failed(state, name="broken").circuit is O


def test_the_names_it_keeps_are_two_at_most() -> None:
    state = Breaker(policy=replace(POLICY, failures=100))
    for number in range(50):
        state = failed(state, name=f"tool{number}")
    assert len(state.names) == 2


def test_switched_off_nothing_opens_it() -> None:
    state = Breaker(policy=replace(POLICY, failures=0))
    for name in "abcdefgh" * 10:
        state = failed(state, name=name)
    assert state == Breaker(policy=replace(POLICY, failures=0))


def test_a_closed_circuit_refuses_nothing() -> None:
    assert patience(Breaker(), 0.0) is None


def test_an_open_circuit_says_how_long_and_then_tries_one_call() -> None:
    state = tripped()
    assert patience(state, 10.0) == 20.0
    assert state.rests_until == 30.0
    state = machine.rested(state, 30.0)
    assert patience(state, 30.0) is None
    state = machine.sent(state, 7)
    assert state.trial == 7
    assert patience(state, 31.0) == TRIAL_HINT
    assert machine.sent(state, 8).trial == 7


def test_a_trial_without_a_verdict_leaves_the_next_one_the_trial() -> None:
    state = machine.withdrawn(HALF, 7)
    assert (state.circuit, state.trial) == (H, None)
    assert patience(state, 40.0) is None
    assert machine.withdrawn(HALF, 6) is HALF


def test_each_opening_in_a_row_rests_longer_up_to_a_bound() -> None:
    rests = [tripped(nth).until for nth in (1, 2, 3, 10, 11, 1000)]
    assert rests == [30, 60, 90, 300, 300, 300]


def test_the_rest_is_spread_by_chance() -> None:
    two = replace(tripped(), circuit=C, openings=0, failures=2)
    late = machine.failed(two, 1, name="a", reason="x", now=0.0, chance=0.999)
    assert 30 < late.until <= 33


def test_a_trial_that_answers_closes_it_but_the_next_failure_is_not_the_first() -> None:
    closed = machine.answered(HALF, 40.0)
    assert (closed.circuit, closed.trial, closed.failures) == (C, None, 0)
    assert closed.since == 40.0
    again = closed
    for name in "abc":
        again = failed(again, name=name, now=50.0)
    assert (again.circuit, again.openings) == (O, 2)
    well = machine.answered(closed, 41.0)
    assert well.openings == 0


def test_an_answer_to_an_earlier_call_lets_the_next_one_try_at_once() -> None:
    state = machine.answered(tripped(), 5.0)
    assert patience(state, 5.0) is None
    assert state.openings == 1


def test_a_well_server_changes_nothing() -> None:
    well = Breaker(policy=POLICY)
    assert machine.answered(well, 5.0) is well


@pytest.mark.parametrize(
    ("wish", "pause"),
    [(5.0, 5.0), (1e9, 300.0), (inf, 300.0)],
)
def test_the_servers_wish_pauses_it_within_a_cap(wish: float, pause: float) -> None:
    state = machine.paused(Breaker(), wish, 100.0)
    assert patience(state, 100.0) == pause
    assert patience(state, 100.0 + pause) is None
    assert state.rests_until == 100.0 + pause
    assert state.circuit is C


@pytest.mark.parametrize("wish", [None, 0.0, -1.0, -inf, nan])
def test_junk_is_no_wish(wish: float | None) -> None:
    state = Breaker()
    assert machine.paused(state, wish, 100.0) is state


def test_the_longer_of_pause_and_circuit_counts() -> None:
    assert patience(machine.paused(tripped(), 5.0, 0.0), 0.0) == 30.0
    assert patience(machine.paused(tripped(), 50.0, 0.0), 0.0) == 50.0
    longest = machine.paused(machine.paused(Breaker(), 50.0, 0.0), 5.0, 0.0)
    assert patience(longest, 0.0) == 50.0


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        *((RequestRefused("x", status=s), True) for s in (429, 500, 502, 503, 599)),
        *((RequestRefused("x", status=s), None) for s in (400, 404, 409, 418, 301)),
        (LinkTimeout("x"), True),
        (LinkLost("x"), True),
        (ConnectFailed("x"), None),
        (LinkError("x"), True),
        (LinkBusy("x"), None),
        (Unauthorized("x"), None),
        (Forbidden("x"), None),
        (SessionLost("x"), None),
        (DestinationRefused("x"), None),
    ],
)
def test_what_speaks_against_a_server(
    error: LinkError, *, verdict: bool | None
) -> None:
    assert is_fault(error) is verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, False),
        (Raw(b'{"code":-32603,"message":"boom"}'), True),
        (Raw(b'{"code":-32602}'), False),
        (Raw(b'{"code":-32601}'), False),
        (Raw(b'{"code":-32002}'), False),
        (Raw(b'{"message":"no code"}'), False),
        (Raw(b'{"code":"-32603"}'), False),
        (Raw(b'"text"'), False),
        (Raw(b'{"code":"\xff"}'), False),
    ],
)
def test_which_answers_are_the_servers_own_failure(
    error: Raw | None, *, verdict: bool
) -> None:
    assert is_server_error(error) is verdict


def test_what_the_configuration_means() -> None:
    failover = FailoverConfig(max_failures=5, recovery_interval_ms=20_000)
    assert breaker_policy(failover) == BreakerPolicy(failures=5, base=10.0)
    assert breaker_policy(replace(failover, enabled=False)).failures == 0


def test_whatever_happens_a_call_is_never_refused_without_end() -> None:
    events = ("failure", "last failure", "trial fails", "answer", "connection")
    for first, second, third in product(events, repeat=3):
        state = tripped()
        for event in (first, second, third):
            state = HAPPENINGS[event](state)
        state = machine.withdrawn(machine.rested(state, 1e6), 7)
        assert patience(state, 1e6) is None
