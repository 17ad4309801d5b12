"""The check at the door of every endpoint: no request passes without a principal."""

from typing import Protocol
from urllib.parse import unquote_plus

import msgspec
import trio

from bridge.contract.access import NO_TOKEN, Entitlement
from bridge.contract.principal import ANONYMOUS, Principal
from bridge.downstream.message import DoubledHeader, Request
from bridge.errors import GuardError, TokenMissing
from bridge.identity.claims import Verified
from bridge.identity.keyset import KeySnapshot
from bridge.identity.policy import TokenPolicy
from bridge.identity.refusal import Reason, TokenRefused, UnknownKey
from bridge.identity.verified import VerifiedTokens
from bridge.identity.verifier import verify
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import WallClock

#: Refusals logged per window; a flood of bad tokens must not become a flood of lines.
LOGGED_PER_WINDOW = 20
WINDOW = 10.0


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Who came in, and what the token says it may. ``expires_at`` is its ``exp`` in
    epoch seconds, without the leeway; None: never (authentication is off)."""

    principal: Principal
    entitlement: Entitlement = NO_TOKEN
    expires_at: float | None = None


class Door(Protocol):
    """What an endpoint asks first."""

    async def admit(self, request: Request) -> Admission:
        """Who this is. Raises `GuardError`; see `bridge.downstream.challenge`."""
        ...


class Keys(Protocol):
    """What the guard needs of `bridge.identity.keys.KeyCache`."""

    @property
    def snapshot(self) -> KeySnapshot: ...

    async def lookup(self, kid: str | None) -> KeySnapshot: ...


class NoGuard:
    """Everybody is `ANONYMOUS`: authentication is off by name, on loopback only."""

    async def admit(self, request: Request) -> Admission:  # noqa: ARG002 - the Door's
        return Admission(principal=ANONYMOUS)


class Guard:
    """Verifies the bearer token of each request."""

    def __init__(
        self, *, policy: TokenPolicy, keys: Keys, clock: WallClock, log: Log
    ) -> None:
        self._policy = policy
        self._keys = keys
        self._clock = clock
        self._verified = VerifiedTokens()
        self._refusals = RefusalLog(log)

    async def admit(self, request: Request) -> Admission:
        """Who this is. Waits only when the token names an unknown key."""
        try:
            verified = await self._verify(bearer_of(request))
        except GuardError as error:
            self._refusals.say(error, request)
            raise
        return Admission(
            principal=verified.principal,
            entitlement=Entitlement(verified.scopes, verified.claims),
            expires_at=verified.expires_at,
        )

    async def _verify(self, token: str) -> Verified:
        try:
            return self._judge(token, self._keys.snapshot)
        except UnknownKey as unknown:
            kid = unknown.kid
        return self._judge(token, await self._keys.lookup(kid))

    def _judge(self, token: str, keys: KeySnapshot) -> Verified:
        now = self._clock.now()
        known = self._verified.find(token, keys, now=now)
        if known is not None:
            return known
        verified = verify(token, keys, policy=self._policy, now=now)
        self._verified.keep(token, verified, keys=keys, now=now)
        return verified


class RefusalLog:
    """Says why requests were refused, a bounded number of times per window."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._window_ends = 0.0
        self._said = 0
        self._suppressed = 0

    def say(self, error: GuardError, request: Request) -> None:
        """One line, or one more in the count of those left out."""
        now = trio.current_time()
        if now >= self._window_ends:
            self._window_ends, self._said = now + WINDOW, 0
        if self._said >= LOGGED_PER_WINDOW:
            self._suppressed += 1
            return
        self._said += 1
        suppressed, self._suppressed = self._suppressed, 0
        self._log.emit(
            events.GUARD_REFUSED,
            error=error.code,
            reason=error.public,
            peer=request.peer,
            path=request.path,
            suppressed=suppressed,
        )


def bearer_of(request: Request) -> str:
    """The bearer token of a request.

    Only one ``Authorization`` header counts, its scheme in any case. Raises
    `TokenMissing` when there is none, and `TokenRefused` when a token comes twice or
    in the query: addresses end in logs and histories.
    """
    if _has_query_token(request.query):
        raise TokenRefused(Reason.CARRIAGE)
    try:
        value = request.header("authorization")
    except DoubledHeader:
        raise TokenRefused(Reason.CARRIAGE) from None
    scheme, _, token = (value or "").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing("the request has no bearer token")
    return token


def _has_query_token(query: str) -> bool:
    names = (pair.partition("=")[0] for pair in query.split("&"))
    return any(unquote_plus(name).lower() == "access_token" for name in names)
