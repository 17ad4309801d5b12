"""The token endpoint: exchange, refresh, client credentials (RFC 6749, 7636, 8707).

An answer is used whole or not at all (threats D9). Times that make no sense do not
spoil it: without a lifetime a token is used until a 401 (R110).
"""

from collections.abc import Callable, Mapping

import msgspec

from bridge.errors import (
    GrantRefused,
    OAuthError,
    PkceUnsupported,
    ProviderUnavailable,
    TokenAnswerInvalid,
)
from bridge.oauth.address import shown_address
from bridge.oauth.answer import Refusal, is_secret, printable, text_of
from bridge.oauth.authorization import PROTECTED, Attempt, resource_of
from bridge.oauth.caller import Caller
from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.http import Step, Steps
from bridge.oauth.provider import Client, Discovered
from bridge.oauth.settings import OAuthSettings

_YEAR = 31_536_000.0
LIFETIME_LIMIT = 10 * _YEAR  # s; more is as good as for ever, and no date can hold it
_SCOPE_LIMIT = 8_192  # characters
_NUMBER_LIMIT = 32  # characters of a lifetime sent as a text
#: What no repetition of the same request can change. The last three are OpenID
#: Connect's: a person has to be asked again.
TERMINAL: Mapping[str, str] = {
    "invalid_grant": "log in again: the login expired, was revoked or was used before",
    "invalid_client": "check oauth.client_id, oauth.client_secret and "
    "oauth.token_endpoint_auth_method, or log in again to register anew",
    "unauthorized_client": "allow this grant for the client at the provider",
    "unsupported_grant_type": "allow this grant at the provider, or change oauth.grant",
    "invalid_scope": "set oauth.scopes to scopes the provider gives this client",
    "invalid_target": "register the server's address as a resource at the provider, or "
    "set the value it knows in oauth.additional_params.resource (empty: none is sent)",
    "invalid_request": "check oauth.additional_params and what the provider expects",
    "interaction_required": "log in again: the provider wants to ask a person",
    "login_required": "log in again: the provider wants to ask a person",
    "consent_required": "log in again: the provider wants to ask a person",
}


def exchange(
    attempt: Attempt,
    settings: OAuthSettings,
    code: str,
    *,
    now_of: Callable[[], float],
    new_token: Callable[[int], str],
) -> Steps[TokenSet]:
    """Turn a code into tokens.

    Raises `GrantRefused`, `PkceUnsupported` (it is PKCE that is refused, R95),
    `ProviderUnavailable`, `TokenAnswerInvalid`; before asking `AddressRefused`,
    `IssuerRefused`, `RegistrationFailed`.
    """
    caller = Caller(
        client=attempt.client,
        provider=attempt.provider,
        settings=settings,
        now_of=now_of,
        new_token=new_token,
    )
    return (
        yield from _tokens(
            caller,
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": attempt.redirect_uri,
                "code_verifier": attempt.verifier,
                "resource": attempt.resource,
            },
            scope=" ".join(attempt.scopes),
        )
    )


def refresh(
    credential: Credential,
    settings: OAuthSettings,
    *,
    now_of: Callable[[], float],
    new_token: Callable[[int], str],
) -> Steps[TokenSet]:
    """Renew tokens; refresh token and scope stay where the answer has none.

    Raises as `exchange`; `GrantRefused` (invalid_grant) without a refresh token. Only
    `GrantRefused` is final (R108).
    """
    held = credential.tokens
    if not held.refresh_token:
        raise GrantRefused(
            f"the login at {credential.issuer} cannot be renewed: no refresh token",
            error="invalid_grant",
            advice=TERMINAL["invalid_grant"],
        )
    caller = Caller(
        client=credential.client,
        provider=credential.provider,
        settings=settings,
        now_of=now_of,
        new_token=new_token,
    )
    return (
        yield from _tokens(
            caller,
            {
                "grant_type": "refresh_token",
                "refresh_token": held.refresh_token,
                "resource": resource_of(settings, credential.resource),
            },
            scope=held.scope,
            refresh_token=held.refresh_token,
        )
    )


def client_credentials(
    settings: OAuthSettings,
    discovered: Discovered,
    client: Client,
    *,
    scopes: tuple[str, ...],
    now_of: Callable[[], float],
    new_token: Callable[[int], str],
) -> Steps[TokenSet]:
    """Tokens for the client itself (RFC 6749 section 4.4). Raises as `exchange`.

    `additional_params` are sent here, as there is no authorization request (Auth0
    wants its ``audience``).
    """
    caller = Caller(
        client=client,
        provider=discovered.provider,
        settings=settings,
        now_of=now_of,
        new_token=new_token,
    )
    parameters = {
        "grant_type": "client_credentials",
        "scope": " ".join(scopes),
        "resource": resource_of(settings, discovered.resource),
    }
    tokens = yield from _tokens(
        caller, extended(settings, parameters), scope=" ".join(scopes)
    )
    # Section 4.4.3 knows no refresh token here: the client simply asks again.
    return msgspec.structs.replace(tokens, refresh_token="")


def extended(
    settings: OAuthSettings, parameters: Mapping[str, str]
) -> Mapping[str, str]:
    """The parameters of a request without a browser, and the additional ones (R90)."""
    extra = {
        name: value
        for name, value in settings.additional_params.items()
        if name not in PROTECTED and not name.startswith("client_")
    }
    return {**extra, **parameters}


def _tokens(
    caller: Caller,
    parameters: Mapping[str, str],
    *,
    scope: str,
    refresh_token: str = "",
) -> Steps[TokenSet]:
    outcome = yield from caller.ask(
        Step.TOKEN, caller.provider.token_endpoint, parameters=parameters
    )
    if isinstance(outcome, Refusal):
        if "code_verifier" in parameters and outcome.of_pkce:
            raise _pkce_refused(outcome, caller)
        raise refused(outcome, caller)
    return token_set(outcome, caller=caller, scope=scope, refresh_token=refresh_token)


def _pkce_refused(refusal: Refusal, caller: Caller) -> PkceUnsupported:
    return PkceUnsupported(
        f"{caller.provider.issuer} refused the proof of PKCE: {refusal.answered}",
        asked=refusal.asked,
        answered=refusal.answered,
        rule="RFC 7636: PKCE with S256 is sent with every login",
        advice="switch on PKCE with S256 for this client at the provider",
    )


def refused(refusal: Refusal, caller: Caller) -> OAuthError:
    """The error for an OAuth error answer of the token endpoint.

    `GrantRefused` for the codes of `TERMINAL` only; any other decides nothing.
    """
    issuer = caller.provider.issuer
    if refusal.error not in TERMINAL:
        return ProviderUnavailable(
            f"{issuer} gives no token for now: {refusal.answered}",
            asked=refusal.asked,
            answered=refusal.answered,
            advice="see whether the provider is well, and what its log says",
        )
    return GrantRefused(
        # After `token: ` the log would take the status for a secret.
        f"{issuer} refused to give a token, with {refusal.answered}",
        error=refusal.error,
        asked=refusal.asked,
        answered=refusal.answered,
        rule="RFC 6749 section 5.2: this answer is final",
        advice=TERMINAL[refusal.error],
    )


def token_set(
    members: Mapping[str, object],
    *,
    caller: Caller,
    scope: str = "",
    refresh_token: str = "",
) -> TokenSet:
    """A checked token answer (RFC 6749 section 5.1).

    ``scope`` and ``refresh_token`` are used where the answer has none. Raises
    `TokenAnswerInvalid`: no Bearer token, or one that no header can carry.
    """
    kind = text_of(members, "token_type")
    if kind.lower() != "bearer":
        shown = printable(kind) if kind else "none"
        raise _invalid(caller, f"its token type is {shown}, not Bearer")
    access_token = text_of(members, "access_token")
    if not is_secret(access_token):
        raise _invalid(caller, "its access token is missing or no header can carry it")
    renewed = text_of(members, "refresh_token") or refresh_token
    if renewed and not is_secret(renewed):
        raise _invalid(caller, "its refresh token cannot be used")
    return TokenSet(
        access_token=access_token,
        refresh_token=renewed,
        created_at=caller.now_of(),
        expires_in=lifetime(members.get("expires_in")),
        scope=_scope(members.get("scope")) or scope,
    )


def _invalid(caller: Caller, why: str) -> TokenAnswerInvalid:
    return TokenAnswerInvalid(
        f"the token answer of {caller.provider.issuer} is not used: {why}",
        asked=f"POST {shown_address(caller.provider.token_endpoint)}",
        answered=why,
        rule="RFC 6749 section 5.1, RFC 6750 section 2.1",
        advice="have the provider issue bearer tokens for this client",
    )


def lifetime(value: object) -> float | None:
    """Seconds of an ``expires_in``; a number sent as a text is read (older Entra).

    None, as if it were not said: missing, zero, negative, not finite, anything else. A
    token that is dead on arrival would only be renewed for ever; a 401 tells.
    """
    if isinstance(value, str):
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return None
    return float(min(value, LIFETIME_LIMIT))


def _number(text: str) -> float | None:
    plain = text.strip()
    if not plain.isascii() or not plain[:1].isdigit() or len(plain) > _NUMBER_LIMIT:
        return None
    try:
        return float(plain)
    except ValueError:
        return None


def _scope(value: object) -> str:
    """Scope as one text of tokens with single blanks; some servers send a list."""
    match value:
        case str():
            words = value[:_SCOPE_LIMIT].split()
        case list():
            words = [item for item in value if isinstance(item, str)]  # pyright: ignore[reportUnknownVariableType] - JSON
        case _:
            words = list[str]()
    clean = [word for word in words if word.isascii() and word.isprintable()]
    return " ".join(clean)[:_SCOPE_LIMIT]
