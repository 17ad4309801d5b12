"""`StrictProvider`: an authorization server on the simulated network.

It is stricter than any real one: what a client does against a rule is refused and kept
in ``breaches``, which a test expects to be empty. Time is Trio's, chance has a seed.

    provider = StrictProvider()                      # http://127.0.0.1:9400
    await provider.serve(network, nursery)
    provider.rules.access_lifetime = 5
    provider.faults.once("token", faults.answering(500), faults.answer_lost)
    provider.metadata_changes["code_challenge_methods_supported"] = OMIT
    ...
    assert provider.breaches == []
    assert provider.counts.refreshes == 1

Endpoints, as `Faults` and ``counts.requests`` name them: ``metadata``, ``jwks``,
``registration``, ``authorization``, ``consent``, ``token``, ``revocation``, ``device``.
"""

from collections.abc import Callable
from functools import partial

import msgspec
import trio

from kit.issuer import key_set, without
from kit.network import SimulatedNetwork
from kit.provider_authorization import AuthorizationDesk
from kit.provider_clients import ASSERTION_ALGORITHMS, ClientDesk
from kit.provider_devices import DeviceDesk
from kit.provider_faults import Faults, Turn, honest
from kit.provider_grants import DEVICE_GRANT, GrantDesk
from kit.provider_http import Answer, Site, json_answer, path_of, refused
from kit.provider_rules import (
    Breaches,
    Counts,
    OAuthRefusal,
    ProviderCore,
    Rules,
    WellKnown,
)
from kit.provider_tokens import AccessToken, TokenDesk
from kit.scripted_http import Asked, Exchange, ScriptedServer

ISSUER = "http://127.0.0.1:9400"


class StrictProvider:
    """One issuer. Its parts (``clients``, ``tokens``, ...) may be asked and changed."""

    def __init__(
        self,
        issuer: str = ISSUER,
        *,
        seed: int = 0,
        rules: Rules | None = None,
        breaches: Breaches | None = None,
    ) -> None:
        self.issuer = issuer
        self.site = Site(issuer)
        self.rules = rules or Rules()
        self.breaches = Breaches() if breaches is None else breaches
        self.core = ProviderCore(
            issuer, seed=seed, rules=self.rules, breaches=self.breaches
        )
        self.faults = Faults()
        self.clients = ClientDesk(self.core)
        self.authorizations = AuthorizationDesk(self.core, self.clients)
        self.devices = DeviceDesk(self.core, self.clients)
        self.tokens = TokenDesk(self.core)
        self._grants = GrantDesk(
            self.core,
            self.clients,
            authorizations=self.authorizations,
            devices=self.devices,
            tokens=self.tokens,
        )
        #: Members of the metadata that differ from the honest ones; OMIT leaves out.
        self.metadata_changes: dict[str, object] = {}
        self.server = ScriptedServer(self.handle)
        self._not_before: dict[str, float] = {}

    @property
    def counts(self) -> Counts:
        return self.core.counts

    @property
    def verifiers(self) -> set[str]:
        """Every PKCE verifier that was shown here."""
        return self._grants.verifiers

    @property
    def resources(self) -> set[str]:
        """Identifiers that tokens may be asked for; empty: any."""
        return self.core.resources

    def now(self) -> float:
        """Epoch seconds; ``core.epoch`` may be moved."""
        return self.core.now()

    async def serve(self, network: SimulatedNetwork, nursery: trio.Nursery) -> None:
        """Listen at the issuer's address until the nursery ends."""
        await self.site.serve(self.server, network, nursery)

    def token(self, value: str) -> AccessToken | None:
        """The access token of that text; None: never issued here."""
        return self.tokens.access.get(value)

    def metadata(self) -> dict[str, object]:
        """RFC 8414, as the rules and ``metadata_changes`` say."""
        rules = self.rules
        members: dict[str, object] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "client_credentials",
                *([DEVICE_GRANT] if rules.device else []),
            ],
            "token_endpoint_auth_methods_supported": rules.auth_methods,
            "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": rules.advertises_iss,
        }
        optional = {
            "registration_endpoint": rules.registration and f"{self.issuer}/register",
            "revocation_endpoint": rules.revocation and f"{self.issuer}/revoke",
            "device_authorization_endpoint": rules.device and f"{self.issuer}/device",
            "scopes_supported": rules.scopes_supported,
            "client_id_metadata_document_supported": rules.metadata_documents,
        }
        members |= {name: value for name, value in optional.items() if value}
        return without(members | self.metadata_changes)

    # --- requests ---

    def serves(self, asked: Asked) -> bool:
        """Whether this is one of its addresses."""
        return self._route(asked) is not None

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request, or do what a fault says."""
        asked = exchange.asked
        route = self._route(asked)
        if route is None:
            self.counts.requests["unknown"] += 1
            await exchange.answer(404)
            return
        endpoint, work = route
        self.counts.requests[endpoint] += 1
        self._check_wait(endpoint)
        fault = self.faults.take(endpoint) or honest
        turn = Turn(
            exchange=exchange,
            work=partial(_attempt, work, asked),
            hold_off=partial(self._hold_off, endpoint),
        )
        if endpoint == "token":
            with self._grants.in_flight(asked):
                await fault(turn)
        else:
            await fault(turn)

    def _route(self, asked: Asked) -> tuple[str, Callable[[Asked], Answer]] | None:
        path = path_of(asked)
        if path in self._metadata_paths():
            return "metadata", self._describe
        routes: dict[str, tuple[str, Callable[[Asked], Answer]]] = {
            "/jwks": ("jwks", self._keys),
            "/register": ("registration", self.clients.register),
            "/authorize": ("authorization", self.authorizations.authorize),
            "/consent": ("consent", self.authorizations.consent),
            "/token": ("token", self._grants.token),
            "/revoke": ("revocation", self._grants.revoke),
            "/device": ("device", self.devices.start),
        }
        if not path.startswith(self.site.path):
            return None
        return routes.get(path.removeprefix(self.site.path))

    def _metadata_paths(self) -> set[str]:
        path = self.site.path
        forms: dict[WellKnown, str] = {
            "rfc8414": f"/.well-known/oauth-authorization-server{path}",
            "oidc": f"/.well-known/openid-configuration{path}",
            "oidc_appended": f"{path}/.well-known/openid-configuration",
            "underscore": f"{path}/.well-known/openid_configuration",
        }
        return {forms[form] for form in self.rules.well_known}

    def _describe(self, asked: Asked) -> Answer:
        check_anonymous_get(self.breaches, asked)
        return json_answer(self.metadata())

    def _keys(self, asked: Asked) -> Answer:
        check_anonymous_get(self.breaches, asked)
        return json_answer(
            msgspec.Raw(
                key_set(*[key.public(alg="Ed25519") for key in self.tokens.keys])
            )
        )

    def _hold_off(self, endpoint: str, seconds: float) -> None:
        self._not_before[endpoint] = trio.current_time() + seconds

    def _check_wait(self, endpoint: str) -> None:
        if trio.current_time() < self._not_before.get(endpoint, 0.0):
            self.breaches.note("retry_after", endpoint)


def check_anonymous_get(breaches: Breaches, asked: Asked) -> None:
    """Metadata is asked by GET, and never with a token (R76)."""
    if asked.method != "GET":
        breaches.note("metadata.method", asked.method)
    if "authorization" in asked.headers:
        breaches.note("metadata.token", asked.target)


def _attempt(work: Callable[[Asked], Answer], asked: Asked) -> Answer:
    try:
        return work(asked)
    except OAuthRefusal as refusal:
        return refused(refusal)
