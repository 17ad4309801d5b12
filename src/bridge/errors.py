"""The error tree: each class says what the caller can do next.

Every class has a stable ``code`` (documented in ``docs/errors.md``), a ``public``
sentence that is free of secrets, and ``retryable``: whether the same request may
succeed later without anybody changing anything. Libraries' exceptions are mapped
into this tree once, at the edge of the room that uses the library.
"""

from typing import ClassVar, TypedDict, Unpack


class BridgeError(Exception):
    """The root. ``public`` may be shown to anyone the request belongs to."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, public: str) -> None:
        super().__init__(public)
        self.public = public


class Problem:
    """One thing wrong with a configuration: where, why, and what to do."""

    __slots__ = ("at", "fatal", "hint", "path", "reason", "server")

    def __init__(
        self,
        path: str,
        reason: str,
        *,
        hint: str = "",
        server: str | None = None,
        fatal: bool = True,
        at: tuple[int, int] | None = None,
    ) -> None:
        self.path = path  # JSON path, such as "mcpServers.time.command"
        self.reason = reason
        self.hint = hint
        self.server = server  # set: only this server is left out (R7)
        self.fatal = fatal  # False: a warning
        self.at = at  # line and column in the file, where it stands in one

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(BridgeError):
    """Start-up is refused; all problems are reported together."""

    code = "config.invalid"

    def __init__(self, public: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(public)
        self.problems = problems


class ProtocolError(BridgeError):
    """The peer sent something that is not the protocol."""

    code = "protocol.invalid"


class FrameInvalid(ProtocolError):
    """Not one JSON-RPC message. ``parse`` tells bad JSON from a bad envelope."""

    code = "protocol.frame_invalid"

    def __init__(self, public: str, *, parse: bool = False) -> None:
        super().__init__(public)
        self.parse = parse


class FrameTooLarge(ProtocolError):
    """A message over the size limit."""

    code = "protocol.frame_too_large"


class RevisionUnsupported(ProtocolError):
    """No protocol revision in common."""

    code = "protocol.revision_unsupported"


class LinkError(BridgeError):
    """The transport to an upstream failed."""

    code = "link.failed"
    retryable = True


class ConnectFailed(LinkError):
    """The link could not be opened. ``retry_after`` is the server's own wish, in s."""

    code = "link.connect_failed"

    def __init__(self, public: str, *, retry_after: float | None = None) -> None:
        super().__init__(public)
        self.retry_after = retry_after


class DestinationRefused(LinkError):
    """The address may not be asked by our own rule; nothing was sent (threat D7)."""

    code = "link.destination_refused"
    retryable = False


class LinkLost(LinkError):
    """An open link ended. Requests handed over may or may not have run."""

    code = "link.lost"


class LinkBusy(LinkError):
    """The link's outgoing queue is full; the frame was not taken."""

    code = "link.busy"


class LinkTimeout(LinkError):
    """The other side did not do its part in time."""

    code = "link.timeout"


class AnswerUnreadable(LinkError):
    """The answer to a request came, and is no message; the link itself is well."""

    code = "link.answer_unreadable"
    retryable = False


class SessionLost(LinkError):
    """The upstream no longer knows our session (404); the request did not run."""

    code = "link.session_lost"


class RequestRefused(LinkError):
    """One request was refused by HTTP; the link itself is well.

    ``status`` is the HTTP status, ``retry_after`` the server's wish in seconds.
    """

    code = "link.request_refused"

    def __init__(
        self, public: str, *, status: int, retry_after: float | None = None
    ) -> None:
        super().__init__(public)
        self.status = status
        self.retry_after = retry_after


class Unauthorized(LinkError):
    """401 from the upstream. ``challenge`` is its WWW-Authenticate header.

    ``generation``: of the token that was refused, 0 when none was sent. ``passing``:
    why no better one can be had for the moment; empty: somebody has to act, as
    ``advice`` says.
    """

    code = "link.unauthorized"
    retryable = False

    def __init__(
        self,
        public: str,
        *,
        challenge: str = "",
        generation: int = 0,
        passing: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(public)
        self.challenge = challenge
        self.generation = generation
        self.passing = passing
        self.advice = advice


class Forbidden(LinkError):
    """403 from the upstream. ``challenge`` is its WWW-Authenticate header."""

    code = "link.forbidden"
    retryable = False

    def __init__(self, public: str, *, challenge: str = "") -> None:
        super().__init__(public)
        self.challenge = challenge


class RoutingError(BridgeError):
    """A call that got no answer from its upstream.

    ``written``: it may have reached it, so nobody knows whether it ran. Otherwise it
    was not executed, and will not be.
    """

    code = "routing.failed"
    written: bool = False


class UnknownName(RoutingError):
    """Nothing of that name, or not for this caller: the same sentence for both."""

    code = "routing.unknown_name"


class UpstreamUnavailable(RoutingError):
    """The upstream is down. ``retry_after`` in seconds."""

    code = "routing.upstream_unavailable"
    retryable = True

    def __init__(
        self,
        public: str,
        *,
        upstream: str,
        state: str,
        retry_after: float | None = None,
        written: bool = False,
    ) -> None:
        super().__init__(public)
        self.upstream = upstream
        self.state = state
        self.retry_after = retry_after
        self.written = written


class LoginNeeded(UpstreamUnavailable):
    """The upstream wants a login by the operator; nothing was executed."""

    code = "routing.login_needed"
    retryable = False


class HeldBack(UpstreamUnavailable):
    """What is called is not approved as it is now; nothing was executed."""

    code = "routing.held_back"
    retryable = False


class CircuitOpen(UpstreamUnavailable):
    """The upstream answered only errors and is left alone; nothing was executed."""

    code = "routing.circuit_open"


class UpstreamPaused(UpstreamUnavailable):
    """The upstream asked for patience (Retry-After); nothing was executed."""

    code = "routing.upstream_paused"


class UpstreamLost(RoutingError):
    """The link was lost under the call."""

    code = "routing.upstream_lost"

    def __init__(self, public: str, *, upstream: str, written: bool) -> None:
        super().__init__(public)
        self.upstream = upstream
        self.written = written


class Overloaded(RoutingError):
    """A bound was reached; nothing was executed. ``retry_after`` in seconds."""

    code = "routing.overloaded"
    retryable = True

    def __init__(
        self, public: str, *, upstream: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(public)
        self.upstream = upstream
        self.retry_after = retry_after


class RateLimited(Overloaded):
    """More calls per second than configured (``rateLimit``); nothing was executed."""

    code = "routing.rate_limited"


class CallTimeout(RoutingError):
    """The call's deadline passed."""

    code = "routing.call_timeout"

    def __init__(self, public: str, *, upstream: str, written: bool = True) -> None:
        super().__init__(public)
        self.upstream = upstream
        self.written = written


class GuardError(BridgeError):
    """A request refused at the door."""

    code = "guard.refused"


class TokenMissing(GuardError):
    """No bearer token (401 without ``error``)."""

    code = "guard.token_missing"


class TokenInvalid(GuardError):
    """A bearer token that fails a check (401, ``error="invalid_token"``).

    ``public`` is for the log; the answer never repeats token content.
    """

    code = "guard.token_invalid"


class ScopeInsufficient(GuardError):
    """A good token without a needed scope (403). ``scopes``: all that are needed."""

    code = "guard.scope_insufficient"

    def __init__(self, public: str, *, scopes: tuple[str, ...]) -> None:
        super().__init__(public)
        self.scopes = scopes


class KeysUnavailable(GuardError):
    """The identity provider's keys cannot be had now (503)."""

    code = "guard.keys_unavailable"
    retryable = True


class OriginRefused(GuardError):
    """Host or Origin is not allowed (403 or 421)."""

    code = "guard.origin_refused"


class StorageError(BridgeError):
    """The token store could not read or write."""

    code = "storage.failed"


class StorageBusy(StorageError):
    """Another process holds a stored login, and does not let go in time."""

    code = "storage.busy"
    retryable = True


class Explanation(TypedDict, total=False):
    """The texts of an `OAuthError`."""

    asked: str
    answered: str
    rule: str
    advice: str


class OAuthError(BridgeError):
    """A step towards a token failed. The four texts are for people and hold no secret.

    ``asked``: what was requested (method and address, no query), ``answered``: what
    came back (status, error code, redacted), ``rule``: what it breaks (with its RFC),
    ``advice``: what to change. Any may be empty.
    """

    code = "oauth.failed"

    def __init__(
        self,
        public: str,
        *,
        asked: str = "",
        answered: str = "",
        rule: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(public)
        self.asked = asked
        self.answered = answered
        self.rule = rule
        self.advice = advice


class ProviderUnavailable(OAuthError):
    """No answer, 408, 429 or 5xx: nothing is decided, the same step may work later.

    ``retry_after``: the provider's own wish in seconds.
    """

    code = "oauth.provider_unavailable"
    retryable = True

    def __init__(
        self,
        public: str,
        *,
        retry_after: float | None = None,
        **explanation: Unpack[Explanation],
    ) -> None:
        super().__init__(public, **explanation)
        self.retry_after = retry_after


class DiscoveryFailed(OAuthError):
    """No authorization server was found. ``tried``: ``<address> (<status>)`` texts."""

    code = "oauth.discovery_failed"

    def __init__(
        self,
        public: str,
        *,
        tried: tuple[str, ...] = (),
        **explanation: Unpack[Explanation],
    ) -> None:
        super().__init__(public, **explanation)
        self.tried = tried


class IssuerRefused(OAuthError):
    """The authorization server is not the one it must be (R72, R74, D2, D4)."""

    code = "oauth.issuer_refused"


class AddressRefused(OAuthError):
    """An address that must not be asked or opened (R75, R151, threats D6, D7)."""

    code = "oauth.address_refused"


class PkceUnsupported(OAuthError):
    """The server does not offer, or refuses, PKCE with S256 (R82, R95)."""

    code = "oauth.pkce_unsupported"


class RegistrationFailed(OAuthError):
    """There is no client to log in as."""

    code = "oauth.registration_failed"


class LoginFailed(OAuthError):
    """The login ended without a token: denied, forged, timed out, refused exchange."""

    code = "oauth.login_failed"


class LoginTimedOut(LoginFailed):
    """Nobody came back from the provider in time (R94)."""

    code = "oauth.login_timed_out"


class CallbackUnavailable(OAuthError):
    """The port of the login callback cannot be had (R87)."""

    code = "oauth.callback_unavailable"


class GrantRefused(OAuthError):
    """The token endpoint refuses for good: ``error`` is its code (invalid_grant)."""

    code = "oauth.grant_refused"

    def __init__(
        self,
        public: str,
        *,
        error: str,
        **explanation: Unpack[Explanation],
    ) -> None:
        super().__init__(public, **explanation)
        self.error = error


class TokenAnswerInvalid(OAuthError):
    """What the token endpoint sent is no token answer (threats D9)."""

    code = "oauth.token_answer_invalid"
