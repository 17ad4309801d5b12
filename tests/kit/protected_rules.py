"""How a simulated protected server guards its door, and what it counted there."""

from collections import Counter
from typing import Literal

import msgspec

from kit.provider import StrictProvider
from kit.provider_rules import Breaches
from kit.provider_tokens import AccessToken
from kit.scripted_http import Asked


class Door(msgspec.Struct, kw_only=True):
    """What is demanded, and how a refusal is put. May be changed at any time."""

    #: Of every request, whatever it asks for.
    scopes: tuple[str, ...] = ()
    #: Of calls to a tool, besides: 403 ``insufficient_scope`` without them.
    tool_scopes: dict[str, tuple[str, ...]] = msgspec.field(
        default_factory=dict[str, tuple[str, ...]]
    )
    #: What WWW-Authenticate says: with ``resource_metadata``, without, or no header.
    challenge: Literal["full", "no_metadata", "none"] = "full"
    #: ``scope`` of a 401's challenge; empty: not said.
    challenge_scope: tuple[str, ...] = ()
    #: ``error="invalid_token"`` where a token was sent (RFC 6750 section 3.1).
    says_error: bool = True
    #: Where RFC 9728 metadata is found: inserted before the path, or at the root.
    metadata_at: frozenset[Literal["path", "root"]] = frozenset({"path"})
    #: Members of that metadata that differ; OMIT leaves out.
    metadata_changes: dict[str, object] = msgspec.field(
        default_factory=dict[str, object]
    )
    #: MCP methods anybody may post, as servers do that guard their tools only.
    open_methods: frozenset[str] = frozenset()
    #: Open event streams end with the token they were opened with.
    streams_end_with_token: bool = False


class Traffic(msgspec.Struct, kw_only=True):
    """What came through the door, and what did not."""

    served: int = 0  # requests let in
    calls: int = 0  # tools/call answered
    unauthorized: int = 0  # 401s
    forbidden: int = 0  # 403s
    without_token: int = 0  # requests, each answered 401
    metadata: int = 0
    requests_of: Counter[str] = msgspec.field(default_factory=Counter[str])
    refusals_of: Counter[str] = msgspec.field(default_factory=Counter[str])


class Guard:
    """Knows whose tokens are good for one resource."""

    def __init__(
        self,
        providers: tuple[StrictProvider, ...],
        *,
        resource: str,
        breaches: Breaches,
    ) -> None:
        self.resource = resource
        self._providers = providers
        self._former: tuple[StrictProvider, ...] = ()
        self._breaches = breaches
        self.traffic = Traffic()
        #: No token is good here any more, whoever issued it.
        self.refuses_all = False

    def moves_to(self, provider: StrictProvider) -> None:
        """Tokens of the providers of before are refused; to show one is no breach."""
        for former in self._providers:
            former.tokens.reject_access()
        self._former = self._providers
        self._providers = (provider,)

    def presented(self, asked: Asked) -> str:
        """The bearer of a request; empty: none."""
        if "access_token=" in asked.target:
            self._breaches.note("token.in_query")
        authorization = asked.headers.get("authorization", "")
        scheme, _, value = authorization.partition(" ")
        if authorization and (scheme.lower() != "bearer" or not value):
            self._breaches.note("token.scheme", scheme)
            return ""
        return value

    def good(self, value: str) -> AccessToken | None:
        """The token, if it lets in here now. One that never could is a breach."""
        for provider in (*self._providers, *self._former):
            token = provider.token(value)
            if token is not None:
                return self._checked(provider, token)
        self._breaches.note("token.foreign", f"sent to {self.resource}")
        return None

    def _checked(
        self, provider: StrictProvider, token: AccessToken
    ) -> AccessToken | None:
        if token.resource != self.resource:
            self._breaches.note(
                "token.audience", f"for {token.resource!r}, sent to {self.resource}"
            )
            return None
        trusted = provider in self._providers and not self.refuses_all
        good = trusted and provider.tokens.accepts(token)
        return token if good else None
