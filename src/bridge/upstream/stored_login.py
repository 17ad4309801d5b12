"""The stored login of one upstream, as its account uses it.

Trouble with the disk never ends a login: it is said aloud, what could not be stored is
kept in memory and tried again (threats D12, E4).
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import trio
from msgspec.structs import replace

from bridge.errors import StorageBusy, StorageError
from bridge.oauth.credential import Credential
from bridge.oauth.provider import Client
from bridge.oauth.settings import OAuthSettings
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.upstream.token_store import Shelf, Unsaved

_STORE_DEADLINE = 10.0


class StoredLogin:
    """``exists``: a login of this configuration was in the store when last seen.
    ``trouble``: why the store could not be used the last time; empty when it could.
    """

    def __init__(self, shelf: Shelf, settings: OAuthSettings, *, log: Log) -> None:
        self._shelf = shelf
        self._settings = settings
        self._log = log
        self._waiting = shelf.unsaved
        self.exists = False
        self.trouble = ""

    @property
    def url_hash(self) -> str:
        return self._shelf.url_hash

    async def load(self) -> Credential | None:
        """The login, if it is of the issuer and the client that are configured."""
        try:
            found = await self._shelf.load()
        except StorageError as error:
            self._trouble(error)
            return None
        self.trouble = ""
        if found is None or not self._is_ours(found):
            self.exists = False
            return None
        self.exists = True
        return self.hidden(self._with_secret(found))

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """One owner across processes. A store that has no lock is survived.

        Raises StorageBusy: another process has it, and does not let go.
        """
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._shelf.hold())
            except StorageBusy:
                raise
            except StorageError as error:
                self._trouble(error)
            yield

    @asynccontextmanager
    async def held_at_best(self) -> AsyncGenerator[None]:
        """`held`, for what depends on no token of before: it goes on all the same."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.held())
            except StorageBusy as error:
                self._trouble(error)
            yield

    async def keep(self, credential: Credential) -> None:
        """Store it, or keep it until it can be stored."""
        self._waiting.credential = self.hidden(credential)
        await self.save_again()

    async def save_again(self) -> None:
        """Store what could not be stored, if there is such."""
        if self._waiting.credential is None:
            return
        try:
            with trio.fail_after(_STORE_DEADLINE):
                async with self._waiting.lock:
                    await self._save(self._waiting)
        except trio.TooSlowError:
            # A disk that hangs costs time, not the tokens.
            late = f"the token store took longer than {_STORE_DEADLINE:g} s"
            self._trouble(StorageError(late))
            return
        except StorageError as error:
            self._trouble(error)

    async def _save(self, waiting: Unsaved) -> None:
        credential = waiting.credential
        if credential is None:
            return  # another edition of the upstream has stored it meanwhile
        await self._shelf.save(self._without_secret(credential))
        if waiting.credential is credential:
            waiting.credential = None
        self.exists = True
        self.trouble = ""
        self._log.emit(events.OAUTH_TOKENS_SAVED, url_hash=self.url_hash)

    @property
    def unsaved(self) -> Credential | None:
        """What could not be stored yet."""
        return self._waiting.credential

    async def forget_refresh(self, refused: Credential) -> None:
        """Keep the login without the refresh token its provider refused."""
        async with self.held_at_best():
            stored = self.unsaved or await self.load()
            if stored is not None and stored.tokens == refused.tokens:
                bare = replace(stored.tokens, refresh_token="")
                await self.keep(replace(stored, tokens=bare))

    async def take_out(self, expired: Credential, reason: str) -> None:
        """Erase this very login; one that another process stored meanwhile stays."""
        async with self.held_at_best():
            stored = self.unsaved or await self.load()
            if stored is not None and stored.tokens == expired.tokens:
                await self.erase(reason)

    async def erase(self, reason: str) -> None:
        """Take the login out of the store."""
        self.exists = False
        try:
            async with self._waiting.lock:
                self._waiting.credential = None
                erased = await self._shelf.erase()
        except StorageError as error:
            self._trouble(error)
            return
        self.trouble = ""
        if erased:
            self._log.emit(
                events.OAUTH_TOKENS_ERASED, url_hash=self.url_hash, reason=reason
            )

    async def stamp(self) -> str | None:
        """Changes with the stored login; None: the store cannot be asked now."""
        try:
            return await self._shelf.stamp()
        except StorageError:
            return None  # said aloud by the next load or save

    async def client(self, issuer: str) -> Client | None:
        """The registration at ``issuer``."""
        try:
            return await self._shelf.load_client(issuer)
        except StorageError as error:
            self._trouble(error)
            return None

    async def keep_client(self, client: Client) -> None:
        """Keep a registration."""
        try:
            await self._shelf.save_client(client)
        except StorageError as error:
            self._trouble(error)

    async def forget_client(self, client: Client) -> None:
        """Forget a registration its provider no longer knows."""
        if client.source != "registered":
            return
        try:
            await self._shelf.erase_client(client.issuer)
        except StorageError as error:
            self._trouble(error)

    def hidden(self, credential: Credential) -> Credential:
        """From now on no log line shows these secrets."""
        tokens, name = credential.tokens, self._settings.name
        self._log.hide(f"{name} tokens", tokens.access_token, tokens.refresh_token)
        self._log.hide(f"{name} client", credential.client.client_secret)
        return credential

    def _is_ours(self, found: Credential) -> bool:
        wanted, issuer = self._settings.client_id, self._settings.issuer
        if wanted and found.client.client_id not in {"", wanted}:
            return False
        if not (issuer and self._settings.pin_issuer):
            return True
        return found.issuer.rstrip("/") in {"", issuer.rstrip("/")}

    def _with_secret(self, found: Credential) -> Credential:
        """A configured secret is read from the configuration, and only there (R24)."""
        if found.client.source != "configured":
            return found
        secret = self._settings.client_secret
        return replace(found, client=replace(found.client, client_secret=secret))

    def _without_secret(self, credential: Credential) -> Credential:
        if credential.client.source != "configured":
            return credential
        client = replace(credential.client, client_secret="")
        return replace(credential, client=client)

    def _trouble(self, error: StorageError) -> None:
        self.trouble = error.public
        self._log.emit(events.OAUTH_STORE_TROUBLE, reason=error.public)
