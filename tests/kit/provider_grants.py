"""The token and revocation endpoints of a simulated provider (RFC 6749, 7009, 7636)."""

import base64
import hashlib
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import parse_qs

from kit.provider_authorization import (
    AuthorizationDesk,
    Code,
    check_resource,
    check_scope,
)
from kit.provider_clients import ClientDesk, KnownClient
from kit.provider_devices import DeviceDesk
from kit.provider_http import Answer, form_of, json_answer
from kit.provider_rules import OAuthRefusal, ProviderCore
from kit.provider_tokens import TokenDesk
from kit.scripted_http import Asked

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def s256(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class GrantDesk:
    """Exchanges grants for tokens."""

    def __init__(
        self,
        core: ProviderCore,
        clients: ClientDesk,
        *,
        authorizations: AuthorizationDesk,
        devices: DeviceDesk,
        tokens: TokenDesk,
    ) -> None:
        self._core = core
        self._clients = clients
        self._authorizations = authorizations
        self._devices = devices
        self._tokens = tokens
        self.verifiers: set[str] = set()

    def in_flight(self, asked: Asked) -> AbstractContextManager[None]:
        """To be held while a request to the token endpoint is answered."""
        fields = parse_qs(asked.body.decode("ascii", "replace"))
        values = fields.get("refresh_token", [])
        return self._tokens.in_flight(values[0]) if values else nullcontext()

    def token(self, asked: Asked) -> Answer:
        """The token endpoint."""
        form = form_of(self._core, asked)
        client = self._clients.authenticate(asked, form)
        grant = form.get("grant_type", "")
        if grant not in client.grant_types:
            raise self._core.refuse("grant.type", grant, error="unauthorized_client")
        match grant:
            case "authorization_code":
                return self._exchange(client, form)
            case "refresh_token":
                return self._refresh(client, form)
            case "client_credentials":
                return self._client_credentials(client, form)
            case _:
                return self._device(client, form)

    def revoke(self, asked: Asked) -> Answer:
        """The revocation endpoint (RFC 7009)."""
        form = form_of(self._core, asked)
        client = self._clients.authenticate(asked, form)
        if not form.get("token"):
            raise self._core.refuse("revocation.token", error="invalid_request")
        return self._tokens.revoke(form["token"], client)

    # --- the authorization code grant ---

    def _exchange(self, client: KnownClient, form: Mapping[str, str]) -> Answer:
        code = self._code(client, form)
        self._check_verifier(form.get("code_verifier", ""), code)
        asked = code.authorization
        self._check_same_resource(form, asked.resource)
        if self._core.now() >= code.expires_at:
            raise OAuthRefusal("invalid_grant")
        family = self._tokens.start_family(
            client, resource=asked.resource, scope=asked.scope
        )
        code.family = family.number
        self._core.counts.logins += 1
        return json_answer(self._tokens.answer(family, scope=family.scope))

    def _code(self, client: KnownClient, form: Mapping[str, str]) -> Code:
        core = self._core
        code = self._authorizations.codes.get(form.get("code", ""))
        if code is None:
            raise core.refuse("code.foreign", error="invalid_grant")
        if code.family is not None:  # RFC 6749 section 4.1.2: revoke what it gave
            self._tokens.revoke_family(code.family)
            raise core.refuse("code.reused", error="invalid_grant")
        if code.authorization.client.client_id != client.client_id:
            raise core.refuse("code.client", error="invalid_grant")
        if form.get("redirect_uri") != code.authorization.redirect_uri:
            raise core.refuse("code.redirect_uri", error="invalid_grant")
        return code

    def _check_verifier(self, verifier: str, code: Code) -> None:
        core = self._core
        if not verifier:
            raise core.refuse("pkce.no_verifier", error="invalid_grant")
        if not _VERIFIER.fullmatch(verifier):
            raise core.refuse("pkce.verifier_form", error="invalid_grant")
        if verifier in self.verifiers:
            core.breaches.note("pkce.verifier_reused")
        self.verifiers.add(verifier)
        if s256(verifier) != code.authorization.challenge:
            raise core.refuse("pkce.verifier", error="invalid_grant")

    def _check_same_resource(self, form: Mapping[str, str], resource: str) -> None:
        asked = form.get("resource", "")
        if not asked and self._core.rules.resource_required:
            raise self._core.refuse("resource.missing", error="invalid_target")
        if asked and asked != resource:
            raise self._core.refuse("resource.other", asked, error="invalid_target")

    # --- the other grants ---

    def _refresh(self, client: KnownClient, form: Mapping[str, str]) -> Answer:
        scope = form.get("scope")
        return self._tokens.renew(
            form.get("refresh_token", ""),
            client,
            scope=None if scope is None else tuple(scope.split()),
            resource=form.get("resource", ""),
        )

    def _client_credentials(
        self, client: KnownClient, form: Mapping[str, str]
    ) -> Answer:
        if client.auth_method == "none":
            raise self._core.refuse("grant.public", error="unauthorized_client")
        check_resource(self._core, form.get("resource", ""))
        scope = tuple(form.get("scope", "").split())
        check_scope(self._core, scope)
        family = self._tokens.start_family(
            client, resource=form.get("resource", ""), scope=scope
        )
        self._core.counts.client_credentials += 1
        # RFC 6749 section 4.4.3: no refresh token
        return json_answer(self._tokens.answer(family, scope=scope, with_refresh=False))

    def _device(self, client: KnownClient, form: Mapping[str, str]) -> Answer:
        login = self._devices.poll(form.get("device_code", ""), client)
        self._check_same_resource(form, login.resource)
        family = self._tokens.start_family(
            client, resource=login.resource, scope=login.scope
        )
        self._core.counts.logins += 1
        return json_answer(self._tokens.answer(family, scope=family.scope))
