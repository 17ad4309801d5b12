"""The token machine: its table, walked pair by pair, and what its stars mean."""

from collections.abc import Callable, Iterator
from itertools import product
from math import inf

import msgspec
import pytest
from msgspec.structs import replace

from bridge.oauth.lifecycle import (
    STEP_UP_SETS,
    STEP_UPS,
    Origin,
    Phase,
    State,
    step,
)
from bridge.oauth.lifecycle_events import (
    Accepted,
    Erase,
    Event,
    ForgetRefresh,
    Gone,
    Insufficient,
    Loaded,
    LoggedIn,
    LoggedOut,
    LogIn,
    LoginEnded,
    Needed,
    PostRefresh,
    Publish,
    RefreshDue,
    Refreshed,
    RefreshFailed,
    Rejected,
    StartLogin,
    Unpublish,
)
from kit.token_states import LIFETIME, NOW, credential, holding, later

P = Phase
OTHER = credential("other")
DEAD = credential("dead", age=LIFETIME)
LOST = credential("lost", age=LIFETIME, refreshable=False)

EVENTS: tuple[Event, ...] = (
    Loaded(OTHER),
    Loaded(DEAD),
    Loaded(LOST),
    Gone(),
    Needed("Bearer"),
    Rejected(3, "Bearer"),
    Rejected(2, "Bearer"),
    Insufficient(3, "write", "Bearer"),
    Insufficient(2, "write", "Bearer"),
    Accepted(3),
    Accepted(2),
    RefreshDue(),
    Refreshed(OTHER),
    RefreshFailed("503", transient=True),
    RefreshFailed("invalid_grant"),
    LoggedIn(OTHER),
    LoginEnded("denied"),
    LogIn(),
    LogIn(force=True),
    LoggedOut(),
)


def states() -> Iterator[State]:
    """Every phase with every flag it can have."""
    for flags in product((False, True), repeat=6):
        refreshable, dead, accepted, logging_in, pausing, by_hand = flags
        held = credential(age=LIFETIME if dead else 0.0, refreshable=refreshable)
        common = {
            "accepted": accepted,
            "logging_in": logging_in,
            "retry_at": NOW.monotonic + 30 if pausing else 0.0,
        }
        for origin in Origin:
            yield holding(held, origin=origin, **common)
        if refreshable:
            yield holding(held, phase=P.REFRESHING, **common)
            yield holding(held, phase=P.REFRESHING, serving=False, **common)
            yield holding(held, phase=P.STALE, serving=False, **common)
        yield holding(held, phase=P.LOGIN_REQUIRED, **common)
        yield holding(
            held, phase=P.LOGIN_REQUIRED, serving=False, by_hand=by_hand, **common
        )
        for phase in (P.ABSENT, P.LOGIN_REQUIRED):
            yield State(
                phase=phase, generation=3, logging_in=logging_in, by_hand=by_hand
            )


def dead(s: State) -> bool:
    return s.remaining(NOW) <= 0


def fresh(s: State) -> bool:
    return not (s.accepted or s.origin is Origin.STORE or dead(s))


def pausing(s: State) -> bool:
    return s.retry_at > NOW.monotonic


class Row(msgspec.Struct):
    """A line of the table: the first that fits an event counts, no line: no change."""

    event: Callable[[Event], bool]
    when: Callable[[State], bool]
    to: Phase | None  # None: as it was
    login: bool = False


def is_(*events: Event) -> Callable[[Event], bool]:
    return lambda event: event in events


def _any(_state: State) -> bool:
    return True


REJECTED = is_(Rejected(3, "Bearer"))
LATE = is_(Rejected(2, "Bearer"))
NEEDED = is_(Needed("Bearer"))
DUE = is_(RefreshDue())

#: Written from the machine's own page, not from its code.
TABLE = (
    Row(is_(Loaded(OTHER)), _any, P.VALID),
    Row(is_(Loaded(DEAD)), _any, P.STALE),
    Row(is_(Loaded(LOST)), _any, P.ABSENT),
    Row(is_(Gone()), lambda s: s.credential is not None, P.LOGIN_REQUIRED, login=True),
    Row(NEEDED, lambda s: s.phase is P.ABSENT, P.LOGIN_REQUIRED, login=True),
    Row(REJECTED, lambda s: s.phase is P.ABSENT, P.LOGIN_REQUIRED, login=True),
    Row(LATE, lambda s: s.phase is P.ABSENT, P.LOGIN_REQUIRED, login=True),
    Row(NEEDED, lambda s: s.phase is P.STALE and not pausing(s), P.REFRESHING),
    Row(REJECTED, lambda s: s.phase is P.STALE and not pausing(s), P.REFRESHING),
    Row(LATE, lambda s: s.phase is P.STALE and not pausing(s), P.REFRESHING),
    Row(DUE, lambda s: s.phase is P.STALE, P.REFRESHING),
    Row(
        DUE,
        lambda s: s.phase is P.VALID and s.refreshable and dead(s) and pausing(s),
        P.STALE,
    ),
    Row(DUE, lambda s: s.phase is P.VALID and s.refreshable, P.REFRESHING),
    Row(DUE, lambda s: s.phase is P.VALID and dead(s), P.LOGIN_REQUIRED, login=True),
    Row(
        REJECTED,
        lambda s: s.phase is P.VALID and fresh(s) and s.origin is Origin.LOGIN,
        P.LOGIN_REQUIRED,
    ),
    Row(
        REJECTED,
        lambda s: s.phase is P.VALID and (fresh(s) or not s.refreshable),
        P.LOGIN_REQUIRED,
        login=True,
    ),
    Row(
        REJECTED,
        lambda s: (
            s.phase is P.VALID and not pausing(s) and not (s.accepted and not dead(s))
        ),
        P.REFRESHING,
    ),
    Row(is_(Refreshed(OTHER)), lambda s: s.phase is P.REFRESHING, P.VALID),
    Row(
        is_(EVENTS[13]),
        lambda s: s.phase is P.REFRESHING and s.serving and not dead(s),
        P.VALID,
    ),
    Row(is_(EVENTS[13]), lambda s: s.phase is P.REFRESHING, P.STALE),
    Row(
        is_(EVENTS[14]),
        lambda s: s.phase is P.REFRESHING,
        P.LOGIN_REQUIRED,
        login=True,
    ),
    Row(is_(EVENTS[7]), lambda s: s.phase is P.VALID, P.VALID, login=True),
    Row(
        REJECTED,
        lambda s: s.phase is P.LOGIN_REQUIRED and s.serving,
        P.LOGIN_REQUIRED,
        login=True,
    ),
    Row(
        NEEDED,
        lambda s: s.phase is P.LOGIN_REQUIRED and not (s.serving or s.by_hand),
        P.LOGIN_REQUIRED,
        login=True,
    ),
    Row(is_(LoggedIn(OTHER)), _any, P.VALID),
    Row(is_(LogIn()), lambda s: s.phase is not P.VALID, None, login=True),
    Row(is_(LogIn(force=True)), _any, None, login=True),
    Row(is_(LoggedOut()), _any, P.LOGIN_REQUIRED),
)


def expected(state: State, event: Event) -> tuple[Phase, bool]:
    """The phase after it, and whether a login begins."""
    for row in TABLE:
        if row.event(event) and row.when(state):
            return row.to or state.phase, row.login and not state.logging_in
    return state.phase, False


@pytest.mark.parametrize("number", range(len(EVENTS)))
def test_every_pair_leads_where_the_table_says(number: int) -> None:
    event = EVENTS[number]
    for state in states():
        after, actions = step(state, event, NOW)
        login = any(isinstance(action, StartLogin) for action in actions)
        assert (after.phase, login) == expected(state, event), state


@pytest.mark.parametrize("number", range(len(EVENTS)))
def test_after_every_pair_the_state_makes_sense(number: int) -> None:
    for state in states():
        after, actions = step(state, EVENTS[number], NOW)
        assert after.generation >= state.generation
        assert not after.serving or after.credential is not None
        assert after.serving or Publish() not in actions
        assert not (state.serving and not after.serving) or Unpublish() in actions
        assert (PostRefresh() in actions) == (
            after.phase is P.REFRESHING and state.phase is not P.REFRESHING
        )
        assert after.logging_in or not any(isinstance(a, StartLogin) for a in actions)
        if after.phase is P.STALE:
            assert after.refreshable
            assert after.due_in(NOW) < inf


def test_what_is_due_changes_something() -> None:
    # else the driver would turn in a circle
    due = [state for state in states() if state.due_in(NOW) <= 0]
    assert due
    for state in due:
        after, _ = step(state, RefreshDue(), NOW)
        assert after.due_in(NOW) > 0, state


# --- the stars ---


def test_a_challenge_is_handed_to_the_login() -> None:
    _, actions = step(State(), Needed('Bearer scope="read"'), NOW)
    assert actions == (StartLogin('Bearer scope="read"'),)


def test_while_a_login_is_under_way_no_other_begins() -> None:
    state, first = step(State(), Needed(), NOW)
    assert first == (StartLogin(),)
    for event in (Needed(), LogIn(), LogIn(force=True), Gone(), Rejected(0)):
        state, actions = step(state, event, NOW)
        assert actions == ()


@pytest.mark.requirement("R107", "D10")
def test_a_token_refused_fresh_from_a_refresh_is_worth_a_login_not_a_refresh() -> None:
    state = holding(origin=Origin.REFRESH)
    after, actions = step(state, Rejected(3, "Bearer"), NOW)
    assert after.phase is P.LOGIN_REQUIRED
    assert actions == (Unpublish(), StartLogin("Bearer"))
    assert "fresh from a refresh" in after.reason


@pytest.mark.parametrize("unattended", [False, True])
def test_a_token_refused_fresh_from_a_login_begins_no_other_login(
    *, unattended: bool
) -> None:
    origin = Origin.REFRESH if unattended else Origin.LOGIN
    state = holding(origin=origin, unattended=unattended)
    state, actions = step(state, Rejected(3), NOW)
    assert actions == (Unpublish(),)
    assert "audience" in state.reason
    for event in (Rejected(3), Rejected(2), Needed(), LoginEnded("no"), RefreshDue()):
        state, actions = step(state, event, NOW)
        assert actions == ()
    _, actions = step(state, LogIn(), NOW)
    assert actions == (StartLogin(),)
    after, _ = step(state, Loaded(OTHER), NOW)  # a changed file
    assert after.serving


@pytest.mark.parametrize("idle", [LIFETIME, 301.0])
def test_a_token_that_was_never_tried_and_got_old_is_refreshed_once_more(
    idle: float,
) -> None:
    # renewed while idle, and then the machine slept, or the server lost its memory
    state = holding(origin=Origin.REFRESH)
    after, actions = step(state, Rejected(3), later(idle))
    assert after.phase is P.REFRESHING
    assert actions == (PostRefresh(),)


def test_a_working_token_is_not_renewed_again_within_its_first_second() -> None:
    state = holding(origin=Origin.REFRESH, accepted=True)
    assert step(state, Rejected(3), later(0.5)) == (state, ())
    assert step(state, Rejected(3), later(1.5))[1] == (PostRefresh(),)


@pytest.mark.requirement("R108")
def test_a_dead_refresh_token_leaves_the_old_token_serving_until_its_end() -> None:
    state = holding(phase=P.REFRESHING)
    state, actions = step(state, RefreshFailed("invalid_grant"), NOW)
    assert actions == (ForgetRefresh(), StartLogin())
    assert state.serving
    assert state.due_in(NOW) == LIFETIME
    state, _ = step(state, LoginEnded("nobody came"), NOW)
    state, actions = step(state, RefreshDue(), later(LIFETIME))
    assert actions == (Unpublish(),)
    assert state.due_in(later(LIFETIME)) == inf


def test_a_dead_refresh_token_of_a_refused_token_leaves_nothing() -> None:
    state, _ = step(holding(accepted=True), Rejected(3), later(60))
    assert state.refused
    state, actions = step(state, RefreshFailed("invalid_grant"), later(60))
    assert actions == (Unpublish(), ForgetRefresh(), StartLogin())


def test_a_login_without_refresh_token_ends_with_its_token() -> None:
    held = credential(refreshable=False)
    state = holding(held)
    assert state.due_in(NOW) == LIFETIME
    assert step(state, RefreshDue(), NOW) == (state, ())
    after, actions = step(state, RefreshDue(), later(LIFETIME))
    assert after.phase is P.LOGIN_REQUIRED
    assert [type(action) for action in actions] == [Unpublish, StartLogin, Erase]


@pytest.mark.requirement("R100")
def test_only_what_is_expired_and_not_refreshable_is_erased() -> None:
    for held in (OTHER, DEAD, credential(expires_in=None, refreshable=False)):
        _, actions = step(State(), Loaded(held), NOW)
        assert not any(isinstance(action, Erase) for action in actions)
    _, actions = step(State(), Loaded(LOST), NOW)
    assert actions == (
        Unpublish(),
        Erase(LOST, "expired, and it cannot be refreshed"),
    )


@pytest.mark.requirement("D13")
def test_a_date_in_the_future_costs_a_refresh_but_never_a_login() -> None:
    tomorrow = credential(age=-86_400.0)
    state, _ = step(State(), Loaded(tomorrow), NOW)
    assert state.phase is P.STALE
    alone = credential(age=-86_400.0, refreshable=False)
    state, actions = step(State(), Loaded(alone), NOW)
    assert actions == (Publish(),)
    assert state.due_in(NOW) == LIFETIME


# --- generations ---


def test_each_new_token_is_one_generation_on() -> None:
    state = State()
    for number, event in enumerate(
        (Loaded(credential("a")), LoggedIn(credential("b")), Loaded(credential("c"))), 1
    ):
        state, _ = step(state, event, NOW)
        assert state.generation == number
    for again in (credential("c"), credential("c", refreshable=False)):
        assert step(state, Loaded(again), NOW) == (state, ())
    state, _ = step(state, LoggedOut(), NOW)
    assert state.generation == 3


@pytest.mark.requirement("R107")
def test_a_hundred_refusals_of_one_token_cost_one_refresh() -> None:
    state, asked = holding(accepted=True), list[object]()
    for _ in range(100):
        state, actions = step(state, Rejected(3), later(60))
        asked += actions
    state, _ = step(state, Refreshed(credential("new")), later(61))
    for _ in range(100):
        state, actions = step(state, Rejected(3), later(61))
        asked += actions
    assert asked == [PostRefresh()]


def test_only_the_present_token_can_be_accepted_and_once() -> None:
    state = holding()
    assert step(state, Accepted(2), NOW) == (state, ())
    state, _ = step(state, Accepted(3), NOW)
    assert state.accepted
    assert step(state, Accepted(3), NOW) == (state, ())


# --- steps up ---


def stepped_up(state: State, scope: str) -> tuple[State, bool]:
    """Whether a login for more scopes began; it then fails."""
    state, actions = step(state, Insufficient(3, scope, "Bearer"), NOW)
    began = actions == (StartLogin("Bearer", wider=True),)
    assert began or actions == ()
    return step(state, LoginEnded("denied"), NOW)[0], began


@pytest.mark.requirement("R92")
def test_one_set_of_scopes_is_asked_for_twice_in_whatever_order() -> None:
    state, began = holding(), list[bool]()
    for scope in ("a b", "b a", "a b", "b a"):
        state, yes = stepped_up(state, scope)
        began.append(yes)
    assert began == [True] * STEP_UPS + [False] * 2
    assert state.phase is P.VALID
    assert state.serving


def test_only_so_many_sets_of_scopes_are_asked_for() -> None:
    state, began = holding(), 0
    for number in range(STEP_UP_SETS + 5):
        state, yes = stepped_up(state, f"scope-{number}")
        began += yes
    assert began == STEP_UP_SETS


def test_an_operators_login_allows_steps_up_again() -> None:
    state = holding(step_ups={"a": STEP_UPS})
    assert not stepped_up(state, "a")[1]
    state, _ = step(state, LogIn(force=True), NOW)
    state, _ = step(state, LoginEnded("denied"), NOW)
    assert stepped_up(state, "a")[1]


# --- when ---


@pytest.mark.parametrize(
    ("failures", "most"), [(1, 2.0), (2, 4.0), (5, 32.0), (6, 60.0), (500, 60.0)]
)
def test_the_pause_after_a_failure_has_bounds(failures: int, most: float) -> None:
    state = holding(DEAD, phase=P.REFRESHING, serving=False, failures=failures - 1)
    for chance, pause in ((0.0, 0.5), (1.0, most)):
        failed = RefreshFailed("503", transient=True, chance=chance)
        after, _ = step(state, failed, NOW)
        assert after.due_in(NOW) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("wish", "pause"), [(0.0, 1.0), (7.0, 7.0), (300.0, 300.0), (1e9, 300.0)]
)
def test_the_providers_own_wish_wins_within_reason(wish: float, pause: float) -> None:
    state = holding(DEAD, phase=P.REFRESHING, serving=False)
    failed = RefreshFailed("429", transient=True, retry_after=wish)
    after, _ = step(state, failed, NOW)
    assert after.due_in(NOW) == pause


def test_a_token_that_dies_in_a_pause_is_hidden_and_the_provider_left_alone() -> None:
    held = credential(age=LIFETIME - 10)
    state = holding(held, phase=P.REFRESHING)
    failed = RefreshFailed("429", transient=True, retry_after=120.0)
    state, _ = step(state, failed, NOW)
    assert state.serving
    assert state.due_in(NOW) == pytest.approx(10.0)
    state, actions = step(state, RefreshDue(), later(10))
    assert actions == (Unpublish(),)
    assert state.phase is P.STALE
    assert state.due_in(later(10)) == pytest.approx(110.0)
    assert step(state, Needed(), later(20)) == (state, ())


def test_a_refused_token_is_renewed_after_the_pause_however_young_it_is() -> None:
    state, _ = step(holding(accepted=True), Rejected(3), later(60))
    failed = RefreshFailed("503", transient=True, chance=1.0)
    state, _ = step(state, failed, later(60))
    assert state.phase is P.VALID
    assert state.due_in(later(60)) == pytest.approx(2.0)
    assert step(state, Rejected(3), later(61)) == (state, ())


def test_no_token_lives_no_longer() -> None:
    assert State().remaining(NOW) == 0.0
    assert not State().refreshable


def test_what_waits_for_somebody_is_never_due() -> None:
    for state in (
        State(),
        State(phase=P.LOGIN_REQUIRED),
        holding(phase=P.REFRESHING),
        holding(credential(expires_in=None, refreshable=False)),
    ):
        assert state.due_in(NOW) == inf


def test_the_reason_of_a_login_that_failed_is_kept_where_one_is_needed() -> None:
    needed = State(phase=P.LOGIN_REQUIRED, logging_in=True)
    assert step(needed, LoginEnded("denied"), NOW)[0].reason == "denied"
    serving = replace(holding(), logging_in=True)
    assert step(serving, LoginEnded("denied"), NOW)[0].reason == ""
