"""The preflight: who gives tokens for an upstream, and who the bridge is there."""

from bridge.errors import DiscoveryFailed, OAuthError, RegistrationFailed
from bridge.oauth import pkce, registration
from bridge.oauth.challenge import BearerChallenge
from bridge.oauth.discovery import discover, nothing_found
from bridge.oauth.provider import Client, Discovered
from bridge.oauth.settings import OAuthSettings
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import WallClock
from bridge.upstream.dialogue import Dialogues
from bridge.upstream.stored_login import StoredLogin


class Preflight:
    """Says each step aloud in the guide's words (R143, R144)."""

    def __init__(
        self,
        settings: OAuthSettings,
        *,
        stored: StoredLogin,
        dialogues: Dialogues,
        clock: WallClock,
        log: Log,
    ) -> None:
        self._settings = settings
        self._stored = stored
        self._dialogues = dialogues
        self._clock = clock
        self._log = log

    async def run(self, asked: BearerChallenge) -> tuple[Discovered, Client]:
        """The provider and our client there. Raises OAuthError."""
        try:
            discovered = await self._discovered(asked)
            if self._settings.grant == "authorization_code":
                self._check_pkce(discovered)
            client = await self._identified(discovered)
        except OAuthError as error:
            self._say_why(error)
            raise
        self._log.emit(events.OAUTH_PREFLIGHT_PASSED)
        return discovered, client

    def _say_why(self, error: OAuthError) -> None:
        self._log.emit(events.OAUTH_PREFLIGHT_FAILED, reason=error.public)
        if not isinstance(error, DiscoveryFailed):
            return
        self._log.emit(events.OAUTH_DISCOVERY_FAILED, tried=list(error.tried))
        if not self._settings.issuer:
            self._log.emit(events.OAUTH_ISSUER_MISSING)

    async def _discovered(self, asked: BearerChallenge) -> Discovered:
        self._log.emit(events.OAUTH_DISCOVERY_STARTED, url=self._settings.server_url)
        discovered = await self._dialogues.perform(discover(self._settings, asked))
        issuer = discovered.provider.issuer
        if discovered.provider.source == "defaults":
            self._log.emit(events.OAUTH_DEFAULTS_USED, issuer=issuer)
        else:
            self._log.emit(events.OAUTH_ISSUER_DISCOVERED, issuer=issuer)
        return discovered

    def _check_pkce(self, discovered: Discovered) -> None:
        provider = discovered.provider
        if not pkce.check_pkce(provider, self._settings):
            self._log.emit(events.OAUTH_PKCE_UNADVERTISED, issuer=provider.issuer)

    async def _identified(self, discovered: Discovered) -> Client:
        provider = discovered.provider
        known = await self._stored.client(provider.issuer)
        identify = registration.identify(
            self._settings, provider, known=known, now=self._clock.now()
        )
        try:
            client = await self._dialogues.perform(identify)
        except RegistrationFailed as error:
            if provider.source == "defaults":  # a guess that was wrong (D6)
                raise nothing_found(self._settings, discovered.tried) from error
            raise
        self._log.hide(f"{self._settings.name} client", client.client_secret)
        if client.source == "registered" and client != known:
            self._log.emit(
                events.OAUTH_REGISTERED,
                issuer=provider.issuer,
                client=client.client_id,
            )
            await self._stored.keep_client(client)
        return client
