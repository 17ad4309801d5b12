"""Whatever a provider sends, and whatever an operator configures."""

import re
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import OAuthError
from bridge.oauth.authorization import PROTECTED, accept
from bridge.oauth.http import HttpFailure, HttpReply, HttpResponse, Steps
from bridge.oauth.pkce import s256, verifier
from bridge.oauth.provider import Client
from bridge.oauth.registration import identify
from bridge.oauth.token import exchange, refresh
from kit.oauth_client import (
    NOW,
    attempt,
    credential,
    every,
    now,
    provider,
    settings,
    tokens_of_chance,
)
from kit.steps import run_steps

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        *("access_token", "refresh_token", "token_type", "expires_in", "scope"),
        *("error", "error_description", "errorCode", "errorSummary", "client_id"),
        *("client_secret", "client_secret_expires_at", "token_endpoint_auth_method"),
    ]
)
WORDS = st.sampled_from(
    ["Bearer", "a-token", "invalid_grant", "PKCE", "none", "client_secret_basic"]
)
DOCUMENTS = st.dictionaries(MEMBERS, VALUES | WORDS).map(msgspec.json.encode)
KINDS = st.sampled_from(
    ["application/json", "application/x-www-form-urlencoded", "text/html", ""]
)
REPLIES = st.builds(
    HttpResponse,
    status=st.sampled_from([200, 200, 200, 201, 302, 400, 401, 403, 429, 500]),
    headers=st.fixed_dictionaries(
        {"content-type": KINDS}, optional={"retry-after": st.text()}
    ),
    body=DOCUMENTS | VALUES.map(msgspec.json.encode) | st.binary(),
) | st.builds(HttpFailure, reason=st.text(), refused=st.booleans())
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def ending(steps: Steps[object], reply: HttpReply) -> object:
    """The result or the `OAuthError`; anything else is what the test is about."""
    try:
        return run_steps(steps, every(reply)).result
    except OAuthError as error:
        texts = (str(error), error.asked, error.answered, error.rule, error.advice)
        assert all(text.isprintable() and len(text) < 1000 for text in texts)
        return error


@pytest.mark.requirement("D9")
@given(reply=REPLIES)
def test_any_answer_is_a_usable_token_or_an_oauth_error(reply: HttpReply) -> None:
    chance = tokens_of_chance()
    dialogues = (
        exchange(attempt(), settings(), "code", now_of=now, new_token=chance),
        refresh(credential(), settings(), now_of=now, new_token=chance),
    )
    for steps in dialogues:
        result = ending(steps, reply)
        if isinstance(result, OAuthError):
            continue
        token = getattr(result, "access_token", "")
        assert re.fullmatch(r"[\x21-\x7e]{1,16384}", token)


@given(reply=REPLIES)
def test_any_registration_answer_is_a_usable_client_or_an_oauth_error(
    reply: HttpReply,
) -> None:
    result = ending(identify(settings(), provider(), known=None, now=NOW), reply)
    if isinstance(result, Client):
        assert re.fullmatch(r"[\x20-\x7e]+", result.client_id)
        assert result.auth_method == "none" or result.client_secret


@pytest.mark.requirement("R82")
@given(octets=st.binary(min_size=32, max_size=32))
def test_a_verifier_and_its_challenge_fit_the_standard(octets: bytes) -> None:
    secret = verifier(lambda count: octets[:count].hex())
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", secret)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", s256(secret))


@pytest.mark.requirement("R90")
@given(
    extra=st.dictionaries(st.sampled_from(sorted(PROTECTED)) | TEXTS, TEXTS, max_size=6)
)
def test_no_additional_parameter_changes_a_protected_one(extra: dict[str, str]) -> None:
    plain = attempt()
    login = attempt(settings(additional_params=extra))
    sent = parse_qsl(urlsplit(login.url).query, keep_blank_values=True)
    ours = parse_qsl(urlsplit(plain.url).query, keep_blank_values=True)
    protected = [pair for pair in ours if pair[0] in PROTECTED]
    assert sorted(pair for pair in sent if pair[0] in PROTECTED) == sorted(protected)


@pytest.mark.requirement("R83", "D1", "D2")
@given(
    parameters=st.dictionaries(
        st.sampled_from(["state", "iss", "code", "error", "error_description"]),
        st.text(),
    )
)
def test_no_invented_redirect_gives_a_code(parameters: dict[str, str]) -> None:
    with pytest.raises(OAuthError) as refused:
        accept(attempt(), parameters)
    assert str(refused.value).isprintable()
