"""Log-out at the provider: both tokens, and what is said when it fails."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.errors import (
    AddressRefused,
    GrantRefused,
    ProviderUnavailable,
    TokenAnswerInvalid,
)
from bridge.oauth.credential import TokenSet
from bridge.oauth.http import HttpReply, HttpRequest, HttpResponse
from bridge.oauth.revocation import revoke
from kit.oauth_client import (
    FORBIDDEN,
    NOW,
    REVOKE_URL,
    SILENCE,
    client,
    credential,
    every,
    form_of,
    now,
    provider,
    settings,
    tokens_of_chance,
)
from kit.steps import answer, run_steps

DONE = HttpResponse(status=200)


def revoked(
    replies: Callable[[HttpRequest], HttpReply], **changes: Any
) -> tuple[bool | Exception, list[HttpRequest]]:
    """How it ended, and what was asked."""
    requests: list[HttpRequest] = []
    steps = revoke(
        credential(**changes), settings(), now_of=now, new_token=tokens_of_chance()
    )
    try:
        return run_steps(steps, replies, requests=requests).result, requests
    except Exception as error:  # noqa: BLE001 - the ending is what is looked at
        return error, requests


@pytest.mark.requirement("R111", "D14")
def test_the_refresh_token_is_revoked_before_the_access_token() -> None:
    ended, requests = revoked(every(DONE))
    assert ended is True
    assert [request.url for request in requests] == [REVOKE_URL, REVOKE_URL]
    assert [form_of(request) for request in requests] == [
        {
            "token": "old-refresh",
            "token_type_hint": "refresh_token",
            "client_id": "bridge",
        },
        {
            "token": "old-access",
            "token_type_hint": "access_token",
            "client_id": "bridge",
        },
    ]


@pytest.mark.requirement("R111")
def test_a_server_without_the_endpoint_is_not_asked() -> None:
    ended, requests = revoked(every(DONE), provider=provider(revocation_endpoint=""))
    assert ended is False
    assert requests == []


def test_a_login_without_a_refresh_token_has_one_token_to_revoke() -> None:
    bare = TokenSet(access_token="only", created_at=NOW)
    ended, requests = revoked(every(DONE), tokens=bare)
    assert ended is True
    assert [form_of(request)["token"] for request in requests] == ["only"]


@pytest.mark.parametrize("code", ["unsupported_token_type", "invalid_token"])
def test_a_token_the_server_cannot_or_need_not_revoke_is_as_good_as_revoked(
    code: str,
) -> None:
    ended, _ = revoked(every(answer({"error": code}, status=400)))
    assert ended is True


@pytest.mark.requirement("D14")
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (SILENCE, ProviderUnavailable),
        (HttpResponse(status=503), ProviderUnavailable),
        (HttpResponse(status=404), ProviderUnavailable),
        (answer({"error": "invalid_client"}, status=401), GrantRefused),
        (HttpResponse(status=302), TokenAnswerInvalid),
        (FORBIDDEN, AddressRefused),
    ],
)
def test_both_tokens_are_tried_before_a_failure_is_told(
    reply: HttpReply, error: type[Exception]
) -> None:
    ended, requests = revoked(every(reply))
    assert isinstance(ended, error)
    assert len(requests) == 2


@pytest.mark.requirement("R103")
def test_the_failure_shows_no_token() -> None:
    def echo(request: HttpRequest) -> HttpReply:
        text = f"what is {form_of(request)['token']}?"
        document = {"error": "invalid_request", "error_description": text}
        return answer(document, status=400)

    ended, _ = revoked(echo)
    assert isinstance(ended, GrantRefused)
    assert ended.answered == "400 invalid_request (what is [redacted]?)"


SECRET = client(client_secret="s3cret", auth_method="client_secret_basic")


@pytest.mark.parametrize(
    ("listed", "in_header"),
    [
        (None, True),
        (("client_secret_basic", "client_secret_post"), True),
        (("client_secret_post",), False),
        (("tls_client_auth",), True),
    ],
)
def test_the_client_proves_itself_as_this_endpoint_wants_it(
    listed: tuple[str, ...] | None, *, in_header: bool
) -> None:
    at = provider(revocation_endpoint_auth_methods_supported=listed)
    _, requests = revoked(every(DONE), provider=at, client=SECRET)
    assert ("authorization" in requests[0].headers) is in_header
    assert ("client_secret" in form_of(requests[0])) is not in_header


def test_a_public_client_stays_one_whatever_the_list() -> None:
    at = provider(revocation_endpoint_auth_methods_supported=("client_secret_basic",))
    _, requests = revoked(every(DONE), provider=at)
    assert "authorization" not in requests[0].headers
