"""A person logs in: in the browser of this machine, or with a code on any device."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
import trio

from bridge.contract.login import Attendance, LoginDesk
from bridge.errors import LoginTimedOut, OAuthError
from bridge.oauth import authorization, device, token
from bridge.oauth.address import for_browser
from bridge.oauth.authorization import Attempt
from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.http import Steps
from bridge.oauth.provider import Client, Discovered
from bridge.oauth.settings import OAuthSettings
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import Browser, Entropy, WallClock
from bridge.upstream.dialogue import Dialogues

#: R94: how long a person may take.
LOGIN_PATIENCE = 300.0

#: Gets tokens and stores them, as one act.
Persist = Callable[[Steps[TokenSet]], Awaitable[Credential]]


class Invitation(msgspec.Struct, frozen=True):
    """Where a person is to log in, and the code to type there, if any."""

    url: str
    user_code: str = ""


#: Told the address to open, and None when there is nothing to open any more.
Invite = Callable[[Invitation | None], None]


class Reception(msgspec.Struct, frozen=True, kw_only=True):
    """Where a person meets the bridge."""

    desk: LoginDesk
    browser: Browser


class PersonLogin:
    """One login by a person, from the invitation to the stored tokens."""

    def __init__(
        self,
        settings: OAuthSettings,
        reception: Reception,
        *,
        dialogues: Dialogues,
        entropy: Entropy,
        clock: WallClock,
        log: Log,
        persist: Persist,
        invite: Invite,
    ) -> None:
        self._settings = settings
        self._reception = reception
        self._dialogues = dialogues
        self._entropy = entropy
        self._clock = clock
        self._log = log
        self._persist = persist
        self._invite = invite

    # --- authorization code ---

    async def in_browser(
        self, discovered: Discovered, client: Client, *, scopes: tuple[str, ...]
    ) -> Credential:
        """RFC 6749 section 4.1 with PKCE, as RFC 8252 has native programs do it."""
        attempt = authorization.begin(
            self._settings,
            discovered,
            client,
            scopes=scopes,
            new_token=self._entropy.token,
        )
        self._log.hide(self._owner, attempt.state, attempt.verifier)
        async with self._reception.desk.attend(attempt.state) as attendance:
            parameters = await self._redirected(attendance, attempt.url)
            code = self._code(attendance, attempt, parameters)
            return await self._exchanged(attendance, attempt, code)

    async def _redirected(self, attendance: Attendance, url: str) -> Mapping[str, str]:
        self._log.emit(events.OAUTH_LOGIN_STARTED)
        self._log.emit(
            events.OAUTH_LOGIN_REQUIRED,
            login_url=url,
            reason="open this address to log in",
        )
        self._invite(Invitation(url))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._open, url)
                with trio.move_on_after(LOGIN_PATIENCE):
                    parameters = await attendance.redirected()
                    nursery.cancel_scope.cancel()
                    return parameters
                nursery.cancel_scope.cancel()
        finally:
            self._invite(None)
        raise _too_late()

    async def _open(self, url: str) -> None:
        if not await self._reception.browser.open(for_browser(url)):
            self._log.emit(
                events.OAUTH_BROWSER_MISSING,
                reason="none could be opened here; open the login address by hand",
            )

    def _code(
        self, attendance: Attendance, attempt: Attempt, parameters: Mapping[str, str]
    ) -> str:
        try:
            code = authorization.accept(attempt, parameters)
        except OAuthError:
            attendance.answer(success=False)
            raise
        self._log.hide(self._owner, attempt.verifier, code)
        return code

    async def _exchanged(
        self, attendance: Attendance, attempt: Attempt, code: str
    ) -> Credential:
        try:
            credential = await self._persist(
                token.exchange(
                    attempt,
                    self._settings,
                    code,
                    now_of=self._clock.now,
                    new_token=self._entropy.token,
                )
            )
        except BaseException:
            attendance.answer(success=False)
            raise
        attendance.answer(success=True)
        return credential

    # --- device code ---

    async def on_device(
        self, discovered: Discovered, client: Client, *, scopes: tuple[str, ...]
    ) -> Credential:
        """RFC 8628: a code to type on any device; the token endpoint is asked."""
        granted = await self._dialogues.perform(
            device.ask(
                self._settings,
                discovered,
                client,
                scopes=scopes,
                now_of=self._clock.now,
                new_token=self._entropy.token,
            )
        )
        self._log.hide(self._owner, granted.device_code)
        self._log.emit(
            events.OAUTH_DEVICE_CODE,
            login_url=granted.verification_uri,
            shown_code=granted.user_code,
            seconds=round(granted.expires_at - self._clock.now()),
        )
        self._invite(Invitation(granted.verification_uri, granted.user_code))
        try:
            return await self._polled(granted, discovered, client)
        finally:
            self._invite(None)

    async def _polled(
        self, granted: device.DeviceCode, discovered: Discovered, client: Client
    ) -> Credential:
        # The code itself expires, and `poll` says so.
        said: TokenSet | float = granted.interval
        with trio.move_on_after(LOGIN_PATIENCE):
            while not isinstance(said, TokenSet):
                await trio.sleep(said)
                said = await self._dialogues.perform(
                    device.poll(
                        granted,
                        self._settings,
                        discovered,
                        client,
                        now_of=self._clock.now,
                        new_token=self._entropy.token,
                    )
                )
        if not isinstance(said, TokenSet):
            raise _too_late()
        return await self._persist(_given(said))

    @property
    def _owner(self) -> str:
        return f"{self._settings.name} login"


def _given(tokens: TokenSet) -> Steps[TokenSet]:
    """Tokens that are there already, as a dialogue without a word."""
    yield from ()
    return tokens


def _too_late() -> LoginTimedOut:
    return LoginTimedOut(
        f"nobody logged in within {LOGIN_PATIENCE / 60:g} minutes",
        rule="a login is waited for that long and no longer",
        advice="start it again with 'bridge oauth login'; the provider's page may have "
        "shown why it did not send you back",
    )
