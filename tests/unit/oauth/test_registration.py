"""Who we are at a provider: configured, documented, known, registered."""

from typing import Any

import msgspec
import pytest

from bridge.errors import AddressRefused, ProviderUnavailable, RegistrationFailed
from bridge.oauth.http import HttpReply, HttpRequest, HttpResponse
from bridge.oauth.provider import Client, Provider
from bridge.oauth.registration import identify
from bridge.oauth.settings import OAuthSettings
from kit.oauth_client import (
    FORBIDDEN,
    ISSUER,
    NOW,
    PAGE,
    REDIRECT,
    REGISTER_URL,
    SILENCE,
    client,
    every,
    provider,
    settings,
)
from kit.private_keys import P256_PEM
from kit.steps import Dialogue, answer, run_steps

DOCUMENT = "https://bridge.example/oauth/client-metadata.json"
REGISTERED: dict[str, Any] = {"client_id": "c-1", "token_endpoint_auth_method": "none"}


def identified(
    reply: HttpReply | None = None,
    *,
    chosen: OAuthSettings | None = None,
    at: Provider | None = None,
    known: Client | None = None,
) -> Dialogue[Client]:
    steps = identify(chosen or settings(), at or provider(), known=known, now=NOW)
    return run_steps(steps, every(reply or answer(REGISTERED, status=201)))


def known_client(**changes: Any) -> Client:
    values: dict[str, Any] = {
        "client_id": "known",
        "source": "registered",
        "redirect_uri": REDIRECT,
    }
    return client(**(values | changes))


def sent(dialogue: Dialogue[Client]) -> dict[str, Any]:
    [request] = dialogue.requests
    return msgspec.json.decode(request.body or b"")


# --- the order ---


@pytest.mark.requirement("R88", "R89")
def test_a_configured_client_goes_before_everything_else() -> None:
    chosen = settings(
        client_id="mine", client_secret="s3cret", client_metadata_url=DOCUMENT
    )
    able = provider(client_id_metadata_document_supported=True)
    dialogue = identified(chosen=chosen, at=able, known=known_client())
    assert dialogue.requests == []
    assert dialogue.result == client(
        client_id="mine",
        client_secret="s3cret",
        auth_method="client_secret_basic",
        redirect_uri=REDIRECT,
    )


@pytest.mark.requirement("R88")
def test_a_metadata_document_goes_before_a_registration() -> None:
    chosen = settings(client_metadata_url=DOCUMENT)
    able = provider(client_id_metadata_document_supported=True)
    dialogue = identified(chosen=chosen, at=able, known=known_client())
    assert dialogue.requests == []
    assert dialogue.result == client(
        client_id=DOCUMENT, source="metadata_document", redirect_uri=REDIRECT
    )


def test_a_metadata_document_may_name_a_key_but_never_a_secret() -> None:
    able = provider(client_id_metadata_document_supported=True)
    keyed = settings(
        client_metadata_url=DOCUMENT,
        auth_method="private_key_jwt",
        private_key=P256_PEM,
    )
    assert identified(chosen=keyed, at=able).result.auth_method == "private_key_jwt"
    secret = settings(client_metadata_url=DOCUMENT, auth_method="client_secret_basic")
    assert identified(chosen=secret, at=able).result.auth_method == "none"


def test_a_provider_that_takes_no_metadata_document_gets_a_registration() -> None:
    dialogue = identified(chosen=settings(client_metadata_url=DOCUMENT))
    assert dialogue.result.client_id == "c-1"


@pytest.mark.parametrize(
    "url",
    [
        "https://bridge.example",
        "https://bridge.example/",
        "https://bridge.example/client?x=1",
        "http://localhost:8080/client",
    ],
)
def test_an_address_that_cannot_be_a_client_id_names_the_setting(url: str) -> None:
    able = provider(client_id_metadata_document_supported=True)
    with pytest.raises(RegistrationFailed) as refused:
        identified(chosen=settings(client_metadata_url=url), at=able)
    assert "oauth.client_metadata_url of server 'wiki'" in refused.value.advice


@pytest.mark.requirement("R88")
def test_a_known_registration_is_used_again() -> None:
    known = known_client(secret_expires_at=NOW + 3600, scope="read")
    dialogue = identified(known=known, chosen=settings(scopes=("read",)))
    assert dialogue.result is known
    assert dialogue.requests == []


SPOILT: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://other.example"},
    "another redirect address": {
        "redirect_uri": "http://127.0.0.1:8091/oauth/callback"
    },
    "an expired secret": {"secret_expires_at": NOW - 1},
    "a secret about to expire": {"secret_expires_at": NOW + 59},
    "a scope that is too narrow": {"scope": "write"},
    "another source": {"source": "configured"},
}


@pytest.mark.requirement("R88", "D4")
@pytest.mark.parametrize("what", SPOILT)
def test_a_registration_is_made_anew_for(what: str) -> None:
    known = known_client(**SPOILT[what])
    dialogue = identified(known=known, chosen=settings(scopes=("read",)))
    assert dialogue.result.client_id == "c-1"


def test_a_registration_is_made_anew_for_another_method() -> None:
    dialogue = identified(known=known_client(), chosen=settings(auth_method="none"))
    assert dialogue.requests == []
    changed = settings(auth_method="client_secret_post")
    reply = answer({"client_id": "c-1", "client_secret": "s"}, status=201)
    dialogue = identified(reply, known=known_client(), chosen=changed)
    assert sent(dialogue)["token_endpoint_auth_method"] == "client_secret_post"


# --- what is registered ---


@pytest.mark.requirement("R88", "R89")
def test_the_configured_values_are_really_sent() -> None:
    chosen = settings(
        client_name="My Bridge",
        client_uri="https://bridge.example",
        scopes=("read", "write"),
    )
    dialogue = identified(chosen=chosen)
    [request] = dialogue.requests
    assert (request.method, request.url) == ("POST", REGISTER_URL)
    assert request.headers["content-type"] == "application/json"
    assert sent(dialogue) == {
        "client_name": "My Bridge",
        "client_uri": "https://bridge.example",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "scope": "read write",
    }


def test_what_is_not_set_is_not_sent() -> None:
    listing = provider(scopes_supported=("read", "offline_access"))
    assert sent(identified(at=listing)).keys().isdisjoint({"client_uri", "scope"})


@pytest.mark.requirement("D24")
def test_offline_access_is_registered_with_the_scopes_where_it_is_listed() -> None:
    listing = provider(scopes_supported=("read", "offline_access"))
    document = sent(identified(at=listing, chosen=settings(scopes=("read",))))
    assert document["scope"] == "read offline_access"


def test_a_hosted_callback_makes_a_web_client() -> None:
    chosen = settings(redirect_uri="https://bridge.example/oauth/callback")
    assert sent(identified(chosen=chosen))["application_type"] == "web"


def test_a_device_client_has_no_redirect_address() -> None:
    document = sent(identified(chosen=settings(grant="device_code", redirect_uri="")))
    assert document["grant_types"] == [
        "urn:ietf:params:oauth:grant-type:device_code",
        "refresh_token",
    ]
    assert document["response_types"] == []
    assert document["application_type"] == "native"
    assert "redirect_uris" not in document


def test_a_client_of_its_own_right_is_never_public() -> None:
    chosen = settings(grant="client_credentials", redirect_uri="", scopes=("read",))
    reply = answer({"client_id": "c-1", "client_secret": "s"}, status=201)
    listing = provider(scopes_supported=("offline_access",))
    document = sent(identified(reply, chosen=chosen, at=listing))
    assert document["token_endpoint_auth_method"] == "client_secret_basic"
    assert document["grant_types"] == ["client_credentials"]
    assert document["scope"] == "read"


@pytest.mark.requirement("R88")
@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        (None, "none"),
        ((), "none"),
        (("client_secret_basic", "none"), "none"),
        (("client_secret_post", "client_secret_basic"), "client_secret_basic"),
        (("client_secret_post",), "client_secret_post"),
    ],
)
def test_the_method_asked_for_is_one_the_provider_offers(
    listed: tuple[str, ...] | None, asked: str
) -> None:
    at = provider(token_endpoint_auth_methods_supported=listed)
    reply = answer({"client_id": "c-1", "client_secret": "s"}, status=201)
    assert sent(identified(reply, at=at))["token_endpoint_auth_method"] == asked


def test_a_key_is_registered_by_its_public_half() -> None:
    at = provider(token_endpoint_auth_methods_supported=("private_key_jwt",))
    reply = answer({"client_id": "c-1"}, status=201)
    dialogue = identified(reply, at=at, chosen=settings(private_key=P256_PEM))
    [jwk] = sent(dialogue)["jwks"]["keys"]
    assert "d" not in jwk
    assert dialogue.result.auth_method == "private_key_jwt"


def test_a_provider_whose_methods_nobody_here_knows_is_not_asked() -> None:
    at = provider(token_endpoint_auth_methods_supported=("tls_client_auth",))
    with pytest.raises(RegistrationFailed, match="no way to prove") as refused:
        identified(at=at)
    assert "oauth.client_id of server 'wiki'" in refused.value.advice


# --- what comes back ---


@pytest.mark.requirement("R88")
@pytest.mark.parametrize(
    ("document", "method"),
    [
        ({}, "none"),
        ({"client_secret": "s"}, "client_secret_basic"),
        (
            {"client_secret": "s", "token_endpoint_auth_method": "client_secret_post"},
            "client_secret_post",
        ),
        ({"client_secret": "s", "token_endpoint_auth_method": "none"}, "none"),
    ],
)
def test_the_method_the_server_answers_is_the_one_used(
    document: dict[str, Any], method: str
) -> None:
    reply = answer({"client_id": "c-1", **document})
    assert identified(reply).result.auth_method == method


def test_a_server_that_forgets_the_secret_it_was_asked_for_has_a_public_client() -> (
    None
):
    at = provider(token_endpoint_auth_methods_supported=("client_secret_basic",))
    assert identified(answer({"client_id": "c-1"}), at=at).result.auth_method == "none"


def test_a_registration_belongs_to_its_issuer_and_redirect_address() -> None:
    document = {**REGISTERED, "scope": "read", "client_secret_expires_at": NOW + 9}
    assert identified(answer(document, status=201)).result == Client(
        issuer=ISSUER,
        client_id="c-1",
        source="registered",
        redirect_uri=REDIRECT,
        scope="read",
        secret_expires_at=NOW + 9,
    )


@pytest.mark.parametrize("said", [0, -1, None, "tomorrow", True])
def test_an_expiry_that_makes_no_sense_is_never(said: object) -> None:
    reply = answer({**REGISTERED, "client_secret_expires_at": said})
    assert identified(reply).result.secret_expires_at == 0


@pytest.mark.parametrize("said", ["a\nb", "a" * 8_193, 7])
def test_a_registered_scope_that_makes_no_sense_is_unknown(said: object) -> None:
    assert not identified(answer({**REGISTERED, "scope": said})).result.scope


@pytest.mark.parametrize(
    "reply",
    [
        answer({}),
        answer({"client_id": ""}),
        answer({"client_id": 7}),
        answer({"client_id": "a\r\nb"}),
        answer({"client_id": "a" * 2_049}),
        answer({"client_id": "c-1", "client_secret": "a\nb"}),
        PAGE,
    ],
)
def test_an_answer_without_a_usable_client_is_refused(reply: HttpResponse) -> None:
    with pytest.raises(RegistrationFailed, match="no usable client"):
        identified(reply)


def test_a_method_that_needs_a_secret_the_server_did_not_give_is_refused() -> None:
    reply = answer(
        {"client_id": "c-1", "token_endpoint_auth_method": "client_secret_basic"}
    )
    with pytest.raises(RegistrationFailed, match="needs a client secret"):
        identified(reply)


# --- what fails ---


def test_a_provider_without_registration_says_what_to_do() -> None:
    with pytest.raises(RegistrationFailed, match="registers no clients") as refused:
        identified(at=provider(registration_endpoint=""))
    assert REDIRECT in refused.value.advice
    assert "oauth.client_id of server 'wiki'" in refused.value.advice


def test_the_refusal_of_the_server_is_shown_bounded_and_printable() -> None:
    text = "redirect_uris must be https\x1b[2J" + "!" * 5000
    document = {"error": "invalid_redirect_uri", "error_description": text}
    with pytest.raises(RegistrationFailed) as refused:
        identified(answer(document, status=400))
    error = refused.value
    assert error.asked == f"POST {REGISTER_URL}"
    assert error.answered.startswith("400 invalid_redirect_uri redirect_uris must be")
    assert str(error).isprintable()
    assert len(str(error)) < 500
    assert "oauth.redirect_host of server 'wiki' to localhost" in error.advice


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "does not register clients it does not know"),
        (403, "does not register clients it does not know"),
        (404, "has no registration endpoint there"),
        (302, "refused to register the client"),
        (400, "refused to register the client"),
    ],
)
def test_each_refusal_has_its_reason(status: int, reason: str) -> None:
    with pytest.raises(RegistrationFailed, match=reason):
        identified(HttpResponse(status=status))


def test_a_guessed_registration_address_that_fails_asks_for_the_issuer() -> None:
    with pytest.raises(RegistrationFailed) as refused:
        identified(HttpResponse(status=404), at=provider(source="defaults"))
    assert "oauth.issuer of server 'wiki'" in refused.value.advice


@pytest.mark.parametrize("reply", [SILENCE, HttpResponse(status=503)])
def test_a_provider_that_is_down_may_be_asked_again(reply: HttpReply) -> None:
    with pytest.raises(ProviderUnavailable, match="registration endpoint"):
        identified(reply)


@pytest.mark.requirement("R104")
@pytest.mark.parametrize(
    ("url", "asked"), [("http://id.example/register", 0), (REGISTER_URL, 1)]
)
def test_a_registration_address_that_must_not_be_asked_is_refused(
    url: str, asked: int
) -> None:
    requests: list[HttpRequest] = []
    at = provider(registration_endpoint=url)
    with pytest.raises(AddressRefused):
        run_steps(
            identify(settings(), at, known=None, now=NOW),
            every(FORBIDDEN),  # the second: its name leads to a private network
            requests=requests,
        )
    assert len(requests) == asked
