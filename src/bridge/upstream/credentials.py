"""The tokens of one upstream: one task owns them and keeps them fresh.

Drives `bridge.oauth.lifecycle`. Everything but `run`, `renew` and the two tasks that
talk to a provider is synchronous, so no two handlers ever interleave: there is no lock.
Who needs a token reads it (`headers`); who was refused one says so (`renew`) and waits
for the one refresh there is.
"""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections.abc import Callable, Mapping
from functools import partial
from typing import assert_never

import trio

from bridge.errors import (
    GrantRefused,
    OAuthError,
    ProviderUnavailable,
    StorageBusy,
)
from bridge.oauth import lifecycle
from bridge.oauth import lifecycle_events as moves
from bridge.oauth.challenge import bearer
from bridge.oauth.credential import Credential
from bridge.oauth.lifecycle import Phase, State
from bridge.oauth.schedule import Moment
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.observe.status import OAuthStatus
from bridge.ports import WallClock
from bridge.upstream import state as link
from bridge.upstream.account import Account
from bridge.upstream.login import Invitation
from bridge.upstream.login_allowance import MOST, PERIOD, LoginAllowance
from bridge.upstream.login_status import status_of
from bridge.upstream.token_owner import Tell, Verdict
from bridge.wire.link import Refusal

#: How often the stored login is looked at: another program may have replaced or
#: removed it (R101). It also bounds how late a machine that slept wakes up to the fact.
LOOK_EVERY = 30.0
#: What is due in less may never be so: the epoch in seconds leaves few digits for it.
_TICK = 0.001
#: How long a request that was refused waits for the refresh (protocol 6).
RENEW_PATIENCE = 10.0

#: ``count(what, outcome)``: what is "refresh" or "login", outcome "ok" or a code.
Count = Callable[[str, str], None]


class Credentials:
    """Implements `bridge.wire.link.BearerSource` and `TokenOwner`.

    ``publish`` gets a new `OAuthStatus` whenever something has changed.
    """

    def __init__(
        self,
        account: Account,
        *,
        clock: WallClock,
        rng: random.Random,
        log: Log,
        publish: Callable[[OAuthStatus], None],
        count: Count,
    ) -> None:
        self._account = account
        self._clock = clock
        self._rng = rng
        self._log = log.bind(upstream=account.settings.name)
        self._publish = publish
        self._count = count
        unattended = account.settings.grant == "client_credentials"
        self._state = State(unattended=unattended)
        self._headers: Mapping[str, str] = {}
        self._changed = trio.Event()
        self._invitation: Invitation | None = None
        self._login: trio.CancelScope | None = None
        self._passing = False  # why the last login ended may pass by itself
        self._stamp: str | None = None
        self._nursery: trio.Nursery | None = None
        self._tell: Tell | None = None
        self._told: Verdict | None = None
        self._asked_for: int | None = None  # the actor waits for more than this one
        self._logins = 0
        self._allowance = LoginAllowance()
        self._ready = False  # the stored login is read
        self._early: Callable[[], None] | None = None  # a command before that

    # --- what requests ask ---

    @property
    def generation(self) -> int:
        return self._state.generation if self._state.serving else 0

    def headers(self) -> Mapping[str, str]:
        return self._headers

    def accepted(self, generation: int) -> None:
        if generation and not self._state.accepted:
            self._feed(moves.Accepted(generation))

    def insufficient(self, generation: int, challenge: str) -> None:
        asked = bearer(challenge)
        if asked.error == "insufficient_scope" and asked.scope:
            self._feed(moves.Insufficient(generation, asked.scope, challenge))

    async def renew(self, generation: int, challenge: str) -> Refusal | None:
        self._refused(generation, challenge)
        with trio.move_on_after(RENEW_PATIENCE):
            while self._is_coming(generation):
                await self._changed.wait()
        if self._state.serving and self._state.generation > generation:
            return None
        passing = self._passing_reason()
        return Refusal(passing, advice="" if passing else self._how_to_log_in())

    def _refused(self, generation: int, header: str) -> None:
        if generation:
            self._feed(moves.Rejected(generation, header))
        else:
            self._feed(moves.Needed(header))

    def _is_coming(self, generation: int) -> bool:
        """A newer token will be here without a person, or the lack of one certain."""
        state = self._state
        if state.serving and state.generation > generation:
            return False
        logging_in = state.logging_in and state.unattended
        return state.phase is Phase.REFRESHING or logging_in

    def _passing_reason(self) -> str:
        """Why there is no token for the moment; empty: somebody has to act."""
        match self._state.phase:
            case Phase.REFRESHING:
                return "its token is being renewed, and that takes long"
            case Phase.STALE | Phase.VALID if self._state.failures:
                return f"its token cannot be renewed now: {self._state.reason}"
            case Phase.STALE | Phase.VALID:
                return "its token is refused, though it is new"
            case Phase.LOGIN_REQUIRED if self._passing:
                return f"no login was possible: {self._state.reason}"
            case _:
                return ""

    # --- what the actor and the operator ask ---

    def needed(self, challenge: str, generation: int) -> None:
        """The connection was refused; ``tell`` is answered, now or later."""
        self._asked_for = generation
        self._refused(generation, challenge)
        self._answer()

    def log_in(self, *, force: bool) -> None:
        """An operator wants a login. ``force``: even with a good token, and anew."""
        if not self._ready:
            self._early = partial(self.log_in, force=force)
            return
        self._allowance.renew()
        if force and self._login is not None:
            self._login.cancel()
            self._login = None
            self._feed(moves.LoginEnded("an operator began another login"))
        self._feed(moves.LogIn(force=force))

    def log_out(self) -> None:
        """An operator wants the login forgotten, here and at the provider."""
        if not self._ready or self._nursery is None:
            self._early = self.log_out
            return
        held = self._state.credential
        if self._login is not None:
            self._login.cancel()
            self._login = None
        self._feed(moves.LoggedOut())
        self._nursery.start_soon(self._forget, held)

    # --- the owner's task ---

    async def run(
        self,
        tell: Tell,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Own the tokens until cancelled. Started once the stored login is read.

        ``tell`` hears what the connection may count on; it must not wait.
        """
        self._tell = tell
        self._log.emit(events.OAUTH_PREFLIGHT_STARTED)
        try:
            async with trio.open_nursery() as self._nursery:
                if not self._took_unsaved():
                    await self._read_store()
                if self._state.phase is not Phase.ABSENT:
                    self._log.emit(events.OAUTH_PREFLIGHT_PASSED)
                self._ready = True
                self._show()
                task_status.started()
                if self._early is not None:
                    self._early()
                await self._keep_fresh()
        finally:
            self._ready, self._nursery = False, None

    async def _keep_fresh(self) -> None:
        while True:
            await self._wait()
            if self._state.due_in(self._now()) <= 0:
                self._feed(moves.RefreshDue())

    async def _wait(self) -> None:
        """Until something is due or has changed; look at the store now and then."""
        changed = self._changed
        due = self._state.due_in(self._now())
        wait = max(min(due, LOOK_EVERY), _TICK)
        with trio.move_on_after(wait) as scope:
            await changed.wait()
        if scope.cancelled_caught and wait >= LOOK_EVERY:
            await self._look()

    async def _look(self) -> None:
        """Has somebody else written, or removed, the stored login?"""
        await self._account.stored.save_again()
        if self._took_unsaved():
            return
        stamp = await self._account.stored.stamp()
        if stamp is not None and stamp != self._stamp and not self._is_busy():
            await self._read_store()

    def _took_unsaved(self) -> bool:
        """The edition before, or after, has newer tokens that the disk did not take."""
        waiting = self._account.stored.unsaved
        newer = waiting is not None and waiting != self._state.credential
        if waiting is None or not newer or self._state.phase is Phase.REFRESHING:
            return False
        self._feed(moves.Loaded(waiting, self._rng.random()))
        return True

    def _is_busy(self) -> bool:
        """We are about to write ourselves."""
        unsaved = self._account.stored.unsaved is not None
        return self._state.phase is Phase.REFRESHING or unsaved

    async def _read_store(self) -> None:
        before = self._state
        stamp = await self._account.stored.stamp()
        found = await self._account.stored.load()
        if self._state.generation != before.generation or self._is_busy():
            return  # what was read may be older than what we wrote meanwhile
        self._stamp = stamp
        if found is not None:
            self._log.emit(
                events.OAUTH_TOKENS_LOADED, url_hash=self._account.stored.url_hash
            )
            self._feed(moves.Loaded(found, self._rng.random()))
            self._end_needless_login(before)
        elif self._state.credential is not None and self._stamp == "":
            self._feed(moves.Gone())

    def _end_needless_login(self, before: State) -> None:
        """Somebody logged in elsewhere while we waited for a person."""
        new = self._state.generation > before.generation and self._state.serving
        needed = before.phase is Phase.LOGIN_REQUIRED
        if new and needed and self._login is not None:
            self._login.cancel()

    # --- the machine ---

    def _now(self) -> Moment:
        return Moment(self._clock.now(), trio.current_time())

    def _feed(self, event: moves.Event) -> None:
        nursery = self._nursery
        if nursery is None:
            return  # not begun, or over: nobody could act on it
        before = self._state
        self._state, actions = lifecycle.step(before, event, self._now())
        for action in actions:
            self._perform(action, nursery)
        if self._state is not before:
            self._say(before, event)
            self._show()
            self._answer()

    def _say(self, before: State, event: moves.Event) -> None:
        """What somebody on call has to know: a login that worked does no more."""
        state = self._state
        ended = state.phase is Phase.LOGIN_REQUIRED and before.phase not in {
            Phase.ABSENT,
            Phase.LOGIN_REQUIRED,
        }
        died = state.phase is Phase.LOGIN_REQUIRED and (
            before.serving and not state.serving
        )
        if (ended or died) and not isinstance(event, moves.LoggedOut):
            self._log.emit(
                events.OAUTH_LOGIN_LOST, reason=state.reason, serving=state.serving
            )

    def _perform(self, action: moves.Action, nursery: trio.Nursery) -> None:
        held = self._state.credential
        match action:
            case moves.Publish():
                assert held is not None  # the machine publishes what it holds
                token = held.tokens.access_token
                self._headers = {"Authorization": f"Bearer {token}"}
            case moves.Unpublish():
                self._headers = {}
            case moves.PostRefresh():
                assert held is not None  # and refreshes it
                nursery.start_soon(self._refresh, held)
            case moves.StartLogin(header, wider):
                self._passing = False
                if self._allowance.allows(trio.current_time()):
                    self._logins += 1
                    self._login = trio.CancelScope()
                    nursery.start_soon(self._log_in, self._login, header, wider)
                else:
                    self._too_many_logins()
            case moves.ForgetRefresh():
                assert held is not None
                nursery.start_soon(self._forget_refresh, held)
            case moves.Erase(credential, reason):
                nursery.start_soon(self._take_out, credential, reason)
            case _:
                assert_never(action)

    # --- the tasks that talk to a provider ---

    async def _refresh(self, held: Credential) -> None:
        try:
            renewed = await self._account.refresh(held)
        except (OAuthError, StorageBusy) as error:
            self._refresh_failed(error)
            return
        self._stamp = await self._account.stored.stamp()
        if renewed is None:
            self._feed(moves.Gone())
            return
        self._count("refresh", "ok")
        self._feed(moves.Refreshed(renewed, self._rng.random()))
        self._log.emit(
            events.OAUTH_TOKEN_REFRESHED,
            expires_in=renewed.tokens.expires_in,
            generation=self._state.generation,
        )

    def _refresh_failed(self, error: OAuthError | StorageBusy) -> None:
        # A token endpoint may say anything; only the refusal of the grant is final.
        final = isinstance(error, GrantRefused)
        wish = error.retry_after if isinstance(error, ProviderUnavailable) else None
        self._count("refresh", error.code)
        self._feed(
            moves.RefreshFailed(
                error.public,
                transient=not final,
                retry_after=wish,
                chance=self._rng.random(),
            )
        )
        retry_in = None if final else round(self._state.due_in(self._now()), 1)
        self._log.emit(
            events.OAUTH_REFRESH_FAILED, error=error.public, retry_in=retry_in
        )

    async def _log_in(self, scope: trio.CancelScope, header: str, wider: bool) -> None:  # noqa: FBT001 - of the action
        with scope:
            try:
                credential = await self._account.log_in(
                    header, invite=self._invite, held=self._held(wider)
                )
            except OAuthError as error:
                self._login_failed(scope, error)
                return
            self._stamp = await self._account.stored.stamp()
            self._login = None
            self._count("login", "ok")
            self._feed(moves.LoggedIn(credential, self._rng.random()))
            if wider:
                scopes = credential.tokens.scope.split()
                self._log.emit(events.OAUTH_STEPPED_UP, scopes=scopes)
        if scope.cancelled_caught:
            self._login_over(scope, "it is not needed any more")

    def _too_many_logins(self) -> None:
        """The machine wants one more, and nobody is asked."""
        reason = f"it wanted more than {MOST} logins within {PERIOD / 60:g} minutes"
        name = self._account.settings.name
        self._count("login", "too_many")
        self._log.emit(
            events.OAUTH_LOGIN_FAILED,
            error=reason,
            rule="a server that keeps refusing new tokens opens no page after page",
            advice="find out why it refuses them, then run "
            f"'bridge oauth login {name}'",
        )
        self._feed(moves.LoginEnded(reason))

    def _held(self, wider: bool) -> tuple[str, ...]:  # noqa: FBT001 - of the action
        held = self._state.credential
        return tuple(held.tokens.scope.split()) if wider and held is not None else ()

    def _login_failed(self, scope: trio.CancelScope, error: OAuthError) -> None:
        self._passing = error.retryable
        self._count("login", error.code)
        self._log.emit(
            events.OAUTH_LOGIN_FAILED,
            error=error.public,
            asked=error.asked,
            answered=error.answered,
            rule=error.rule,
            advice=error.advice,
        )
        self._login_over(scope, error.public)

    def _login_over(self, scope: trio.CancelScope, reason: str) -> None:
        if self._login is scope:  # else another one has begun
            self._login = None
            self._feed(moves.LoginEnded(reason))

    async def _forget_refresh(self, held: Credential) -> None:
        await self._account.stored.forget_refresh(held)
        self._stamp = await self._account.stored.stamp()

    async def _take_out(self, expired: Credential, reason: str) -> None:
        await self._account.stored.take_out(expired, reason)
        self._stamp = await self._account.stored.stamp()

    async def _forget(self, held: Credential | None) -> None:
        await self._account.log_out(held)
        self._stamp = await self._account.stored.stamp()

    # --- what others are told ---

    def _invite(self, invitation: Invitation | None) -> None:
        self._invitation = invitation
        if invitation is not None:
            self._allowance.note(trio.current_time())
        self._show()
        self._answer()

    def _answer(self) -> None:
        """Tell the actor what it may count on, when that has changed or it asked."""
        verdict = self._verdict()
        if self._tell is None or verdict is None:
            return
        if verdict == self._told and self._asked_for is None:
            return
        self._told, self._asked_for = verdict, None
        self._tell(verdict)

    def _verdict(self) -> Verdict | None:
        """None: it is not certain yet."""
        state = self._state
        serving = state.serving and not state.refused
        if self._asked_for is not None and state.generation <= self._asked_for:
            serving = False  # it serves others, but not who asks
        match state.phase:
            case _ if serving:
                return link.BearerReady()
            case Phase.STALE | Phase.VALID:
                return link.RenewFailed(self._passing_reason())
            case Phase.LOGIN_REQUIRED if not self._is_certain():
                return None
            case Phase.LOGIN_REQUIRED if self._passing:
                return link.RenewFailed(state.reason)
            case Phase.LOGIN_REQUIRED:
                return link.LoginNeeded(self._how_to_log_in(), told=True)
            case _:
                return None

    def _is_certain(self) -> bool:
        """Whether a login waits for a person, or is over."""
        return self._invitation is not None or not self._state.logging_in

    def _how_to_log_in(self) -> str:
        """For whoever calls a tool: the login address is the operator's alone."""
        name = self._account.settings.name
        why = f" ({self._state.reason})" if self._state.reason else ""
        return f"waits for a login{why}: run 'bridge oauth login {name}'"

    def _show(self) -> None:
        """Publish a snapshot, and wake whoever waits for a change."""
        self._changed.set()
        self._changed = trio.Event()
        self._publish(
            status_of(
                self._state,
                name=self._account.settings.name,
                invitation=self._invitation,
                logins=self._logins,
                now=self._now(),
            )
        )
