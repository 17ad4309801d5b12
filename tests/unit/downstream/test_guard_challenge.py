"""What a refused client is told: enough to get a token, nothing of the one it had."""

import json

import pytest

from bridge.downstream.authority import HostInvalid, HostRefused
from bridge.downstream.challenge import challenge
from bridge.downstream.message import Response
from bridge.errors import (
    GuardError,
    KeysUnavailable,
    OriginRefused,
    ScopeInsufficient,
    TokenInvalid,
    TokenMissing,
)
from bridge.identity.refusal import Reason, TokenRefused

METADATA = "https://bridge.example/.well-known/oauth-protected-resource/mcp"
SECRET = "secret-detail"


def answer(error: GuardError, *scopes: str) -> tuple[Response, str]:
    response = challenge(error, resource_metadata=METADATA, scopes=scopes)
    return response, dict(response.headers).get("www-authenticate", "")


@pytest.mark.requirement("R38", "A35")
def test_without_a_token_the_challenge_has_no_error() -> None:
    response, header = answer(TokenMissing(SECRET))
    assert response.status == 401
    assert header == f'Bearer resource_metadata="{METADATA}"'


@pytest.mark.requirement("R38", "A35", "A12")
@pytest.mark.parametrize(
    "error",
    [TokenInvalid(SECRET), TokenRefused(Reason.EXPIRED, SECRET), GuardError(SECRET)],
)
def test_a_bad_token_is_called_invalid_and_no_more(error: GuardError) -> None:
    response, header = answer(error, "a", "b")
    assert response.status == 401
    assert header == (
        f'Bearer error="invalid_token", resource_metadata="{METADATA}", scope="a b"'
    )
    assert json.loads(response.body) == {"error": "invalid_token"}


@pytest.mark.requirement("R38", "A27")
def test_a_missing_scope_is_answered_with_all_that_are_needed() -> None:
    response, header = answer(ScopeInsufficient(SECRET, scopes=("x", "y")), "x")
    assert response.status == 403
    assert header == (
        'Bearer error="insufficient_scope", scope="x y",'
        f' resource_metadata="{METADATA}"'
    )


@pytest.mark.requirement("A44")
def test_without_keys_the_answer_is_to_come_again() -> None:
    response, header = answer(KeysUnavailable(SECRET))
    assert response.status == 503
    assert header == ""
    assert ("retry-after", "5") in response.headers


@pytest.mark.requirement("B1", "B2", "R55")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HostInvalid(SECRET), 400),
        (HostRefused(SECRET), 421),
        (OriginRefused(SECRET), 403),
    ],
)
def test_a_foreign_host_or_origin_gets_no_challenge(
    error: GuardError, status: int
) -> None:
    response, header = answer(error)
    assert response.status == status
    assert header == ""
    assert not any(name.startswith("access-control") for name, _ in response.headers)


@pytest.mark.requirement("A12")
@pytest.mark.parametrize(
    "error",
    [
        TokenMissing(SECRET),
        TokenInvalid(SECRET),
        ScopeInsufficient(SECRET, scopes=("x",)),
        KeysUnavailable(SECRET),
        HostInvalid(SECRET),
        HostRefused(SECRET),
        OriginRefused(SECRET),
    ],
)
def test_no_answer_repeats_the_reason_and_none_is_stored(error: GuardError) -> None:
    response, _ = answer(error)
    assert SECRET not in repr(response)
    assert ("cache-control", "no-store") in response.headers


def test_a_challenge_cannot_be_broken_out_of() -> None:
    response = challenge(
        TokenMissing(""), resource_metadata='https://h/"\r\nx: y\\', scopes=("é",)
    )
    header = dict(response.headers)["www-authenticate"]
    assert header == 'Bearer resource_metadata="https://h/\\"x: y\\\\"'


def test_a_challenge_without_parameters_is_the_bare_scheme() -> None:
    response = challenge(TokenMissing(""), resource_metadata="")
    assert dict(response.headers)["www-authenticate"] == "Bearer"
