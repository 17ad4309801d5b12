"""The connection machine: its table, walked pair by pair."""

from itertools import product

import pytest

from bridge.contract.upstream import UpstreamState
from bridge.upstream.retry import Pause, RetryPolicy
from bridge.upstream.state import (
    TABLE,
    Admitted,
    Agreed,
    BearerReady,
    CallsDone,
    Catalogued,
    CloseLink,
    Drain,
    Event,
    Expect,
    FailInFlight,
    FinishCalls,
    Leave,
    LinkFailed,
    LinkOpened,
    ListAll,
    LoginNeeded,
    NoCommonRevision,
    OpenLink,
    Phase,
    Poke,
    PublishChange,
    PublishDown,
    PublishUp,
    PutAside,
    Queued,
    RenewCredentials,
    RenewFailed,
    SendHandshake,
    SessionEnded,
    Stable,
    Start,
    State,
    Unauthorized,
    Wait,
    Waited,
    step,
)

EVENTS: tuple[Event, ...] = (
    Start(),
    Queued("others first", 9.0),
    Admitted(),
    PutAside("patience", 5.0),
    LinkOpened(),
    Agreed(),
    Catalogued(),
    Stable(),
    NoCommonRevision("old"),
    Unauthorized("Bearer"),
    BearerReady(),
    RenewFailed("503"),
    LoginNeeded("login"),
    LinkFailed("gone"),
    SessionEnded("404"),
    Waited(),
    Poke("operator", reconnect=True),
    Drain(),
    CallsDone(),
)
P = Phase
LINKED = (P.CONNECTING, P.HANDSHAKING, P.DISCOVERING, P.READY)
RESTING = (P.BACKING_OFF, P.FAILED, P.AWAITING_LOGIN)

#: Written from the architecture page, section 7.2, not from the code.
EXPECTED: dict[tuple[Phase, type[Event]], Phase] = {
    (P.IDLE, Start): P.CONNECTING,
    (P.CONNECTING, Queued): P.QUEUED,
    (P.QUEUED, Queued): P.QUEUED,
    (P.QUEUED, Admitted): P.CONNECTING,
    (P.CONNECTING, PutAside): P.BACKING_OFF,
    (P.QUEUED, PutAside): P.BACKING_OFF,
    (P.QUEUED, LoginNeeded): P.AWAITING_LOGIN,
    (P.CONNECTING, LinkOpened): P.HANDSHAKING,
    (P.HANDSHAKING, Agreed): P.DISCOVERING,
    (P.HANDSHAKING, NoCommonRevision): P.FAILED,
    (P.DISCOVERING, Catalogued): P.READY,
    (P.READY, Catalogued): P.READY,
    (P.READY, Stable): P.READY,
    (P.AWAITING_LOGIN, LoginNeeded): P.AWAITING_LOGIN,
    (P.READY, SessionEnded): P.CONNECTING,
    (P.READY, Poke): P.CONNECTING,
    (P.AUTHORIZING, BearerReady): P.CONNECTING,
    (P.AUTHORIZING, RenewFailed): P.BACKING_OFF,
    (P.AUTHORIZING, LoginNeeded): P.AWAITING_LOGIN,
    (P.AWAITING_LOGIN, BearerReady): P.CONNECTING,
    (P.BACKING_OFF, BearerReady): P.CONNECTING,
    (P.FAILED, BearerReady): P.CONNECTING,
    (P.DRAINING, CallsDone): P.STOPPED,
    (P.DRAINING, LinkFailed): P.STOPPED,
    (P.DRAINING, SessionEnded): P.STOPPED,
    (P.DRAINING, Unauthorized): P.STOPPED,
    **{(phase, Unauthorized): P.AUTHORIZING for phase in LINKED},
    **{(phase, LoginNeeded): P.AWAITING_LOGIN for phase in LINKED},
    **{(phase, LinkFailed): P.BACKING_OFF for phase in LINKED},
    **{(phase, SessionEnded): P.BACKING_OFF for phase in LINKED[:3]},
    **{(phase, Waited): P.CONNECTING for phase in RESTING},
    **{(phase, Poke): P.CONNECTING for phase in RESTING},
    **{(p, Drain): P.DRAINING for p in Phase if p not in {P.DRAINING, P.STOPPED}},
}


@pytest.mark.parametrize(
    ("phase", "event"),
    list(product(Phase, EVENTS)),
    ids=lambda value: value.value if isinstance(value, Phase) else type(value).__name__,
)
def test_every_pair_leads_where_the_table_says(phase: Phase, event: Event) -> None:
    before = State(phase=phase, since=1.0)
    after, actions = step(before, event, 2.0)
    expected = EXPECTED.get((phase, type(event)))
    if expected is None:
        assert (after, actions) == (before, ())
        return
    assert after.phase is expected
    assert after.since == (1.0 if expected is phase else 2.0)


def test_the_table_has_no_pair_that_is_not_expected() -> None:
    assert TABLE.keys() == EXPECTED.keys()


def test_the_way_up_asks_for_one_thing_after_the_other() -> None:
    state, asked = State(), list[object]()
    for event in (Start(), LinkOpened(), Agreed(), Catalogued()):
        state, actions = step(state, event, 0.0)
        asked += actions
    assert asked == [
        OpenLink(),
        PublishDown(),
        SendHandshake(),
        ListAll(),
        PublishUp(),
    ]
    assert state.served


def test_who_waits_in_a_line_says_so_once_and_shows_until_when() -> None:
    queued, actions = step(State(phase=P.CONNECTING), Queued("two before", 9.0), 1.0)
    assert actions == (Expect(9.0), PublishDown())
    assert (queued.shown, queued.reason) == (UpstreamState.CONNECTING, "two before")
    sooner, actions = step(queued, Queued("the next", 4.0), 2.0)
    assert actions == (Expect(4.0),)
    assert (sooner.reason, sooner.since) == ("the next", 1.0)
    assert step(sooner, Admitted(), 4.0)[1] == ()


def test_patience_asked_by_the_place_is_no_failure_of_its_own() -> None:
    before = State(phase=P.CONNECTING, failures=2)
    after, actions = step(before, PutAside("patience", 40.0), 0.0)
    assert actions == (
        CloseLink(),
        Wait(Pause(at_least=40.0, at_most=40.0)),
        FailInFlight(),
        PublishDown(),
    )
    assert (after.shown, after.failures) == (UpstreamState.BACKOFF, 2)


def test_a_loss_closes_waits_fails_the_calls_and_says_so_in_this_order() -> None:
    ready = State(phase=P.READY, served=True)
    after, actions = step(ready, LinkFailed("gone"), 0.0)
    assert actions == (
        CloseLink(),
        Wait(Pause(at_least=0.5, at_most=5.0)),
        FailInFlight(),
        PublishDown(),
    )
    assert (after.reason, after.failures) == ("gone", 1)


def test_who_waits_for_a_login_learns_why_the_last_one_failed() -> None:
    waiting = State(phase=P.AWAITING_LOGIN, since=1.0, reason="log in")
    after, actions = step(waiting, LoginNeeded("nobody came"), 2.0)
    assert (after.reason, after.since) == ("nobody came", 1.0)
    assert actions == (PublishDown(),)


@pytest.mark.requirement("R132")
def test_past_the_attempts_it_is_failed_and_tried_slowly() -> None:
    policy = RetryPolicy(attempts=2, quick_attempts=0, slow=60)
    state = State(policy=policy, phase=P.CONNECTING)
    phases: list[Phase] = []
    for _ in range(4):
        state, _ = step(state, LinkFailed("refused"), 0.0)
        phases.append(state.phase)
        state, _ = step(state, Waited(), 0.0)
    assert phases == [P.BACKING_OFF, P.BACKING_OFF, P.FAILED, P.FAILED]


@pytest.mark.requirement("R131")
def test_without_auto_restart_nothing_is_waited_for() -> None:
    policy = RetryPolicy(auto_restart=False)
    ready = State(policy=policy, phase=P.READY, served=True)
    after, actions = step(ready, LinkFailed("gone"), 0.0)
    assert after.phase is P.FAILED
    assert Wait(None) in actions


def test_only_the_first_lost_session_is_renewed_at_once() -> None:
    first, actions = step(State(phase=P.READY), SessionEnded("404"), 0.0)
    assert actions == (CloseLink(), FailInFlight(), OpenLink(), PublishDown())
    again = State(phase=P.READY, failures=first.failures)
    assert step(again, SessionEnded("404"), 0.0)[0].phase is P.BACKING_OFF


def test_a_poke_leaves_a_good_link_alone_unless_it_asks_for_a_new_one() -> None:
    ready = State(phase=P.READY)
    assert step(ready, Poke("look"), 0.0) == (ready, ())
    after, actions = step(ready, Poke("look", reconnect=True), 0.0)
    assert after.phase is P.CONNECTING
    assert FailInFlight() in actions


def test_a_stable_time_forgives() -> None:
    after, actions = step(State(phase=P.READY, failures=4), Stable(), 0.0)
    assert (after.failures, actions) == (0, ())


def test_a_401_asks_for_credentials_and_tells_only_who_was_told_it_is_up() -> None:
    for phase, told in ((P.CONNECTING, False), (P.READY, True)):
        after, actions = step(State(phase=phase), Unauthorized("Bearer x"), 0.0)
        assert after.phase is P.AUTHORIZING
        assert RenewCredentials("Bearer x") in actions
        assert (PublishDown() in actions) is told


def test_a_changed_catalog_is_published() -> None:
    assert step(State(phase=P.READY), Catalogued(), 0.0)[1] == (PublishChange(),)


def test_leaving_finishes_calls_first() -> None:
    draining, actions = step(State(phase=P.READY), Drain(), 0.0)
    assert actions == (PublishDown(), FinishCalls())
    stopped, actions = step(draining, CallsDone(), 0.0)
    assert actions == (FailInFlight(), CloseLink(), Leave())
    assert stopped.reason == "stopping"


@pytest.mark.requirement("R136")
def test_what_users_are_shown() -> None:
    shown = {phase: State(phase=phase).shown for phase in Phase}
    assert shown[P.AUTHORIZING] is UpstreamState.CONNECTING
    assert shown[P.READY] is UpstreamState.CONNECTED
    assert shown[P.AWAITING_LOGIN] is UpstreamState.AUTH_REQUIRED
    assert shown[P.BACKING_OFF] is UpstreamState.BACKOFF
    assert shown[P.FAILED] is UpstreamState.FAILED
    assert shown[P.DRAINING] is UpstreamState.DISCONNECTED
