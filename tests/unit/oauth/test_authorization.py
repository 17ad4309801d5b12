"""The authorization request and the redirect that answers it."""

from collections.abc import Mapping

import pytest

from bridge.errors import AddressRefused, LoginFailed, OAuthError, PkceUnsupported
from bridge.oauth.authorization import PROTECTED, accept, begin, scopes_for
from bridge.oauth.challenge import BearerChallenge
from bridge.oauth.pkce import s256
from kit.oauth_client import (
    ISSUER,
    REDIRECT,
    RESOURCE,
    attempt,
    client,
    discovered,
    provider,
    query_of,
    settings,
    tokens_of_chance,
)

QUIET = BearerChallenge()


# --- scopes ---


@pytest.mark.requirement("R92")
def test_scopes_are_the_configured_ones_before_all_others() -> None:
    at = discovered(resource_scopes=("c",))
    challenge = BearerChallenge(scope="b")
    assert scopes_for(settings(scopes=("a",)), at, challenge) == ("a",)
    assert scopes_for(settings(), at, challenge) == ("b",)
    assert scopes_for(settings(), at, QUIET) == ("c",)
    assert scopes_for(settings(), discovered(), QUIET) == ()


@pytest.mark.requirement("R92")
def test_a_step_up_asks_for_all_that_is_held_and_more() -> None:
    challenge = BearerChallenge(scope="write admin", error="insufficient_scope")
    asked = scopes_for(
        settings(scopes=("read",)), discovered(), challenge, held=("openid", "write")
    )
    assert asked == ("openid", "write", "read", "admin")


def test_a_step_up_with_nothing_held_still_asks_for_what_is_wanted() -> None:
    challenge = BearerChallenge(scope="admin", error="insufficient_scope")
    asked = scopes_for(settings(scopes=("read",)), discovered(), challenge)
    assert asked == ("read", "admin")


@pytest.mark.requirement("D24")
@pytest.mark.parametrize(
    ("listed", "grant", "asked"),
    [
        (("read", "offline_access"), "authorization_code", ("read", "offline_access")),
        (("read", "offline_access"), "device_code", ("read", "offline_access")),
        (("read", "offline_access"), "client_credentials", ("read",)),
        (("read",), "authorization_code", ("read",)),
        (None, "authorization_code", ("read",)),
    ],
)
def test_offline_access_is_asked_for_only_where_the_server_lists_it(
    listed: tuple[str, ...] | None, grant: str, asked: tuple[str, ...]
) -> None:
    at = discovered(provider=provider(scopes_supported=listed))
    assert scopes_for(settings(scopes=("read",), grant=grant), at, QUIET) == asked


def test_scopes_of_strangers_are_unique_well_formed_and_not_endless() -> None:
    names = ("a", "a", 'b"', "c d", "\n", "e" * 257, *map(str, range(500)))
    asked = scopes_for(settings(), discovered(resource_scopes=names), QUIET)
    assert asked[:3] == ("a", "0", "1")
    assert len(asked) == 128


# --- the request ---


@pytest.mark.requirement("R82", "R83", "R91", "D1", "D5")
def test_the_request_carries_state_challenge_redirect_scope_and_resource() -> None:
    login = attempt()
    assert login.url.startswith("https://id.example/authorize?")
    assert query_of(login.url) == {
        "response_type": "code",
        "client_id": "bridge",
        "redirect_uri": REDIRECT,
        "state": login.state,
        "code_challenge": s256(login.verifier),
        "code_challenge_method": "S256",
        "scope": "read write",
        "resource": RESOURCE,
    }
    assert "scope=read%20write" in login.url
    assert len(login.state) * 4 >= 128
    assert login.state not in repr(login)
    assert login.verifier not in repr(login)


@pytest.mark.requirement("R89", "R90")
def test_additional_parameters_are_sent_but_cannot_touch_the_protected_ones() -> None:
    extra = {"audience": "wiki", "prompt": "consent"} | dict.fromkeys(PROTECTED, "evil")
    login = attempt(settings(additional_params=extra))
    query = query_of(login.url)
    assert (query["audience"], query["prompt"]) == ("wiki", "consent")
    assert "evil" not in query.values()


@pytest.mark.requirement("R91")
@pytest.mark.parametrize(("value", "sent"), [("myapp", "myapp"), ("", None)])
def test_the_resource_may_be_named_otherwise_or_left_out(
    value: str, sent: str | None
) -> None:
    login = attempt(settings(additional_params={"resource": value}))
    assert query_of(login.url).get("resource") == sent
    assert login.resource == value


def test_scope_may_be_written_by_hand_and_is_remembered_as_asked() -> None:
    login = attempt(settings(additional_params={"scope": "api://x/.default"}))
    assert query_of(login.url)["scope"] == "api://x/.default"
    assert login.scopes == ("api://x/.default",)


@pytest.mark.requirement("R90")
def test_the_query_of_the_endpoint_is_kept_where_it_is_not_ours() -> None:
    endpoint = "https://id.example/authorize?tenant=a%20b&p=&state=evil&x=1"
    endpoint += "&response_mode=form_post"
    at = discovered(provider=provider(authorization_endpoint=endpoint))
    login = attempt(settings(additional_params={"x": "2"}), at=at)
    query = query_of(login.url)
    assert (query["tenant"], query["p"], query["x"]) == ("a b", "", "2")
    assert query["state"] == login.state
    assert "response_mode" not in query  # the callback reads a query and nothing else


def test_no_scope_at_all_lets_the_server_choose() -> None:
    login = begin(
        settings(), discovered(), client(), scopes=(), new_token=tokens_of_chance()
    )
    assert "scope" not in query_of(login.url)
    assert login.scopes == ()


@pytest.mark.requirement("R90")
def test_values_cannot_break_out_of_their_parameter() -> None:
    value = "a&state=evil#x;`$(id)|\"'<> \r\n\u00e9"
    login = attempt(settings(additional_params={"hint": value}))
    assert query_of(login.url)["hint"] == value
    assert query_of(login.url)["state"] == login.state


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://id.example/authorize",
        "javascript:alert(1)",
        "https://id.example/$(id)",
        "https://user@id.example/authorize",
    ],
)
@pytest.mark.requirement("D6")
def test_an_endpoint_no_browser_may_open_is_refused(endpoint: str) -> None:
    at = discovered(provider=provider(authorization_endpoint=endpoint))
    with pytest.raises(AddressRefused):
        attempt(at=at)


def test_a_server_without_the_endpoint_says_so() -> None:
    at = discovered(provider=provider(authorization_endpoint=""))
    with pytest.raises(LoginFailed, match="no authorization endpoint"):
        attempt(at=at)


@pytest.mark.requirement("D3")
def test_no_login_starts_without_pkce() -> None:
    at = discovered(provider=provider(code_challenge_methods_supported=None))
    with pytest.raises(PkceUnsupported):
        attempt(at=at)


# --- the redirect ---


def refused(parameters: Mapping[str, str], *, iss_required: bool = False) -> OAuthError:
    at = discovered(
        provider=provider(authorization_response_iss_parameter_supported=iss_required)
    )
    login = attempt(at=at)
    with pytest.raises(OAuthError) as error:
        accept(login, {"state": login.state, **parameters})
    shown = f"{error.value} {error.value.asked} {error.value.answered}"
    assert login.state not in shown
    assert shown.isprintable()
    return error.value


@pytest.mark.requirement("R83", "D1")
def test_the_code_of_the_right_redirect_is_taken() -> None:
    login = attempt()
    assert accept(login, {"state": login.state, "code": "c0de"}) == "c0de"


@pytest.mark.requirement("R83", "D1")
@pytest.mark.parametrize("state", [None, "", "wrong", "\u00e9", "\ud800"])
def test_a_redirect_with_another_state_gives_nothing(state: str | None) -> None:
    parameters = {"code": "c0de", "error": "access_denied"}
    if state is not None:
        parameters["state"] = state
    with pytest.raises(LoginFailed, match="belongs to no login") as error:
        accept(attempt(), parameters)
    assert "access_denied" not in f"{error.value} {error.value.answered}"


@pytest.mark.requirement("R84", "D2")
def test_an_issuer_that_names_itself_is_believed_only_letter_by_letter() -> None:
    login = attempt()
    parameters = {"state": login.state, "code": "c0de", "iss": ISSUER}
    assert accept(login, parameters) == "c0de"
    for other in (f"{ISSUER}/", ISSUER.upper(), "https://id.example:443", ""):
        with pytest.raises(LoginFailed, match="was not sent by"):
            accept(login, {**parameters, "iss": other})


@pytest.mark.requirement("R84", "D2")
@pytest.mark.parametrize("parameters", [{"code": "c"}, {"error": "access_denied"}])
def test_an_issuer_promised_and_missing_is_refused_for_errors_too(
    parameters: Mapping[str, str],
) -> None:
    error = refused(parameters, iss_required=True)
    assert "does not say who sent it" in str(error)


@pytest.mark.requirement("R84", "D2")
def test_the_error_of_another_issuer_is_not_repeated() -> None:
    error = refused(
        {
            "iss": "https://evil.example",
            "error": "access_denied",
            "error_description": "call 555-EVIL",
        }
    )
    assert isinstance(error, LoginFailed)
    texts = (str(error), error.asked, error.answered, error.rule, error.advice)
    assert not any("EVIL" in text or "evil" in text for text in texts)
    assert not any("access_denied" in text for text in texts)


@pytest.mark.requirement("R93")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("access_denied", "the login was refused at the provider"),
        ("invalid_scope", "does not give the scopes"),
        ("unauthorized_client", "does not let this client"),
        ("unsupported_response_type", "does not offer the authorization code"),
        ("invalid_target", "does not know this server as a resource"),
        ("invalid_request", "cannot read the authorization request"),
        ("server_error", "the provider failed"),
        ("temporarily_unavailable", "the provider is busy"),
        ("something_else", "the provider refused the login"),
        ("\x1b[2J", "an error without a readable name"),
    ],
)
def test_the_error_of_the_provider_becomes_a_reason(code: str, reason: str) -> None:
    error = refused({"error": code, "code": "surplus"})
    assert isinstance(error, LoginFailed)
    assert reason in str(error)
    assert error.asked == "GET https://id.example/authorize"


def test_what_the_provider_says_is_shown_without_our_state() -> None:
    login = attempt()
    text = f"no such user\n{login.state}"
    error = refused({"error": "access_denied", "error_description": text})
    assert "access_denied (no such user\\n[redacted])" in error.answered


@pytest.mark.requirement("R95")
def test_pkce_refused_at_the_authorization_endpoint_is_said_so() -> None:
    error = refused(
        {"error": "invalid_request", "error_description": "code_challenge not allowed"}
    )
    assert isinstance(error, PkceUnsupported)
    assert "refused PKCE" in str(error)


@pytest.mark.parametrize("code", [None, "", "a b", "a\r\nb", "c" * 16_385])
def test_a_redirect_without_a_usable_code_is_refused(code: str | None) -> None:
    error = refused({} if code is None else {"code": code})
    assert "no usable code" in str(error)
