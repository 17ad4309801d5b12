"""The device grant: a code to show, and polling until somebody typed it."""

from collections.abc import Mapping
from typing import Any

import pytest

from bridge.errors import (
    AddressRefused,
    GrantRefused,
    LoginFailed,
    ProviderUnavailable,
    TokenAnswerInvalid,
)
from bridge.oauth.credential import TokenSet
from bridge.oauth.device import DeviceCode, ask, poll
from bridge.oauth.http import HttpReply, HttpResponse
from bridge.oauth.provider import Provider
from kit.oauth_client import (
    DEVICE_URL,
    FORBIDDEN,
    NOW,
    PAGE,
    RESOURCE,
    SILENCE,
    TOKEN_URL,
    client,
    discovered,
    every,
    form_of,
    now,
    provider,
    settings,
    tokens_of_chance,
)
from kit.steps import Dialogue, answer, run_steps

GOOD: dict[str, Any] = {
    "device_code": "d3vice",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://id.example/device",
    "verification_uri_complete": "https://id.example/device?user_code=WDJB-MJHT",
    "expires_in": 900,
    "interval": 7,
}
CODE = DeviceCode(
    device_code="d3vice",
    user_code="WDJB-MJHT",
    verification_uri="https://id.example/device",
    expires_at=NOW + 900,
    interval=7,
    scope="read write",
)
TOKENS = {"access_token": "new-access", "token_type": "Bearer", "expires_in": 60}


def asked(
    reply: HttpReply, *, at: Provider | None = None, **changes: Any
) -> Dialogue[DeviceCode]:
    steps = ask(
        settings(grant="device_code", **changes),
        discovered(provider=at or provider()),
        client(),
        scopes=("read", "write"),
        now_of=now,
        new_token=tokens_of_chance(),
    )
    return run_steps(steps, every(reply))


def polled(
    reply: HttpReply, *, code: DeviceCode = CODE, seconds: float = 0.0
) -> Dialogue[TokenSet | float]:
    steps = poll(
        code,
        settings(grant="device_code"),
        discovered(),
        client(),
        now_of=lambda: NOW + seconds,
        new_token=tokens_of_chance(),
    )
    return run_steps(steps, every(reply))


def test_a_code_to_show_is_asked_for_with_scope_and_resource() -> None:
    dialogue = asked(answer(GOOD), additional_params={"audience": "wiki"})
    [request] = dialogue.requests
    assert request.url == DEVICE_URL
    assert form_of(request) == {
        "client_id": "bridge",
        "scope": "read write",
        "resource": RESOURCE,
        "audience": "wiki",
    }
    code = dialogue.result
    assert code.user_code == "WDJB-MJHT"
    assert code.verification_uri_complete.endswith("?user_code=WDJB-MJHT")
    assert (code.interval, code.expires_at) == (7, NOW + 900)
    assert "d3vice" not in repr(code)
    assert "WDJB" not in repr(code)


def test_the_older_spelling_of_the_address_is_read() -> None:
    document = {
        "device_code": "d",
        "user_code": "u",
        "verification_url": "https://a.b/d",
    }
    code = asked(answer(document)).result
    assert code.verification_uri == "https://a.b/d"
    assert code.verification_uri_complete == ""
    assert (code.interval, code.expires_at) == (5, NOW + 600)


@pytest.mark.parametrize(
    ("said", "interval"), [(0, 5), ("x", 5), (0.1, 1), (10**9, 300), ("10", 10)]
)
def test_the_interval_is_bounded(said: object, interval: float) -> None:
    assert asked(answer({**GOOD, "interval": said})).result.interval == interval


def test_nobody_waits_longer_than_half_an_hour() -> None:
    code = asked(answer({**GOOD, "expires_in": 10**9})).result
    assert code.expires_at == NOW + 1800


@pytest.mark.parametrize(
    "changes",
    [
        {"device_code": ""},
        {"device_code": "a\nb"},
        {"user_code": ""},
        {"user_code": "a\x1b[2J"},
        {"user_code": "A" * 65},
        {"user_code": " A"},
        {"verification_uri": ""},
        {"verification_uri": 7},
    ],
)
def test_an_answer_without_a_usable_code_is_refused(
    changes: Mapping[str, object],
) -> None:
    with pytest.raises(LoginFailed, match="no usable code"):
        asked(answer({**GOOD, **changes}))


@pytest.mark.requirement("D6")
@pytest.mark.parametrize("member", ["verification_uri", "verification_uri_complete"])
@pytest.mark.parametrize(
    "url", ["http://id.example/d", "javascript:alert(1)", "https://a.b/$(id)"]
)
def test_an_address_no_browser_may_open_is_not_shown(member: str, url: str) -> None:
    with pytest.raises(AddressRefused):
        asked(answer({**GOOD, member: url}))


def test_a_server_without_the_grant_says_so() -> None:
    with pytest.raises(LoginFailed, match="does not offer the device grant") as refused:
        asked(answer(GOOD), at=provider(device_authorization_endpoint=""))
    assert "oauth.grant of server 'wiki'" in refused.value.advice


def test_a_client_that_may_not_use_the_grant_is_told() -> None:
    with pytest.raises(GrantRefused) as refused:
        asked(answer({"error": "unauthorized_client"}, status=400))
    assert refused.value.error == "unauthorized_client"


def test_tokens_come_once_the_person_is_done() -> None:
    dialogue = polled(answer(TOKENS))
    [request] = dialogue.requests
    assert request.url == TOKEN_URL
    assert form_of(request) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "d3vice",
        "resource": RESOURCE,
        "client_id": "bridge",
    }
    assert dialogue.result == TokenSet(
        access_token="new-access", created_at=NOW, expires_in=60, scope="read write"
    )


@pytest.mark.parametrize(
    ("reply", "interval"),
    [
        (answer({"error": "authorization_pending"}, status=400), 7.0),
        (answer({"error": "slow_down"}, status=400), 12.0),
        (SILENCE, 14.0),
        (HttpResponse(status=503), 14.0),
        (HttpResponse(status=429, headers={"retry-after": "60"}), 60.0),
        (HttpResponse(status=429, headers={"retry-after": "3600"}), 300.0),
    ],
)
def test_until_then_the_polling_goes_on_at_the_servers_pace(
    reply: HttpReply, interval: float
) -> None:
    assert polled(reply).result == interval


@pytest.mark.parametrize(
    ("error", "reason"),
    [("access_denied", "refused at the provider"), ("expired_token", "code expired")],
)
def test_the_login_ends_when_the_server_says_so(error: str, reason: str) -> None:
    with pytest.raises(LoginFailed, match=reason) as ended:
        polled(answer({"error": error}, status=400))
    assert ended.value.answered == f"400 {error}"


def test_the_login_ends_when_the_code_is_over_without_asking() -> None:
    with pytest.raises(LoginFailed, match="code expired") as ended:
        polled(answer(TOKENS), seconds=900)
    assert ended.value.asked == ""


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer({"error": "invalid_grant"}, status=400), GrantRefused),
        (answer({"error": "weather"}, status=400), ProviderUnavailable),
        (PAGE, TokenAnswerInvalid),
        (FORBIDDEN, AddressRefused),
    ],
)
def test_any_other_answer_ends_the_login(
    reply: HttpReply, error: type[Exception]
) -> None:
    with pytest.raises(error):
        polled(reply)
