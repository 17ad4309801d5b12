"""What a simulated provider does, what it counted, and what it held against clients."""

import random
from collections import Counter
from typing import Literal

import msgspec
import trio

from bridge.oauth.settings import AuthMethod

EPOCH = 1_800_000_000.0
#: RFC 8414 and OpenID Connect Discovery, inserted and appended; the seed's underscore.
WellKnown = Literal["rfc8414", "oidc", "oidc_appended", "underscore"]


class Breach(msgspec.Struct, frozen=True):
    """A rule that a client broke. ``rule`` is a short name such as ``code.reused``."""

    rule: str
    detail: str


class Breaches(list[Breach]):
    """Every breach so far. A test sees to it that it is empty, or holds ``rules``."""

    def note(self, rule: str, detail: str = "") -> None:
        self.append(Breach(rule, detail))

    @property
    def rules(self) -> list[str]:
        return [breach.rule for breach in self]


class OAuthRefusal(Exception):
    """An error answer (RFC 6749 section 5.2); ``status`` is its HTTP status."""

    def __init__(self, error: str, *, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


class Rules(msgspec.Struct, kw_only=True):
    """What the provider does. A test may change any of it at any time. Times in s."""

    access_lifetime: float = 3600.0
    says_expires_in: bool = True
    access_tokens: Literal["opaque", "jwt"] = "opaque"
    #: The access token of before dies with a refresh.
    access_dies_on_refresh: bool = False
    refresh_tokens: bool = True
    #: Only with the scope ``offline_access``, as OpenID Connect has it.
    refresh_needs_offline_access: bool = False
    #: A refresh gives a new refresh token, and the old one is used up.
    rotation: bool = True
    #: For so long a used-up refresh token still works; many providers allow it.
    grace: float = 0.0
    refresh_lifetime: float | None = None
    #: None: any scope is known, and the metadata does not list them.
    scopes_supported: tuple[str, ...] | None = ("mcp:read", "offline_access")
    #: What is granted at most; None: whatever was asked for.
    granted: tuple[str, ...] | None = None
    says_scope: bool = True
    resource_required: bool = True
    #: RFC 9207: advertised, and sent.
    advertises_iss: bool = True
    sends_iss: bool = True
    #: False: a request is granted without a page (the person is known).
    consent: bool = True
    code_lifetime: float = 60.0
    registration: bool = True
    #: The server's own choice, whatever the client asked for (RFC 7591 section 3.2.1).
    registered_auth_method: AuthMethod | None = None
    #: Lifetime of a registered secret; 0: for ever.
    secret_lifetime: float = 0.0
    auth_methods: tuple[AuthMethod, ...] = (
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
    )
    metadata_documents: bool = False
    device: bool = True
    device_interval: float = 5.0
    device_lifetime: float = 600.0
    revocation: bool = True
    well_known: frozenset[WellKnown] = frozenset({"rfc8414", "oidc"})


class Counts(msgspec.Struct, kw_only=True):
    """How often things happened. ``requests`` by endpoint, whatever the answer."""

    requests: Counter[str] = msgspec.field(default_factory=Counter[str])
    registrations: int = 0
    authorizations: int = 0  # requests of a person's browser that were in order
    logins: int = 0  # codes and device codes exchanged
    refreshes: int = 0  # granted ones
    refreshes_of: Counter[int] = msgspec.field(default_factory=Counter[int])
    graced: int = 0  # of these, with a token already used up
    client_credentials: int = 0
    revocations: int = 0
    device_polls: int = 0


class ProviderCore:
    """What all desks of one provider share."""

    def __init__(
        self, issuer: str, *, seed: int, rules: Rules, breaches: Breaches
    ) -> None:
        self.issuer = issuer
        self.rules = rules
        self.breaches = breaches
        self.counts = Counts()
        self.epoch = EPOCH
        #: Identifiers that tokens may be asked for; empty: any.
        self.resources: set[str] = set()
        self.rng = random.Random(f"{seed} {issuer}")

    def now(self) -> float:
        """Epoch seconds by the virtual clock; move ``epoch`` to set the clock wrong."""
        return self.epoch + trio.current_time()

    def secret(self, kind: str) -> str:
        """A secret nobody guesses and every run of a seed repeats."""
        return f"{kind}-{self.rng.getrandbits(256):064x}"

    def refuse(self, rule: str, detail: str = "", *, error: str) -> OAuthRefusal:
        """A breach, noted; to be raised."""
        self.breaches.note(rule, detail)
        return OAuthRefusal(error, status=401 if error == "invalid_client" else 400)
