"""Clients of a simulated provider: registration (RFC 7591) and how they prove it."""

import base64
import binascii
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning

from bridge.oauth.settings import AuthMethod
from kit.provider_http import Answer, json_answer
from kit.provider_rules import OAuthRefusal, ProviderCore
from kit.scripted_http import Asked

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: What a client signs its assertion with.
ASSERTION_ALGORITHMS = ["ES256", "RS256", "PS256", "Ed25519", "EdDSA"]
_LONGEST_ASSERTION = 600.0
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class KnownClient(msgspec.Struct, kw_only=True):
    """A client the provider knows, or knew (``forgotten``)."""

    client_id: str
    redirect_uris: tuple[str, ...] = ()
    auth_method: AuthMethod = "none"
    secret: str = ""
    secret_expires_at: float = 0.0
    public_key: Any = None  # a joserfc key, for private_key_jwt
    grant_types: tuple[str, ...] = (
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
    )
    registered: bool = False
    forgotten: bool = False
    told: bool = False  # that it is forgotten


class _Proof(msgspec.Struct):
    """One way in which a request says who sends it."""

    method: AuthMethod
    client_id: str
    value: str = ""


class ClientDesk:
    """Knows clients, registers new ones, and checks who a request is from."""

    def __init__(self, core: ProviderCore) -> None:
        self._core = core
        self.known: dict[str, KnownClient] = {}
        #: Client id metadata documents, by their address.
        self.documents: dict[str, dict[str, Any]] = {}
        self._assertions: set[str] = set()

    def add(self, client: KnownClient) -> KnownClient:
        """A client that an operator registered by hand."""
        self.known[client.client_id] = client
        return client

    def forget(self) -> None:
        """Every registration is lost, as after a provider's clean-up."""
        for client in self.known.values():
            client.forgotten = client.forgotten or client.registered

    def named(self, client_id: str) -> KnownClient:
        """Who that is. Raises ``invalid_client``."""
        client = self.known.get(client_id) or self._of_document(client_id)
        if client is None:
            raise self._core.refuse("client.unknown", client_id, error="invalid_client")
        if client.forgotten:
            raise OAuthRefusal("invalid_client", status=401)
        return client

    def _of_document(self, client_id: str) -> KnownClient | None:
        document = self.documents.get(client_id)
        if document is None or not self._core.rules.metadata_documents:
            return None
        if document.get("client_id") != client_id:
            raise self._core.refuse("document.client_id", error="invalid_client")
        return self.add(
            KnownClient(
                client_id=client_id, redirect_uris=tuple(document["redirect_uris"])
            )
        )

    # --- registration ---

    def register(self, asked: Asked) -> Answer:
        """RFC 7591 section 3."""
        if not self._core.rules.registration:
            return json_answer({"error": "not_found"}, status=404)
        kind = asked.headers.get("content-type", "").partition(";")[0]
        if asked.method != "POST" or kind != "application/json":
            raise self._core.refuse(
                "registration.request", error="invalid_client_metadata"
            )
        wanted = asked.message
        self._check_metadata(wanted)
        client = self.add(self._registered(wanted))
        self._core.counts.registrations += 1
        return json_answer(_described(client, wanted), status=201)

    def _check_metadata(self, wanted: Mapping[str, Any]) -> None:
        grants = set(wanted.get("grant_types", ()))
        wrong = {
            "registration.client_name": not wanted.get("client_name"),
            "registration.response_types": "authorization_code" in grants
            and wanted.get("response_types", ["code"]) != ["code"],
            "registration.grant_types": not grants
            or ("authorization_code" in grants and "refresh_token" not in grants),
            "registration.auth_method": wanted.get("token_endpoint_auth_method")
            not in self._core.rules.auth_methods,
            "registration.application_type": wanted.get("application_type")
            != _application_type(wanted),
        }
        for rule, broken in wrong.items():
            if broken:
                raise self._core.refuse(rule, error="invalid_client_metadata")
        if not _are_redirects(
            wanted.get("redirect_uris"), needed=bool(grants & {"authorization_code"})
        ):
            raise self._core.refuse(
                "registration.redirect_uris", error="invalid_redirect_uri"
            )

    def _registered(self, wanted: Mapping[str, Any]) -> KnownClient:
        rules = self._core.rules
        method = rules.registered_auth_method or wanted["token_endpoint_auth_method"]
        secret = method.startswith("client_secret")
        ends = self._core.now() + rules.secret_lifetime if rules.secret_lifetime else 0
        return KnownClient(
            client_id=self._core.secret("client"),
            redirect_uris=tuple(wanted.get("redirect_uris", ())),
            auth_method=method,
            secret=self._core.secret("secret") if secret else "",
            secret_expires_at=ends if secret else 0.0,
            grant_types=tuple(wanted["grant_types"]),
            registered=True,
        )

    # --- authentication (RFC 6749 section 2.3, RFC 7523) ---

    def authenticate(self, asked: Asked, form: Mapping[str, str]) -> KnownClient:
        """Whose request this is, proven. Raises ``invalid_client``."""
        core = self._core
        proofs = list(self._proofs(asked, form))
        if len(proofs) > 1:
            raise core.refuse("client.two_methods", error="invalid_request")
        proof = proofs[0] if proofs else _Proof("none", form.get("client_id", ""))
        if form.get("client_id", proof.client_id) != proof.client_id:
            raise core.refuse("client.two_ids", error="invalid_request")
        client = self._told(proof.client_id)
        if proof.method != client.auth_method:
            raise core.refuse(
                "client.method",
                f"{proof.method}, not {client.auth_method}",
                error="invalid_client",
            )
        if proof.method == "private_key_jwt":
            self._check_assertion(proof.value, client)
        elif proof.value != client.secret:
            raise core.refuse("client.secret", error="invalid_client")
        if 0 < client.secret_expires_at <= core.now():
            raise core.refuse("client.secret_expired", error="invalid_client")
        return client

    def _told(self, client_id: str) -> KnownClient:
        """The client; a forgotten one is told so once."""
        known = self.known.get(client_id)
        if known is not None and known.forgotten:
            if known.told:
                self._core.breaches.note("client.forgotten", "it was told before")
            known.told = True
        return self.named(client_id)

    def _proofs(self, asked: Asked, form: Mapping[str, str]) -> list[_Proof]:
        proofs: list[_Proof] = []
        if authorization := asked.headers.get("authorization"):
            proofs.append(self._basic(authorization))
        if "client_secret" in form:
            named = form.get("client_id", "")
            proofs.append(_Proof("client_secret_post", named, form["client_secret"]))
        if "client_assertion" in form:
            if form.get("client_assertion_type") != _ASSERTION:
                raise self._core.refuse("assertion.type", error="invalid_client")
            assertion = form["client_assertion"]
            proofs.append(
                _Proof("private_key_jwt", self._subject(assertion), assertion)
            )
        return proofs

    def _basic(self, authorization: str) -> _Proof:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            raise self._core.refuse(
                "client.scheme",
                f"{scheme} at the token endpoint",
                error="invalid_client",
            )
        try:
            pair = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeError):
            raise self._core.refuse("client.basic", error="invalid_client") from None
        name, _, secret = pair.partition(":")
        return _Proof("client_secret_basic", unquote_plus(name), unquote_plus(secret))

    def _subject(self, assertion: str) -> str:
        """Whom an assertion speaks of; not yet believed."""
        try:
            payload = assertion.split(".")[1]
            padded = payload + "=" * (-len(payload) % 4)
            octets = base64.urlsafe_b64decode(padded)
            claims = msgspec.json.decode(octets, type=dict[str, Any])
            return str(claims["sub"])
        except (IndexError, KeyError, ValueError, msgspec.MsgspecError):
            raise self._core.refuse("assertion.form", error="invalid_client") from None

    def _check_assertion(self, assertion: str, client: KnownClient) -> None:
        try:
            with warnings.catch_warnings():
                # EdDSA has a new name (RFC 9864) that few providers know
                warnings.simplefilter("ignore", SecurityWarning)
                token = jwt.decode(
                    assertion, client.public_key, algorithms=ASSERTION_ALGORITHMS
                )
        except (JoseError, ValueError):
            raise self._core.refuse(
                "assertion.signature", error="invalid_client"
            ) from None
        for rule, broken in self._broken_claims(token.claims, client).items():
            if broken:
                raise self._core.refuse(f"assertion.{rule}", error="invalid_client")
        self._assertions.add(token.claims["jti"])

    def _broken_claims(
        self, claims: Mapping[str, Any], client: KnownClient
    ) -> dict[str, bool]:
        now = self._core.now()
        ends = claims.get("exp", 0)
        return {
            "iss": claims.get("iss") != client.client_id,
            "sub": claims.get("sub") != client.client_id,
            # an endpoint is no audience: a hostile server could name another's
            "aud": claims.get("aud") != self._core.issuer,
            "exp": not now < ends <= now + _LONGEST_ASSERTION,
            "iat": claims.get("iat", now) > now + 1,
            "jti": not claims.get("jti") or claims["jti"] in self._assertions,
        }


def _described(client: KnownClient, wanted: Mapping[str, Any]) -> dict[str, object]:
    """The client information response (RFC 7591 section 3.2.1)."""
    described: dict[str, object] = {
        **wanted,
        "client_id": client.client_id,
        "token_endpoint_auth_method": client.auth_method,
    }
    if client.secret:
        described["client_secret"] = client.secret
        described["client_secret_expires_at"] = int(client.secret_expires_at)
    return described


def _application_type(wanted: Mapping[str, Any]) -> str | None:
    """What it must be: ``native`` for a redirect to loopback."""
    addresses = wanted.get("redirect_uris") or ()
    if not addresses:
        return wanted.get("application_type")
    loopback = all(_is_loopback(each) for each in addresses)
    return "native" if loopback else "web"


def _is_loopback(address: str) -> bool:
    return urlsplit(address).hostname in _LOOPBACK


def _are_redirects(addresses: Any, *, needed: bool) -> bool:
    if not addresses:
        return not needed
    return all(_is_redirect(each) for each in addresses)


def _is_redirect(address: str) -> bool:
    parts = urlsplit(address)
    safe = parts.scheme == "https" or parts.hostname in _LOOPBACK
    return safe and not parts.fragment and not parts.username
