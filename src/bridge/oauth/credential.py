"""Tokens, and the login they came from."""

import msgspec

from bridge.oauth.provider import Client, Provider


class TokenSet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One token answer (RFC 6749 section 5.1). ``repr`` shows no secret.

    ``created_at``: epoch seconds of its arrival. ``expires_in``: seconds; None: not
    said, so it is used until a 401 (R110). ``scope``: what was granted.
    """

    access_token: str
    created_at: float
    refresh_token: str = ""
    token_type: str = "Bearer"  # noqa: S105 - a kind of token
    expires_in: float | None = None
    scope: str = ""

    def __repr__(self) -> str:
        return f"TokenSet(expires_in={self.expires_in}, scope={self.scope!r})"

    @property
    def expires_at(self) -> float | None:
        """Epoch seconds; None: not said."""
        return None if self.expires_in is None else self.created_at + self.expires_in


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What a login is worth: tokens, who gave them, to whom, for what.

    Used with ``provider`` and for ``resource`` only (threats D4, P7).
    """

    tokens: TokenSet
    provider: Provider
    client: Client
    resource: str

    @property
    def issuer(self) -> str:
        return self.provider.issuer
