"""The tokens of one upstream, as a machine. Pure: no clock, no chance, no log.

The driver (`bridge.upstream.credentials`) feeds events and performs actions. What is
not in the table changes nothing.

==========================  ================================  ==================
from                        event                             to
==========================  ================================  ==================
any                         Loaded, Replaced                  VALID, or STALE
ABSENT                      Needed, Rejected                  LOGIN_REQUIRED *
STALE                       Needed, Rejected, RefreshDue      REFRESHING
VALID                       RefreshDue, Rejected              REFRESHING **
VALID, dead, in a pause     RefreshDue                        STALE
REFRESHING                  Refreshed                         VALID
REFRESHING                  RefreshFailed, transient          VALID, dead: STALE
REFRESHING                  RefreshFailed, for good           LOGIN_REQUIRED *
VALID                       Insufficient (scope)              VALID *
LOGIN_REQUIRED, serving     Rejected                          LOGIN_REQUIRED *
LOGIN_REQUIRED, serving     RefreshDue (the old token dies)   LOGIN_REQUIRED
LOGIN_REQUIRED              Needed, not by hand               LOGIN_REQUIRED *
any                         LoggedIn                          VALID
any                         LoginEnded                        as it was
any                         LogIn (a command)                 as it was *
any                         Gone (the file, by hand)          LOGIN_REQUIRED *
any                         LoggedOut                         LOGIN_REQUIRED
==========================  ================================  ==================

\\* a login begins, unless one is under way. \\*\\* LOGIN_REQUIRED * where there is no
refresh token, and where a token fresh from a refresh is refused; without \\* where one
fresh from a login is: another login would bring the same, so the next one is *by hand*,
as it is after LoggedOut: begun by a command or a changed file, by nothing else.

The *generation* counts the tokens: whoever comes with an older one is told to take the
newer, so that a hundred answers 401 cost one refresh.
"""

from collections.abc import Mapping
from enum import Enum
from typing import assert_never

import msgspec
from msgspec.structs import replace

from bridge.oauth import schedule
from bridge.oauth.credential import Credential
from bridge.oauth.lifecycle_events import (
    Accepted,
    Action,
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
from bridge.oauth.schedule import Age, Moment

#: Steps up to one set of scopes, and sets of scopes asked for, until a new login.
STEP_UPS = 2
STEP_UP_SETS = 8
#: A token that works elsewhere and is this young is not renewed for one refusal.
_JUST_RENEWED = 1.0
#: Only the refusal of a young token says that its like will be refused as well: one
#: that idled, or outlived a machine's sleep, says nothing.
_FRESH = 300.0
_BACKOFF_BASE = 1.0
_BACKOFF_CAP = 60.0
_LONGEST_WISH = 300.0
_EXPIRED = "expired, and it cannot be refreshed"


class Phase(Enum):
    """Where the tokens stand."""

    ABSENT = "absent"
    VALID = "valid"
    STALE = "stale"
    REFRESHING = "refreshing"
    LOGIN_REQUIRED = "login_required"


class Origin(Enum):
    """Where the present token came from: how much its refusal says."""

    STORE = "store"
    REFRESH = "refresh"
    LOGIN = "login"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """``serving``: the token is given to requests. ``accepted``: it worked once,
    ``refused``: a server wanted another one, and there was none yet.

    ``unattended``: a login needs nobody (client credentials). ``by_hand``: only an
    operator begins the next login. ``retry_at``: monotonic time before which no refresh
    is tried again.
    """

    unattended: bool = False
    phase: Phase = Phase.ABSENT
    credential: Credential | None = None
    age: Age = Age(Moment(0.0, 0.0))
    chance: float = 0.0
    generation: int = 0
    origin: Origin = Origin.STORE
    serving: bool = False
    accepted: bool = False
    refused: bool = False
    failures: int = 0
    retry_at: float = 0.0
    logging_in: bool = False
    by_hand: bool = False
    step_ups: Mapping[str, int] = {}
    reason: str = ""

    @property
    def refreshable(self) -> bool:
        """New tokens can be had without a person."""
        held = self.credential
        if held is None:
            return False
        return self.unattended or bool(
            held.tokens.refresh_token and held.provider.token_endpoint
        )

    def remaining(self, now: Moment) -> float:
        """Seconds the token lives; 0 or less: dead, or there is none."""
        if self.credential is None:
            return 0.0
        return schedule.remaining(self.credential.tokens, self.age, now)

    def due_in(self, now: Moment) -> float:
        """Seconds until `RefreshDue`; infinite: never by itself."""
        held = self.credential
        pause = max(self.retry_at - now.monotonic, 0.0)
        match self.phase:
            case Phase.VALID if self.refused:
                return pause
            case Phase.VALID if held is not None and self.refreshable:
                wait = schedule.renew_in(held.tokens, self.age, now, chance=self.chance)
                return max(wait, min(pause, max(self.remaining(now), 0.0)), 0.0)
            case Phase.VALID | Phase.LOGIN_REQUIRED if self.serving:
                return max(self.remaining(now), 0.0)
            case Phase.STALE:
                return pause
            case _:
                return float("inf")


Step = tuple[State, tuple[Action, ...]]


def step(state: State, event: Event, now: Moment) -> Step:  # noqa: C901, PLR0911, PLR0912 - one line per event
    """Apply one event: the state after it, and what is to be done."""
    match event:
        case Loaded():
            return _loaded(state, event, now)
        case Gone():
            return _gone(state)
        case Needed(challenge):
            return _needed(state, challenge, now)
        case Rejected():
            return _rejected(state, event, now)
        case Insufficient():
            return _insufficient(state, event)
        case Accepted(generation):
            return _accepted(state, generation)
        case RefreshDue():
            return _due(state, now)
        case Refreshed():
            return _refreshed(state, event, now)
        case RefreshFailed():
            return _refresh_failed(state, event, now)
        case LoggedIn():
            fresh = _take(state, event.credential, event.chance, now)
            after = replace(fresh, origin=Origin.LOGIN, logging_in=False)
            return after, (Publish(),)
        case LoginEnded(reason):
            return _login_ended(state, reason)
        case LogIn(force):
            return _log_in(state, force=force)
        case LoggedOut(reason):
            after = replace(_without(state), phase=Phase.LOGIN_REQUIRED, reason=reason)
            return replace(after, logging_in=False, by_hand=True), (Unpublish(),)
        case _:
            assert_never(event)


def _take(state: State, credential: Credential, chance: float, now: Moment) -> State:
    """The state with new tokens in it."""
    return replace(
        state,
        phase=Phase.VALID,
        credential=credential,
        age=schedule.age_of(credential.tokens, now),
        chance=chance,
        generation=state.generation + 1,
        serving=True,
        accepted=False,
        refused=False,
        by_hand=False,
        failures=0,
        retry_at=0.0,
        reason="",
    )


def _without(state: State) -> State:
    return replace(state, credential=None, serving=False, accepted=False, step_ups={})


def _loaded(state: State, event: Loaded, now: Moment) -> Step:
    if _is_held(state, event.credential):
        return state, ()
    after = _take(state, event.credential, event.chance, now)
    after = replace(after, origin=Origin.STORE)
    if after.age.of_the_future and not after.refreshable:
        # One of the two clocks was wrong: no reason to throw the only token away.
        after = replace(after, age=Age(now))
    if after.remaining(now) > 0:
        return after, (Publish(),)
    if after.refreshable:
        stale = replace(after, phase=Phase.STALE, serving=False)
        return stale, (Unpublish(),)
    lost = replace(_without(after), phase=Phase.ABSENT)
    return lost, (Unpublish(), Erase(event.credential, _EXPIRED))


def _is_held(state: State, found: Credential) -> bool:
    """The same login, though its refresh token may have been taken out."""
    held = state.credential
    return held is not None and (held.tokens.access_token == found.tokens.access_token)


def _gone(state: State) -> Step:
    if state.credential is None:
        return state, ()
    reason = "the stored login was removed"
    after = replace(_without(state), phase=Phase.LOGIN_REQUIRED, reason=reason)
    return _with_login(replace(after, by_hand=False), StartLogin(), Unpublish())


def _with_login(state: State, login: StartLogin, *before: Action) -> Step:
    """A login begins, unless one is under way."""
    if state.logging_in:
        return state, before
    return replace(state, logging_in=True), (*before, login)


def _needed(state: State, challenge: str, now: Moment) -> Step:
    match state.phase:
        case Phase.LOGIN_REQUIRED if not (state.serving or state.by_hand):
            return _with_login(state, StartLogin(challenge))
        case _:
            return _wanting(state, challenge, now)


def _wanting(state: State, challenge: str, now: Moment) -> Step:
    """A server asks for a token, and none is served."""
    match state.phase:
        case Phase.ABSENT:
            after = replace(state, phase=Phase.LOGIN_REQUIRED)
            return _with_login(after, StartLogin(challenge))
        case Phase.STALE if state.retry_at <= now.monotonic:
            return replace(state, phase=Phase.REFRESHING), (PostRefresh(),)
        case _:
            return state, ()


def _rejected(state: State, event: Rejected, now: Moment) -> Step:
    if event.generation != state.generation or not state.serving:
        return _wanting(state, event.challenge, now)
    match state.phase:
        case Phase.VALID if _is_fresh(state, now):
            return _fresh_refused(state, event.challenge)
        case Phase.VALID if state.refreshable:
            return _refresh_refused(state, now)
        case Phase.VALID | Phase.LOGIN_REQUIRED:
            return _login_required(
                state, event.challenge, "the server no longer takes the login"
            )
        case _:
            return state, ()


def _is_fresh(state: State, now: Moment) -> bool:
    """Nothing but the token itself can be what is refused."""
    if state.accepted or state.origin is Origin.STORE:
        return False
    return state.age.at(now) < _FRESH and state.remaining(now) > 0


def _refresh_refused(state: State, now: Moment) -> Step:
    """Renew a token that was refused, unless that would be a storm."""
    just_renewed = state.accepted and state.age.at(now) < _JUST_RENEWED
    if just_renewed or state.retry_at > now.monotonic:
        return state, ()
    after = replace(state, phase=Phase.REFRESHING, refused=True)
    return after, (PostRefresh(),)


def _fresh_refused(state: State, challenge: str) -> Step:
    """A brand-new token is refused: refreshing again would go on for ever."""
    if state.origin is Origin.REFRESH and not state.unattended:
        return _login_required(
            state, challenge, "the server refuses tokens fresh from a refresh"
        )
    reason = (
        "the server refuses a token fresh from a login: it may be issued for another"
        " audience or resource"
    )
    after = replace(state, phase=Phase.LOGIN_REQUIRED, serving=False, reason=reason)
    return replace(after, by_hand=True), (Unpublish(),)


def _login_required(state: State, challenge: str, reason: str) -> Step:
    after = replace(state, phase=Phase.LOGIN_REQUIRED, serving=False, reason=reason)
    return _with_login(after, StartLogin(challenge), Unpublish())


def _insufficient(state: State, event: Insufficient) -> Step:
    key = " ".join(sorted(event.scope.split()))
    tries = state.step_ups.get(key, 0)
    known = key in state.step_ups or len(state.step_ups) < STEP_UP_SETS
    current = event.generation == state.generation and state.phase is Phase.VALID
    if not (current and known and tries < STEP_UPS) or state.logging_in:
        return state, ()
    after = replace(state, step_ups={**state.step_ups, key: tries + 1})
    return _with_login(after, StartLogin(event.challenge, wider=True))


def _accepted(state: State, generation: int) -> Step:
    if state.accepted or generation != state.generation or not state.serving:
        return state, ()
    return replace(state, accepted=True), ()


def _due(state: State, now: Moment) -> Step:
    dead = state.remaining(now) <= 0
    paused = state.retry_at > now.monotonic
    match state.phase:
        case Phase.VALID if state.refreshable and dead and paused:
            stale = replace(state, phase=Phase.STALE, serving=False)
            return stale, (Unpublish(),)
        case Phase.VALID | Phase.STALE if state.refreshable:
            return replace(state, phase=Phase.REFRESHING), (PostRefresh(),)
        case Phase.VALID if dead and (held := state.credential) is not None:
            after, actions = _login_required(state, "", "the login has expired")
            return after, (*actions, Erase(held, _EXPIRED))
        case Phase.LOGIN_REQUIRED if state.serving and dead:
            return replace(state, serving=False), (Unpublish(),)
        case _:
            return state, ()


def _refreshed(state: State, event: Refreshed, now: Moment) -> Step:
    if state.phase is not Phase.REFRESHING:
        return state, ()
    after = _take(state, event.credential, event.chance, now)
    return replace(after, origin=Origin.REFRESH), (Publish(),)


def _refresh_failed(state: State, event: RefreshFailed, now: Moment) -> Step:
    if state.phase is not Phase.REFRESHING:
        return state, ()
    alive = state.serving and state.remaining(now) > 0
    if not event.transient:
        usable = alive and not state.refused
        return _refresh_refused_for_good(state, event.reason, alive=usable)
    failures = state.failures + 1
    after = replace(
        state,
        phase=Phase.VALID if alive else Phase.STALE,
        serving=alive,
        failures=failures,
        retry_at=now.monotonic + _pause(failures, event),
        reason=event.reason,
    )
    return after, () if alive else (Unpublish(),)


def _refresh_refused_for_good(state: State, reason: str, *, alive: bool) -> Step:
    """The old token serves until its end, while somebody logs in."""
    after = replace(state, phase=Phase.LOGIN_REQUIRED, serving=alive, reason=reason)
    hide: tuple[Action, ...] = () if alive else (Unpublish(),)
    return _with_login(after, StartLogin(), *hide, ForgetRefresh())


def _pause(failures: int, event: RefreshFailed) -> float:
    """Full jitter, but never nothing; the provider's own wish wins, within reason."""
    if event.retry_after is not None:
        return min(max(event.retry_after, _BACKOFF_BASE), _LONGEST_WISH)
    most = min(_BACKOFF_CAP, _BACKOFF_BASE * 2.0 ** min(failures, 16))
    return _BACKOFF_BASE / 2 + event.chance * (most - _BACKOFF_BASE / 2)


def _login_ended(state: State, reason: str) -> Step:
    after = replace(state, logging_in=False)
    if state.phase is Phase.LOGIN_REQUIRED:
        after = replace(after, reason=reason)
    return after, ()


def _log_in(state: State, *, force: bool) -> Step:
    if state.phase is Phase.VALID and not force:
        return state, ()
    return _with_login(replace(state, step_ups={}), StartLogin())
