"""The account of the bridge at one upstream: log in, refresh, log out, remember.

One procedure each, for whoever owns the tokens: the upstream's actor
(`bridge.upstream.credentials`), or the command line where no bridge runs.
"""

from functools import partial

import msgspec
import trio
from msgspec.structs import replace

from bridge.errors import (
    GrantRefused,
    LoginTimedOut,
    OAuthError,
    ProviderUnavailable,
)
from bridge.http import Fetcher
from bridge.oauth import authorization, challenge, revocation, token
from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.http import Steps
from bridge.oauth.provider import Client, Discovered
from bridge.oauth.settings import OAuthSettings
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import Entropy, WallClock
from bridge.upstream.dialogue import Dialogues
from bridge.upstream.login import Invite, Persist, PersonLogin, Reception
from bridge.upstream.preflight import Preflight
from bridge.upstream.stored_login import StoredLogin
from bridge.upstream.token_store import Shelf
from bridge.upstream.turns import Turns

#: From the request to the answer. Shielded, and so is the way to the file: a rotated
#: refresh token that is lost there is a login lost.
_EXCHANGE_DEADLINE = 15.0
_FORGOTTEN = frozenset({"invalid_client", "unauthorized_client"})


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What an account asks of the world."""

    fetcher: Fetcher
    reception: Reception
    entropy: Entropy
    clock: WallClock
    shelf: Shelf
    turns: Turns


class Account:
    """Who the bridge is at one upstream."""

    def __init__(self, settings: OAuthSettings, world: World, *, log: Log) -> None:
        self.settings = settings
        self._world = world
        self._log = log.bind(upstream=settings.name)
        self.stored = StoredLogin(world.shelf, settings, log=self._log)
        self.dialogues = Dialogues(world.fetcher, world.turns, log=self._log)
        self.preflight = Preflight(
            settings,
            stored=self.stored,
            dialogues=self.dialogues,
            clock=world.clock,
            log=self._log,
        )

    async def log_in(
        self, header: str, *, invite: Invite, held: tuple[str, ...] = ()
    ) -> Credential:
        """New tokens, stored. ``header``: the server's WWW-Authenticate, if any;
        ``held``: scopes to keep beside those it wants.

        Raises OAuthError: also for a person who does not come back in time.
        """
        asked = challenge.bearer(header)
        discovered, client = await self.preflight.run(asked)
        scopes = authorization.scopes_for(self.settings, discovered, asked, held=held)
        try:
            return await self._obtained(
                discovered, client, scopes=scopes, invite=invite
            )
        except LoginTimedOut:
            # A provider that forgot us shows an error page and sends nobody back.
            await self.stored.forget_client(client)
            raise
        except GrantRefused as error:
            await self._heed(error, client)
            raise

    async def refresh(self, held: Credential) -> Credential | None:
        """New tokens for ``held``, stored; those another process stored, if it was
        first; None when the stored login was taken away by hand.

        Raises OAuthError, and StorageBusy: one owner at a time across processes, for
        two refreshes at once end a login where refresh tokens rotate (threats D10).
        """
        async with self.stored.held():
            had = self.stored.exists and self.stored.unsaved is None
            found = await self.stored.load()
            if had and not self.stored.exists:
                return None
            newest = self.stored.unsaved or found
            if newest is not None and _is_another(newest, held):
                return newest
            if newest is not None and newest.tokens.refresh_token:
                held = newest  # some providers rotate the refresh token alone
            elif newest is not None and held.tokens.refresh_token:
                raise GrantRefused(
                    "its provider refused the refresh token to another owner of this "
                    "login, such as a second bridge",
                    error="invalid_grant",
                )
            try:
                return await self._persisted(held, self._refreshing(held))
            except GrantRefused as error:
                await self._heed(error, held.client)
                raise

    async def log_out(self, held: Credential | None) -> bool:
        """Erase, and revoke where the provider can (RFC 7009). True: revoked.

        In this order: a provider that is slow to answer keeps no login here, and what
        somebody logs in to meanwhile stays.
        """
        async with self.stored.held_at_best():
            # A refresh that was under way has brought newer ones.
            newest = self.stored.unsaved or await self.stored.load() or held
            await self.stored.erase("logged out")
        revoked = newest is not None and await self._revoked(newest)
        scopes = [] if newest is None else newest.tokens.scope.split()
        self._log.emit(events.OAUTH_LOGGED_OUT, scopes=scopes)
        return revoked

    async def _obtained(
        self,
        discovered: Discovered,
        client: Client,
        *,
        scopes: tuple[str, ...],
        invite: Invite,
    ) -> Credential:
        persist = self._persist_for(discovered, client)
        if self.settings.grant == "client_credentials":
            return await persist(self._as_client(discovered, client, scopes))
        login = PersonLogin(
            self.settings,
            self._world.reception,
            dialogues=self.dialogues,
            entropy=self._world.entropy,
            clock=self._world.clock,
            log=self._log,
            persist=persist,
            invite=invite,
        )
        way = login.in_browser
        if self.settings.grant == "device_code":
            way = login.on_device
        credential = await way(discovered, client, scopes=scopes)
        self._log.emit(
            events.OAUTH_LOGIN_COMPLETED, scopes=credential.tokens.scope.split()
        )
        return credential

    def _persist_for(self, discovered: Discovered, client: Client) -> Persist:
        base = Credential(
            tokens=TokenSet(access_token="", created_at=0.0),
            provider=discovered.provider,
            client=client,
            resource=discovered.resource,
        )
        return partial(self._persist, base)

    async def _persist(self, base: Credential, steps: Steps[TokenSet]) -> Credential:
        async with self.stored.held_at_best():
            return await self._persisted(base, steps)

    async def _persisted(self, base: Credential, steps: Steps[TokenSet]) -> Credential:
        """Tokens that come are stored, whatever is cancelled meanwhile."""
        credential = base
        with trio.CancelScope(shield=True):
            credential = replace(base, tokens=await self._answered(base, steps))
            await self.stored.keep(credential)
        return credential

    async def _answered(self, base: Credential, steps: Steps[TokenSet]) -> TokenSet:
        try:
            with trio.fail_after(_EXCHANGE_DEADLINE):
                return await self.dialogues.perform(steps)
        except trio.TooSlowError as late:
            raise ProviderUnavailable(
                f"{base.issuer} gave no tokens within {_EXCHANGE_DEADLINE:g} s"
            ) from late

    def _as_client(
        self, discovered: Discovered, client: Client, scopes: tuple[str, ...]
    ) -> Steps[TokenSet]:
        return token.client_credentials(
            self.settings,
            discovered,
            client,
            scopes=scopes,
            now_of=self._world.clock.now,
            new_token=self._world.entropy.token,
        )

    def _refreshing(self, held: Credential) -> Steps[TokenSet]:
        if self.settings.grant == "client_credentials":
            discovered = Discovered(provider=held.provider, resource=held.resource)
            scopes = tuple(held.tokens.scope.split())
            return self._as_client(discovered, held.client, scopes)
        return token.refresh(
            held,
            self.settings,
            now_of=self._world.clock.now,
            new_token=self._world.entropy.token,
        )

    async def _revoked(self, held: Credential) -> bool:
        if not held.provider.token_endpoint:
            return False
        steps = revocation.revoke(
            held,
            self.settings,
            now_of=self._world.clock.now,
            new_token=self._world.entropy.token,
        )
        try:
            return await self.dialogues.perform(steps)
        except OAuthError as error:
            self._log.emit(events.OAUTH_REVOCATION_FAILED, error=error.public)
            return False

    async def _heed(self, error: GrantRefused, client: Client) -> None:
        """A provider that no longer knows us is asked to know us anew."""
        if error.error in _FORGOTTEN:
            await self.stored.forget_client(client)


def _is_another(found: Credential, held: Credential) -> bool:
    """Somebody was first. Dates are not asked: clocks are set back (threats D13)."""
    return found.tokens.access_token != held.tokens.access_token
