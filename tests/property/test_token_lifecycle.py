"""The token machine under any run of events, with a driver as lazy as can be."""

import itertools
from math import inf

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from bridge.oauth.credential import Credential
from bridge.oauth.lifecycle import Origin, Phase, State, step
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
from bridge.oauth.schedule import Moment
from kit.token_states import NOW, credential, later

CHANCE = st.floats(0, 1)
LIFETIMES = st.sampled_from([None, 0.5, 5.0, 3600.0])
#: What an operator, a file or a login does; the rest are answers of a server.
BY_SOMEBODY = (LogIn, Gone, Loaded, LoggedIn)


class TokenLifecycle(RuleBasedStateMachine):
    """``published`` is what requests carry, as the actions have it."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.now: Moment = NOW
        self.published: Credential | None = None
        self.refreshes = 0  # under way
        self.logins = 0
        self.names = itertools.count()

    def made(self, lifetime: float | None, *, refreshable: bool) -> Credential:
        """New tokens, dated now."""
        return credential(
            f"{next(self.names)}",
            age=NOW.wall - self.now.wall,
            expires_in=lifetime,
            refreshable=refreshable,
        )

    def feed(self, event: Event) -> None:
        before = self.state
        self.state, actions = step(before, event, self.now)
        assert self.state.generation >= before.generation
        for action in actions:
            self.perform(action)
        hopeless = before.by_hand and not isinstance(event, BY_SOMEBODY)
        assert not (hopeless and any(isinstance(a, StartLogin) for a in actions))

    def perform(self, action: object) -> None:
        match action:
            case Publish():
                assert self.state.serving
                self.published = self.state.credential
            case Unpublish():
                self.published = None
            case PostRefresh():
                assert self.state.credential is not None
                assert self.state.refreshable
                self.refreshes += 1
            case StartLogin():
                self.logins += 1
            case _:
                assert isinstance(action, ForgetRefresh | Erase)

    # --- what happens ---

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 4000.0]), jump=st.booleans())
    def wait(self, seconds: float, *, jump: bool) -> None:
        self.now = later(seconds, since=self.now)
        if jump:
            self.now = Moment(self.now.wall - 86_400.0, self.now.monotonic)

    @precondition(lambda self: self.state.due_in(self.now) <= 0)
    @rule()
    def due(self) -> None:
        self.feed(RefreshDue())
        assert self.state.due_in(self.now) > 0

    @rule(back=st.integers(0, 2))
    def refused(self, back: int) -> None:
        self.feed(Rejected(max(self.state.generation - back, 0)))

    @rule()
    def asked_for_a_token(self) -> None:
        self.feed(Needed())

    @rule(scope=st.sampled_from(["a", "b", "a b"]))
    def wants_more(self, scope: str) -> None:
        self.feed(Insufficient(self.state.generation, scope))

    @rule()
    def taken(self) -> None:
        self.feed(Accepted(self.state.generation))

    @rule(lifetime=LIFETIMES, refreshable=st.booleans(), chance=CHANCE)
    def file_changed(
        self, lifetime: float | None, *, refreshable: bool, chance: float
    ) -> None:
        held = self.made(lifetime, refreshable=refreshable)
        self.feed(Loaded(held, chance))

    @rule()
    def file_removed(self) -> None:
        self.feed(Gone())

    @precondition(lambda self: self.refreshes > 0)
    @rule(lifetime=LIFETIMES, chance=CHANCE)
    def refreshed(self, lifetime: float | None, chance: float) -> None:
        self.refreshes -= 1
        self.feed(Refreshed(self.made(lifetime, refreshable=True), chance))

    @precondition(lambda self: self.refreshes > 0)
    @rule(transient=st.booleans(), chance=CHANCE)
    def refresh_failed(self, *, transient: bool, chance: float) -> None:
        self.refreshes -= 1
        self.feed(RefreshFailed("no", transient, None, chance))

    @precondition(lambda self: self.logins > 0)
    @rule(lifetime=LIFETIMES, refreshable=st.booleans())
    def logged_in(self, lifetime: float | None, *, refreshable: bool) -> None:
        self.logins -= 1
        self.feed(LoggedIn(self.made(lifetime, refreshable=refreshable)))

    @precondition(lambda self: self.logins > 0)
    @rule()
    def login_ended(self) -> None:
        self.logins -= 1
        self.feed(LoginEnded("no"))

    @rule(force=st.booleans())
    def told_to_log_in(self, *, force: bool) -> None:
        self.feed(LogIn(force))

    @rule()
    def told_to_log_out(self) -> None:
        self.logins = 0  # the driver cancels it
        self.feed(LoggedOut())

    # --- what always holds ---

    @invariant()
    def requests_carry_what_the_state_serves(self) -> None:
        served = self.state.credential if self.state.serving else None
        assert self.published == served
        assert not self.state.serving or served is not None

    @invariant()
    def one_login_is_under_way_and_one_refresh_is_waited_for(self) -> None:
        assert self.logins == int(self.state.logging_in)
        assert self.state.phase is not Phase.REFRESHING or self.refreshes > 0

    @invariant()
    def a_stale_token_is_renewed_in_time(self) -> None:
        if self.state.phase is Phase.STALE:
            assert self.state.refreshable
            assert 0 <= self.state.due_in(self.now) <= 300

    @invariant()
    def a_token_never_serves_past_its_end_without_a_plan(self) -> None:
        if self.state.serving and self.state.phase is not Phase.REFRESHING:
            remaining = self.state.remaining(self.now)
            # (a refused one waits for its next refresh, a tiny one for the gap)
            most = max(remaining, 300.0) if remaining < inf else inf
            assert self.state.due_in(self.now) <= most

    @invariant()
    def a_server_that_refuses_everything_gets_a_finite_number_of_answers(self) -> None:
        state, asked = self.state, 0
        for _ in range(6):  # each new token is refused at once, nobody else acts
            state, actions = step(state, Rejected(state.generation), self.now)
            for action in actions:
                if isinstance(action, PostRefresh):
                    asked += 1
                    fresh = credential(f"hopeless-{asked}", age=-self._since)
                    state, _ = step(state, Refreshed(fresh), self.now)
                elif isinstance(action, StartLogin):
                    asked += 1
                    fresh = credential(f"hopeless-{asked}", age=-self._since)
                    state, _ = step(state, LoggedIn(fresh), self.now)
        assert asked <= 2
        assert state.origin is not Origin.REFRESH or not state.serving

    @property
    def _since(self) -> float:
        return self.now.wall - NOW.wall


TestTokenLifecycle = TokenLifecycle.TestCase
TestTokenLifecycle.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
