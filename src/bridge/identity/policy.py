"""What a token must satisfy, checked once at start (pure)."""

from collections.abc import Iterator

import msgspec

from bridge.config.model import AuthConfig
from bridge.errors import ConfigError, Problem
from bridge.identity.address import is_fetchable

#: One key type per algorithm; `none` and the HMAC family can never be listed (A3).
SUPPORTED = frozenset(
    f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)
) | {"EdDSA", "Ed25519"}

#: RFC 9864 renamed EdDSA with this curve: whoever allows one means both.
EDWARDS = frozenset({"EdDSA", "Ed25519"})

#: Clocks of well-kept machines differ by seconds; more only helps stolen tokens (A23).
MAX_LEEWAY = 60.0


class TokenPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Every rule a token is held against; see `from_config`."""

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    leeway: float = 30.0
    required_scopes: tuple[str, ...] = ()
    allow_id_tokens: bool = False
    strict_type: bool = False

    @classmethod
    def from_config(cls, auth: AuthConfig) -> "TokenPolicy":
        """The policy of a configuration.

        Raises `ConfigError` with every problem when anything that makes a token safe
        is missing: authentication is never half on (R44).
        """
        problems = tuple(_problems(auth))
        if problems:
            raise ConfigError("authentication is not configured safely", problems)
        algorithms = frozenset(auth.algorithms)
        return cls(
            issuer=auth.issuer,
            audiences=frozenset(auth.audience),
            algorithms=algorithms | EDWARDS if algorithms & EDWARDS else algorithms,
            leeway=auth.leeway,
            required_scopes=auth.required_scopes,
            allow_id_tokens=auth.allow_id_tokens,
            strict_type=auth.strict_type,
        )

    def is_issuer(self, issuer: str, *, exact: str | None) -> bool:
        """Whether ``iss`` is ours.

        ``exact`` is the issuer the metadata names. As long as it is not known, one
        trailing slash more or less than the setting is tolerated (A21).
        """
        if exact is not None:
            return issuer == exact
        return differs_by_slash(issuer, self.issuer)


def differs_by_slash(issuer: str, configured: str) -> bool:
    """Equal, or equal but for one trailing slash."""
    bare = configured.removesuffix("/")
    return issuer in {bare, bare + "/"}


def _problems(auth: AuthConfig) -> Iterator[Problem]:
    where = "bridge.auth"
    if not is_fetchable(auth.issuer):
        yield Problem(
            f"{where}.issuer",
            "is missing or no https address",
            hint="set OAUTH_ISSUER; plain http only on loopback",
        )
    if not auth.audience or not all(auth.audience):
        yield Problem(f"{where}.audience", "is missing", hint="set OAUTH_AUDIENCE")
    if auth.jwks_url and not is_fetchable(auth.jwks_url):
        yield Problem(
            f"{where}.jwksUrl",
            "is no https address",
            hint="OAUTH_JWKS_URL; plain http only on loopback",
        )
    yield from _algorithm_problems(auth.algorithms, where)
    if not 0 <= auth.leeway <= MAX_LEEWAY:
        yield Problem(f"{where}.leeway", f"is not between 0 and {MAX_LEEWAY:.0f} s")


def _algorithm_problems(algorithms: tuple[str, ...], where: str) -> Iterator[Problem]:
    refused = [name for name in algorithms if name not in SUPPORTED]
    if refused or not algorithms:
        yield Problem(
            f"{where}.algorithms",
            f"holds nothing usable or something refused: {', '.join(refused) or '-'}",
            hint=f"choose from {', '.join(sorted(SUPPORTED))}",
        )
