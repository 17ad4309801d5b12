"""The authorization request, and the redirect that answers it (RFC 6749, 9207)."""

import hmac
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from bridge.errors import LoginFailed, OAuthError, PkceUnsupported
from bridge.oauth.address import check_endpoint, for_browser, shown_address
from bridge.oauth.answer import complains_of_pkce, error_of, is_secret, printable
from bridge.oauth.challenge import BearerChallenge
from bridge.oauth.pkce import METHOD, check_pkce, s256, verifier
from bridge.oauth.provider import Client, Discovered, Provider
from bridge.oauth.scope import OFFLINE_ACCESS, is_scope_token
from bridge.oauth.settings import OAuthSettings

#: What `additional_params` cannot change (R90). A callback reads nothing but a query,
#: so the response mode is not theirs either.
PROTECTED = frozenset(
    {
        "response_type",
        "response_mode",
        "client_id",
        "redirect_uri",
        "state",
        "code_challenge",
        "code_challenge_method",
    }
)
_SCOPE_LIMIT = 128  # a server that names more is not taken at its word
_STATE_OCTETS = 32  # twice what threats D1 asks for

_REASONS = {
    "access_denied": (
        "the login was refused at the provider",
        "log in again and allow it, as somebody who may",
    ),
    "invalid_scope": (
        "the provider does not give the scopes asked for",
        "set oauth.scopes to scopes the provider knows",
    ),
    "unauthorized_client": (
        "the provider does not let this client log in this way",
        "allow the authorization code grant for the client at the provider",
    ),
    "unsupported_response_type": (
        "the provider does not offer the authorization code grant",
        "use another oauth.grant, or allow this one at the provider",
    ),
    "invalid_target": (
        "the provider does not know this server as a resource",
        (
            "register the server's address at the provider, or set the value it knows "
            "in oauth.additional_params.resource (empty: none is sent)"
        ),
    ),
    "invalid_request": (
        "the provider cannot read the authorization request",
        "check oauth.additional_params and the redirect address registered",
    ),
    "server_error": ("the provider failed", "try again later"),
    "temporarily_unavailable": ("the provider is busy", "try again later"),
}

_UNKNOWN_REASON = (
    "the provider refused the login",
    "see what the log of the provider says, then log in again",
)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One login on its way: what its redirect must fit. ``repr`` shows no secret."""

    state: str
    verifier: str
    issuer: str
    redirect_uri: str
    scopes: tuple[str, ...]  # as asked for
    resource: str  # as sent; empty: none was
    url: str  # of the authorization request, fit for a browser
    iss_required: bool  # the metadata promises ``iss`` (RFC 9207)
    client: Client
    provider: Provider

    def __repr__(self) -> str:
        return f"Attempt(at {self.issuer!r})"


def scopes_for(
    settings: OAuthSettings,
    discovered: Discovered,
    challenge: BearerChallenge,
    *,
    held: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """The scopes to ask for: configured, else challenged, else the resource's (R92).

    A step-up (``held`` is not empty, or the challenge is insufficient_scope) asks for
    all of what is held, configured and challenged. ``offline_access`` joins when the
    server lists it and the grant can be refreshed (D24). Empty: let the server choose.
    """
    challenged = tuple(challenge.scope.split())
    wanted = settings.scopes or challenged or discovered.resource_scopes or ()
    if held or challenge.error == "insufficient_scope":
        wanted = (*held, *wanted, *challenged)
    listed = discovered.provider.scopes_supported or ()
    if OFFLINE_ACCESS in listed and settings.grant != "client_credentials":
        wanted = (*wanted, OFFLINE_ACCESS)
    usable = dict.fromkeys(filter(is_scope_token, wanted))
    return tuple(usable)[:_SCOPE_LIMIT]


def resource_of(settings: OAuthSettings, resource: str) -> str:
    """The value of ``resource`` (RFC 8707) to send; empty: none is (R91).

    ``additional_params.resource`` replaces it; set to an empty text it keeps
    ``resource`` away from providers that refuse the parameter (Entra does).
    """
    return settings.additional_params.get("resource", resource)


def begin(
    settings: OAuthSettings,
    discovered: Discovered,
    client: Client,
    *,
    scopes: tuple[str, ...],
    new_token: Callable[[int], str],
) -> Attempt:
    """Make the authorization request of a login.

    Raises `PkceUnsupported`, `AddressRefused`, and `LoginFailed` when the server has
    no authorization endpoint.
    """
    provider = discovered.provider
    check_pkce(provider, settings)
    secret, state = verifier(new_token), new_token(_STATE_OCTETS)
    resource = resource_of(settings, discovered.resource)
    chosen = settings.additional_params.get("scope", " ".join(scopes))
    parameters = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": settings.redirect_uri,
        "state": state,
        "code_challenge": s256(secret),
        "code_challenge_method": METHOD,
        "scope": chosen,
        "resource": resource,
    }
    return Attempt(
        state=state,
        verifier=secret,
        issuer=provider.issuer,
        redirect_uri=settings.redirect_uri,
        scopes=tuple(chosen.split()),
        resource=resource,
        url=_address(_endpoint(settings, provider), settings, parameters),
        iss_required=provider.authorization_response_iss_parameter_supported,
        client=client,
        provider=provider,
    )


def _endpoint(settings: OAuthSettings, provider: Provider) -> str:
    if provider.authorization_endpoint:
        return check_endpoint(
            provider.authorization_endpoint, what="authorization endpoint"
        )
    raise LoginFailed(
        f"{provider.issuer} has no authorization endpoint",
        rule="RFC 8414: a server of the authorization code grant names one",
        advice=f"set oauth.grant of server '{settings.name}' to what the provider "
        "offers, or oauth.authorization_url",
    )


def _address(
    endpoint: str, settings: OAuthSettings, parameters: Mapping[str, str]
) -> str:
    base, _, query = endpoint.partition("?")
    # The endpoint's own query is kept (RFC 6749 section 3.1), where it is not ours.
    kept = [
        (name, value)
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name not in parameters and name not in PROTECTED
    ]
    extra = {
        name: value
        for name, value in settings.additional_params.items()
        if name not in parameters and name not in PROTECTED
    }
    ours = {name: value for name, value in parameters.items() if value}
    own = [(name, value) for name, value in kept if name not in extra]
    return for_browser(f"{base}?{_encode([*own, *extra.items(), *ours.items()])}")


def _encode(pairs: list[tuple[str, str]]) -> str:
    # Blanks as %20: a plus means a blank in forms only, and not to every server.
    return urlencode(pairs, safe="", quote_via=quote)


def accept(attempt: Attempt, parameters: Mapping[str, str]) -> str:
    """The code of a redirect that belongs to ``attempt``; secret, and good for once.

    Raises `LoginFailed` for a wrong ``state`` or ``iss`` (nothing else of such a
    redirect is looked at or shown), the provider's error, and a missing code;
    `PkceUnsupported` when PKCE is what the provider refuses (R95).
    """
    state = parameters.get("state", "").encode(errors="surrogatepass")
    if not hmac.compare_digest(state, attempt.state.encode()):
        raise _forged("the redirect carries a state that belongs to no login here")
    _check_issuer(attempt, parameters.get("iss"))
    if "error" in parameters:
        raise _refused(attempt, parameters)
    code = parameters.get("code", "")
    if not is_secret(code):
        raise LoginFailed(
            "the redirect carries no usable code",
            asked=_asked(attempt),
            rule="RFC 6749 section 4.1.2: a redirect has a code or an error",
            advice="log in again, and bring the whole address if it is pasted",
        )
    return code


def _check_issuer(attempt: Attempt, issuer: str | None) -> None:
    # As plain strings (RFC 9207 section 2.4): no normalisation of any kind.
    if issuer is None and attempt.iss_required:
        raise _forged("the redirect does not say who sent it, though that is promised")
    if issuer is not None and issuer != attempt.issuer:
        raise _forged(f"the redirect was not sent by {attempt.issuer}")


def _forged(public: str) -> LoginFailed:
    return LoginFailed(
        public,
        rule="RFC 6749 section 10.12, RFC 9207: state and iss bind a redirect to its "
        "login",
        advice="start the login again, and only from here",
    )


def _refused(attempt: Attempt, parameters: Mapping[str, str]) -> OAuthError:
    code, text = error_of(parameters)
    code = code or "an error without a readable name"
    text = text.replace(attempt.state, "[redacted]")
    answered = f"{code} ({printable(text)})" if text else code
    if complains_of_pkce(code, text):
        return PkceUnsupported(
            f"{attempt.issuer} refused PKCE: {answered}",
            asked=_asked(attempt),
            answered=answered,
            rule="RFC 7636: PKCE with S256 is sent with every login",
            advice="switch on PKCE with S256 for this client at the provider",
        )
    reason, advice = _REASONS.get(code, _UNKNOWN_REASON)
    return LoginFailed(
        f"{reason}: {answered}", asked=_asked(attempt), answered=answered, advice=advice
    )


def _asked(attempt: Attempt) -> str:
    return f"GET {shown_address(attempt.url)}"
