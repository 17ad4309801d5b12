"""The token endpoint: what is asked, what is believed, what is final."""

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import pytest

from bridge.errors import (
    AddressRefused,
    GrantRefused,
    IssuerRefused,
    OAuthError,
    PkceUnsupported,
    ProviderUnavailable,
    TokenAnswerInvalid,
)
from bridge.oauth.credential import TokenSet
from bridge.oauth.http import HttpReply, HttpRequest, HttpResponse, Steps
from bridge.oauth.settings import OAuthSettings
from bridge.oauth.token import (
    TERMINAL,
    client_credentials,
    exchange,
    lifetime,
    refresh,
)
from bridge.observe.redact import Redactor
from kit.oauth_client import (
    FORBIDDEN,
    ISSUER,
    NOW,
    PAGE,
    RESOURCE,
    SILENCE,
    TOKEN_URL,
    attempt,
    client,
    credential,
    discovered,
    every,
    form_of,
    now,
    provider,
    settings,
    tokens_of_chance,
)
from kit.steps import Dialogue, answer, run_steps
from kit.token_answers import REVOKED, SHAPES

GOOD = {"access_token": "new-access", "token_type": "Bearer", "expires_in": 3600}


def exchanging(chosen: OAuthSettings | None = None) -> Steps[TokenSet]:
    return exchange(
        attempt(chosen),
        chosen or settings(),
        "the-code",
        now_of=now,
        new_token=tokens_of_chance(),
    )


def exchanged(
    reply: HttpReply, chosen: OAuthSettings | None = None
) -> Dialogue[TokenSet]:
    return run_steps(exchanging(chosen), every(reply))


def refreshing(chosen: OAuthSettings | None = None, **changes: Any) -> Steps[TokenSet]:
    return refresh(
        credential(**changes),
        chosen or settings(),
        now_of=now,
        new_token=tokens_of_chance(),
    )


def refreshed(reply: HttpReply, **changes: Any) -> Dialogue[TokenSet]:
    return run_steps(refreshing(**changes), every(reply))


# --- what is asked ---


@pytest.mark.requirement("R93", "R91", "R82", "D5")
def test_a_code_is_exchanged_with_its_verifier_redirect_and_resource() -> None:
    [request] = exchanged(answer(GOOD)).requests
    assert (request.method, request.url) == ("POST", TOKEN_URL)
    assert request.headers["accept"] == "application/json"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form_of(request) == {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": "http://127.0.0.1:8090/oauth/callback",
        "code_verifier": attempt().verifier,
        "resource": RESOURCE,
        "client_id": "bridge",
    }


@pytest.mark.requirement("R91", "D5")
def test_a_refresh_names_the_resource_and_asks_for_no_other_scope() -> None:
    [request] = refreshed(answer(GOOD)).requests
    assert form_of(request) == {
        "grant_type": "refresh_token",
        "refresh_token": "old-refresh",
        "resource": RESOURCE,
        "client_id": "bridge",
    }


@pytest.mark.requirement("R91")
def test_the_configured_resource_goes_with_exchange_and_refresh() -> None:
    chosen = settings(additional_params={"resource": "myapp"})
    exchange_form = form_of(exchanged(answer(GOOD), chosen).requests[0])
    refresh_form = form_of(
        run_steps(refreshing(chosen), every(answer(GOOD))).requests[0]
    )
    assert exchange_form["resource"] == refresh_form["resource"] == "myapp"


def test_an_empty_resource_is_not_sent_to_providers_that_refuse_the_parameter() -> None:
    chosen = settings(additional_params={"resource": ""})
    assert "resource" not in form_of(exchanged(answer(GOOD), chosen).requests[0])


def test_client_credentials_send_scope_resource_and_additional_parameters() -> None:
    extra = {"audience": "wiki-api", "client_id": "other", "grant_type": "password"}
    steps = client_credentials(
        settings(grant="client_credentials", additional_params=extra),
        discovered(),
        client(client_secret="s3cret", auth_method="client_secret_post"),
        scopes=("read", "write"),
        now_of=now,
        new_token=tokens_of_chance(),
    )
    dialogue = run_steps(steps, every(answer({**GOOD, "refresh_token": "surplus"})))
    assert form_of(dialogue.requests[0]) == {
        "grant_type": "client_credentials",
        "scope": "read write",
        "resource": RESOURCE,
        "audience": "wiki-api",
        "client_id": "bridge",
        "client_secret": "s3cret",
    }
    assert dialogue.result.scope == "read write"
    assert not dialogue.result.refresh_token  # RFC 6749 section 4.4.3


@pytest.mark.requirement("R104")
def test_tokens_never_leave_over_an_unencrypted_connection() -> None:
    requests: list[HttpRequest] = []
    plain = provider(token_endpoint="http://id.example/token")
    with pytest.raises(AddressRefused):
        run_steps(refreshing(provider=plain), every(answer(GOOD)), requests=requests)
    assert requests == []


@pytest.mark.requirement("D4")
def test_a_client_of_another_issuer_is_not_used() -> None:
    with pytest.raises(IssuerRefused, match=r"other\.example"):
        refreshed(answer(GOOD), client=client(issuer="https://other.example"))


# --- what is believed ---


@pytest.mark.parametrize("shape", SHAPES)
def test_the_answers_of_well_known_providers_are_understood(shape: str) -> None:
    document, seconds, refreshable = SHAPES[shape]
    tokens = exchanged(answer(document)).result
    assert tokens.access_token == document["access_token"]
    assert tokens.expires_in == seconds
    assert bool(tokens.refresh_token) is refreshable
    assert tokens.scope == document["scope"]
    assert tokens.created_at == NOW


@pytest.mark.requirement("D9")
def test_a_refresh_keeps_refresh_token_and_scope_that_are_not_renewed() -> None:
    tokens = refreshed(answer(GOOD)).result
    assert (tokens.access_token, tokens.refresh_token) == ("new-access", "old-refresh")
    assert tokens.scope == "read write"


def test_a_rotated_refresh_token_takes_the_place_of_the_old_one() -> None:
    renewed = {**GOOD, "refresh_token": "new-refresh", "scope": "read"}
    tokens = refreshed(answer(renewed)).result
    assert (tokens.refresh_token, tokens.scope) == ("new-refresh", "read")


def test_scope_that_is_not_said_is_what_was_asked_for() -> None:
    assert exchanged(answer(GOOD)).result.scope == "read write"


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (["a", "b", 7], "a b"),
        (" a \u00e9 b ", "a b"),
        ("repo,gist", "repo,gist"),
        (7, "read write"),
        ("", "read write"),
    ],
)
def test_scope_is_read_in_the_forms_servers_send(said: object, understood: str) -> None:
    assert exchanged(answer({**GOOD, "scope": said})).result.scope == understood


@pytest.mark.requirement("D9")
@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER"])
def test_the_token_type_is_bearer_in_any_case(kind: str) -> None:
    tokens = exchanged(answer({**GOOD, "token_type": kind})).result
    assert tokens.token_type == "Bearer"


HOSTILE: Mapping[str, Mapping[str, object]] = {
    "no token": {"access_token": None},
    "an empty token": {"access_token": ""},
    "a number": {"access_token": 7},
    "a line end": {"access_token": "a\r\nX-Evil: 1"},
    "a blank": {"access_token": "a b"},
    "no ASCII": {"access_token": "t\u00f6ken"},
    "an endless token": {"access_token": "a" * 16_385},
    "a bad refresh token": {"refresh_token": "a\nb"},
    "an endless refresh token": {"refresh_token": "a" * 16_385},
    "no type": {"token_type": None},
    "another type": {"token_type": "DPoP"},
    "an unprintable type": {"token_type": "\x1b[31mMAC"},
}


@pytest.mark.requirement("D9")
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_token_answer_is_not_used(what: str) -> None:
    with pytest.raises(TokenAnswerInvalid) as refused:
        exchanged(answer({**GOOD, **HOSTILE[what]}))
    assert refused.value.asked == f"POST {TOKEN_URL}"
    assert str(refused.value).isprintable()


@pytest.mark.requirement("D9", "R110")
@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (3600, 3600.0),
        (0.5, 0.5),
        ("3600", 3600.0),
        (" 59.5 ", 59.5),
        (10**40, 315_360_000.0),
        (1e300, 315_360_000.0),
        ("9e99", 315_360_000.0),
        (None, None),
        (0, None),
        (-1, None),
        ("-1", None),
        ("soon", None),
        ("1 day", None),
        ("", None),
        ("1" * 33, None),
        ("\u0663", None),
        (True, None),
        ([3600], None),
        (float("nan"), None),
    ],
)
def test_a_lifetime_that_makes_no_sense_is_none(
    said: object, understood: float | None
) -> None:
    assert lifetime(said) == understood


@pytest.mark.requirement("R110")
def test_a_token_without_a_lifetime_has_no_end() -> None:
    tokens = exchanged(answer({"access_token": "a", "token_type": "bearer"})).result
    assert tokens.expires_at is None


def test_an_answer_written_as_a_form_is_read() -> None:
    reply = HttpResponse(
        status=200,
        headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        body=b"access_token=gho_1&scope=repo%2Cgist&token_type=bearer",
    )
    tokens = exchanged(reply).result
    assert (tokens.access_token, tokens.scope) == ("gho_1", "repo,gist")


# --- what is final ---


@pytest.mark.requirement("R108")
@pytest.mark.parametrize("shape", REVOKED)
def test_the_refusals_of_well_known_providers_are_final(shape: str) -> None:
    status, document, code = REVOKED[shape]
    with pytest.raises(GrantRefused) as refused:
        refreshed(answer(document, status=status))
    assert refused.value.error == code
    assert refused.value.answered.startswith(f"{status} {code} (")
    assert refused.value.advice


@pytest.mark.requirement("R108")
@pytest.mark.parametrize("code", TERMINAL)
def test_each_final_code_has_its_own_advice(code: str) -> None:
    with pytest.raises(GrantRefused) as refused:
        refreshed(answer({"error": code}, status=400))
    assert (refused.value.error, refused.value.advice) == (code, TERMINAL[code])


def test_the_redaction_leaves_a_refusal_as_it_is() -> None:
    with pytest.raises(GrantRefused) as refused:
        refreshed(answer({"error": "invalid_grant"}, status=400))
    assert refused.value.public.endswith("with 400 invalid_grant")
    assert Redactor().text(refused.value.public) == refused.value.public


def test_a_refusal_that_comes_as_a_success_is_a_refusal() -> None:
    with pytest.raises(GrantRefused, match="invalid_grant"):
        refreshed(answer({"error": "invalid_grant"}))


def test_a_login_without_a_refresh_token_cannot_be_renewed() -> None:
    bare = TokenSet(access_token="a", created_at=NOW)
    with pytest.raises(GrantRefused) as refused:
        refreshed(answer(GOOD), tokens=bare)
    assert refused.value.error == "invalid_grant"


UNDECIDED: Mapping[str, HttpReply] = {
    "silence": SILENCE,
    "500": HttpResponse(status=500, body=b"oops"),
    "500 with a final code": answer({"error": "invalid_grant"}, status=500),
    "503": HttpResponse(status=503),
    "429": answer({"error": "invalid_request"}, status=429),
    "408": HttpResponse(status=408),
    "a firewall's page": HttpResponse(status=403, body=b"<html>blocked"),
    "a missing page": HttpResponse(status=404),
    "an error that is no OAuth error": answer({"error": {"code": 7}}, status=400),
    "an unknown code": answer({"error": "weather"}, status=400),
    "temporarily_unavailable": answer({"error": "temporarily_unavailable"}, status=400),
    "server_error": answer({"error": "server_error"}, status=400),
}


@pytest.mark.requirement("R108")
@pytest.mark.parametrize("what", UNDECIDED)
def test_what_decides_nothing_keeps_the_login(what: str) -> None:
    with pytest.raises(ProviderUnavailable) as trouble:
        refreshed(UNDECIDED[what])
    assert trouble.value.retryable
    assert trouble.value.asked == f"POST {TOKEN_URL}"
    assert "provider" in trouble.value.advice


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ("120", 120.0),
        ("999999999999", 3600.0),
        (formatdate(NOW + 60, usegmt=True), 60.0),
        (formatdate(NOW - 60, usegmt=True), 0.0),
        (formatdate(NOW + 86_400, usegmt=True), 3600.0),
        ("later", None),
        ("", None),
        ("\u0663", None),
    ],
)
def test_the_provider_may_say_when_to_come_back(
    said: str, understood: float | None
) -> None:
    busy = HttpResponse(status=429, headers={"retry-after": said})
    with pytest.raises(ProviderUnavailable) as trouble:
        refreshed(busy)
    assert trouble.value.retry_after == understood


SHAPELESS: Mapping[str, HttpReply] = {
    "a page": PAGE,
    "nothing": HttpResponse(status=200),
    "half an answer": HttpResponse(status=200, body=b'{"access_token": "a'),
    "a list": answer(["access_token"]),
    "no UTF-8": HttpResponse(status=200, body=b'{"access_token": "\xff"}'),
    "a well": HttpResponse(status=200, body=b'{"a":' + b"[" * 100_000),
    "a form that is none": HttpResponse(
        status=200,
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=b"\xff",
    ),
    "a redirect": HttpResponse(
        status=307, headers={"location": "https://evil.example/"}
    ),
    "an early hint": HttpResponse(status=103),
}


@pytest.mark.requirement("D9", "R104")
@pytest.mark.parametrize("what", SHAPELESS)
def test_what_is_no_token_answer_is_said_so(what: str) -> None:
    requests: list[HttpRequest] = []
    with pytest.raises(TokenAnswerInvalid) as refused:
        run_steps(refreshing(), every(SHAPELESS[what]), requests=requests)
    assert len(requests) == 1  # no redirect is followed with a secret
    assert refused.value.rule
    assert refused.value.advice


def test_a_redirect_is_told_from_a_page() -> None:
    with pytest.raises(TokenAnswerInvalid, match="redirects"):
        refreshed(SHAPELESS["a redirect"])
    with pytest.raises(TokenAnswerInvalid, match="not a JSON object"):
        refreshed(PAGE)


def test_an_endpoint_that_must_not_be_asked_is_named() -> None:
    with pytest.raises(AddressRefused, match="private network"):
        refreshed(FORBIDDEN)


@pytest.mark.requirement("R95")
@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("invalid_grant", "PKCE verification failed"),
        ("invalid_grant", "code_verifier does not match"),
        ("invalid_request", "code challenge required"),
    ],
)
def test_pkce_refused_at_the_exchange_is_said_so(code: str, text: str) -> None:
    reply = answer({"error": code, "error_description": text}, status=400)
    with pytest.raises(PkceUnsupported, match="refused the proof of PKCE") as refused:
        exchanged(reply)
    assert text in refused.value.answered
    with pytest.raises(GrantRefused):  # a refresh proves nothing of the kind
        refreshed(reply)


@pytest.mark.requirement("R103", "R93")
@pytest.mark.parametrize("status", [400, 200])
def test_a_server_that_repeats_secrets_does_not_get_them_into_an_error(
    status: int,
) -> None:
    def echo(request: HttpRequest) -> HttpReply:
        text = (request.body or b"").decode() + "".join(form_of(request).values())
        document = {"error": "invalid_grant", "error_description": text}
        return answer(document, status=status)

    with pytest.raises(OAuthError) as refused:
        run_steps(exchanging(), echo)
    error = refused.value
    shown = f"{error} {error.asked} {error.answered} {error.rule} {error.advice}"
    assert "the-code" not in shown
    assert attempt().verifier not in shown
    assert ISSUER in shown


def test_a_foreign_text_in_an_error_is_printable_and_bounded() -> None:
    noise = "\x1b[2J\u202e\ud7ff" + "x" * 5000
    with pytest.raises(GrantRefused) as refused:
        refreshed(answer({"error": "invalid_grant", "error_description": noise}))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500
