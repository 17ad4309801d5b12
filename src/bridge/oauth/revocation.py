"""Telling the provider that tokens are no longer wanted (RFC 7009, R111)."""

from collections.abc import Callable

import msgspec

from bridge.errors import GrantRefused, OAuthError
from bridge.oauth.answer import Question, Refusal, answered, read
from bridge.oauth.caller import Caller
from bridge.oauth.credential import Credential
from bridge.oauth.http import HttpReply, Step, Steps
from bridge.oauth.provider import Client, Provider
from bridge.oauth.settings import AuthMethod, OAuthSettings

_SUCCESS = range(200, 300)
# An unknown token is a 200 by the standard; these say the same, or that access tokens
# end by themselves (section 2.2.1).
_AS_GOOD = frozenset({"unsupported_token_type", "invalid_token"})


def revoke(
    credential: Credential,
    settings: OAuthSettings,
    *,
    now_of: Callable[[], float],
    new_token: Callable[[int], str],
) -> Steps[bool]:
    """Revoke the refresh token, then the access token.

    False: the server has no revocation endpoint. Both are tried; then the first
    `OAuthError` is raised: `ProviderUnavailable`, `GrantRefused`, `AddressRefused`.
    """
    provider = credential.provider
    if not provider.revocation_endpoint:
        return False
    caller = Caller(
        client=_client_there(credential.client, provider),
        provider=provider,
        settings=settings,
        now_of=now_of,
        new_token=new_token,
    )
    tokens = {
        "refresh_token": credential.tokens.refresh_token,
        "access_token": credential.tokens.access_token,
    }
    failures: list[OAuthError] = []
    for kind, token in tokens.items():
        if token:
            failures += yield from _revoke_one(caller, token, kind=kind)
    if failures:
        raise failures[0]
    return True


def _client_there(client: Client, provider: Provider) -> Client:
    """The client as this endpoint wants it: its list may differ (RFC 8414)."""
    listed = provider.revocation_endpoint_auth_methods_supported
    if listed is None or client.auth_method in listed or not client.client_secret:
        return client
    methods: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post")
    fitting = [method for method in methods if method in listed]
    method = fitting[0] if fitting else client.auth_method
    return msgspec.structs.replace(client, auth_method=method)


def _revoke_one(caller: Caller, token: str, *, kind: str) -> Steps[list[OAuthError]]:
    question = caller.question(
        Step.REVOCATION,
        caller.provider.revocation_endpoint,
        parameters={"token": token, "token_type_hint": kind},
    )
    reply = yield question.request
    try:
        _check(caller, question, reply=reply)
    except OAuthError as failure:
        return [failure]
    return []


def _check(caller: Caller, question: Question, *, reply: HttpReply) -> None:
    """Raise unless the token is as good as revoked. A good answer has no body."""
    now = caller.now_of()
    if answered(question, reply, now=now).status in _SUCCESS:
        return
    outcome = read(question, reply, now=now)
    assert isinstance(outcome, Refusal)  # members come with a success only
    if outcome.error not in _AS_GOOD:
        raise GrantRefused(
            f"{caller.provider.issuer} revoked no token, with {outcome.answered}",
            error=outcome.error,
            asked=outcome.asked,
            answered=outcome.answered,
            rule="RFC 7009 section 2.2",
            advice="end the login at the provider by hand",
        )
