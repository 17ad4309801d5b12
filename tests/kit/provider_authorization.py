"""The authorization endpoint of a simulated provider (RFC 6749, 7636, 8707, 9207)."""

import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import msgspec

from kit.provider_clients import ClientDesk, KnownClient
from kit.provider_http import Answer, form_of, message_page, page, query_of
from kit.provider_rules import OAuthRefusal, ProviderCore
from kit.scripted_http import Asked

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
#: 128 bits, in the densest text there is.
_SHORTEST_STATE = 22
_PROMPTS = {"none", "login", "consent", "select_account"}


class Authorization(msgspec.Struct, kw_only=True):
    """What was asked for, as the code remembers it."""

    client: KnownClient
    redirect_uri: str
    state: str
    challenge: str
    resource: str
    scope: tuple[str, ...]
    prompts: frozenset[str] = frozenset()


class Code(msgspec.Struct, kw_only=True):
    """A code, given once to be used once."""

    value: str
    authorization: Authorization
    expires_at: float
    family: int | None = None  # set: used


class AuthorizationDesk:
    """Takes requests of browsers: a page, a decision, a redirect."""

    def __init__(self, core: ProviderCore, clients: ClientDesk) -> None:
        self._core = core
        self._clients = clients
        self.codes: dict[str, Code] = {}
        #: What the authorization endpoint took, oldest first.
        self.asked: list[Authorization] = []
        self._pending: dict[str, Authorization] = {}
        self._seen: set[str] = set()

    def authorize(self, asked: Asked) -> Answer:
        """The page that asks the person, or what is wrong."""
        if asked.method != "GET" or "authorization" in asked.headers:
            self._core.breaches.note("authorization.request", asked.method)
        try:
            query = query_of(self._core, asked)
            client = self._clients.named(query.get("client_id", ""))
            redirect_uri = self._redirect_of(client, query)
        except OAuthRefusal as refusal:  # nothing that may be redirected to
            return message_page(refusal.error)
        try:
            authorization = self._read(client, query, redirect_uri=redirect_uri)
        except OAuthRefusal as refusal:
            return self._back(
                redirect_uri, {"error": refusal.error}, state=query.get("state", "")
            )
        self._core.counts.authorizations += 1
        self.asked.append(authorization)
        if not self._core.rules.consent:
            return self._granted(authorization)
        return self._ask(authorization)

    def consent(self, asked: Asked) -> Answer:
        """The person's decision: ``ticket``, and ``choice`` ``allow`` or ``deny``."""
        form = form_of(self._core, asked)
        authorization = self._pending.pop(form.get("ticket", ""), None)
        if authorization is None:
            return message_page("this page is over")
        if form.get("choice") == "allow":
            return self._granted(authorization)
        return self._back(
            authorization.redirect_uri,
            {"error": "access_denied", "error_description": "the person said no"},
            state=authorization.state,
        )

    def _redirect_of(self, client: KnownClient, query: Mapping[str, str]) -> str:
        redirect_uri = query.get("redirect_uri", "")
        if redirect_uri not in client.redirect_uris:
            raise self._core.refuse(
                "authorization.redirect_uri", redirect_uri, error="invalid_request"
            )
        return redirect_uri

    def _read(
        self, client: KnownClient, query: Mapping[str, str], *, redirect_uri: str
    ) -> Authorization:
        self._check_form(query)
        self._check_resource(query.get("resource", ""))
        scope = self._scope(query)
        return Authorization(
            client=client,
            redirect_uri=redirect_uri,
            state=query["state"],
            challenge=query["code_challenge"],
            resource=query.get("resource", ""),
            scope=scope,
            prompts=frozenset(query.get("prompt", "").split()),
        )

    def _check_form(self, query: Mapping[str, str]) -> None:
        state = query.get("state", "")
        challenge = query.get("code_challenge", "")
        wrong = {
            "authorization.response_type": query.get("response_type") != "code",
            "state.missing": not state,
            "state.short": len(state) < _SHORTEST_STATE,
            "state.reused": state in self._seen,
            "pkce.missing": not challenge,
            "pkce.method": query.get("code_challenge_method") != "S256",
            "pkce.form": not _CHALLENGE.fullmatch(challenge),
            "pkce.reused": challenge in self._seen,
            "authorization.prompt": not set(query.get("prompt", "").split())
            <= _PROMPTS,
            "authorization.secret": "client_secret" in query,
        }
        self._seen |= {state, challenge}
        for rule, broken in wrong.items():
            if broken:
                raise self._core.refuse(rule, error="invalid_request")

    def _check_resource(self, resource: str) -> None:
        check_resource(self._core, resource)

    def _scope(self, query: Mapping[str, str]) -> tuple[str, ...]:
        scope = tuple(query.get("scope", "").split())
        check_scope(self._core, scope)
        granted = self._core.rules.granted
        return scope if granted is None else tuple(s for s in scope if s in granted)

    def _ask(self, authorization: Authorization) -> Answer:
        ticket = self._core.secret("ticket")
        self._pending[ticket] = authorization
        return page(
            f'<form method="post" action="{urlsplit(self._core.issuer).path}/consent">'
            f'<input type="hidden" name="ticket" value="{ticket}">'
            '<button name="choice" value="allow">Allow</button>'
            '<button name="choice" value="deny">Deny</button></form>'
        )

    def _granted(self, authorization: Authorization) -> Answer:
        code = Code(
            value=self._core.secret("code"),
            authorization=authorization,
            expires_at=self._core.now() + self._core.rules.code_lifetime,
        )
        self.codes[code.value] = code
        return self._back(
            authorization.redirect_uri, {"code": code.value}, state=authorization.state
        )

    def _back(
        self, redirect_uri: str, parameters: Mapping[str, str], *, state: str
    ) -> Answer:
        sent = {**parameters, "state": state}
        if self._core.rules.sends_iss:
            sent["iss"] = self._core.issuer
        mark = "&" if urlsplit(redirect_uri).query else "?"
        location = f"{redirect_uri}{mark}{urlencode(sent)}"
        return Answer(status=302, headers={"Location": location})


def check_resource(core: ProviderCore, resource: str) -> None:
    """RFC 8707 section 2: absolute, without a fragment, and one we give tokens for."""
    if not resource:
        if core.rules.resource_required:
            raise core.refuse("resource.missing", error="invalid_target")
        return
    if "#" in resource or (core.resources and resource not in core.resources):
        raise core.refuse("resource.unknown", resource, error="invalid_target")


def check_scope(core: ProviderCore, scope: tuple[str, ...]) -> None:
    """Asking for what the metadata does not list is a breach (R92, D24)."""
    supported = core.rules.scopes_supported
    if len(set(scope)) < len(scope):
        raise core.refuse("scope.repeated", error="invalid_scope")
    if supported is None:
        return
    if foreign := [each for each in scope if each not in supported]:
        raise core.refuse("scope.unknown", foreign[0], error="invalid_scope")
