"""How a client proves itself, and by which method."""

import base64
from typing import Any

import pytest

from bridge.errors import RegistrationFailed
from bridge.oauth.client_auth import ASSERTION_TYPE, Proof, choose_method, prove
from bridge.oauth.provider import Client
from kit.oauth_client import NOW, client, provider, settings, tokens_of_chance
from kit.private_keys import P256_PEM


def proof_of(who: Client, **changes: Any) -> Proof:
    return prove(
        who,
        settings(**changes),
        provider=provider(),
        now=NOW,
        new_token=tokens_of_chance(),
    )


def test_a_public_client_says_its_name_and_no_more() -> None:
    proof = proof_of(client())
    assert proof.parameters == {"client_id": "bridge"}
    assert proof.headers == {}


def test_basic_encodes_both_parts_before_it_joins_them() -> None:
    who = client(
        client_id="a:b c",
        client_secret="p\u00e4/s:s%",
        auth_method="client_secret_basic",
    )
    proof = proof_of(who)
    kind, encoded = proof.headers["authorization"].split(" ")
    # RFC 6749 section 2.3.1 and its appendix B: a blank is a plus.
    assert (kind, base64.b64decode(encoded)) == ("Basic", b"a%3Ab+c:p%C3%A4%2Fs%3As%25")
    assert proof.parameters == {}
    assert encoded in proof.secrets


def test_post_sends_both_in_the_form() -> None:
    who = client(client_secret="s3cret", auth_method="client_secret_post")
    proof = proof_of(who)
    assert proof.parameters == {"client_id": "bridge", "client_secret": "s3cret"}
    assert proof.headers == {}
    assert "s3cret" not in repr(proof)


def test_a_key_signs_an_assertion() -> None:
    proof = proof_of(client(auth_method="private_key_jwt"), private_key=P256_PEM)
    assert proof.parameters["client_id"] == "bridge"
    assert proof.parameters["client_assertion_type"] == ASSERTION_TYPE
    assert proof.secrets == (proof.parameters["client_assertion"],)


def test_a_renewed_secret_of_the_configuration_is_used_at_once() -> None:
    stored = client(client_secret="old", auth_method="client_secret_post")
    renewed = proof_of(stored, client_id="bridge", client_secret="new")
    assert renewed.parameters["client_secret"] == "new"


@pytest.mark.parametrize(
    "stored",
    [
        client(
            client_id="other", client_secret="old", auth_method="client_secret_post"
        ),
        client(
            client_secret="old", auth_method="client_secret_post", source="registered"
        ),
    ],
)
def test_a_configured_secret_is_not_given_for_another_client(stored: Client) -> None:
    proof = proof_of(stored, client_id="bridge", client_secret="new")
    assert proof.parameters["client_secret"] == "old"


LISTED: list[tuple[tuple[str, ...] | None, str, str]] = [
    (None, "s", "client_secret_basic"),  # the default of RFC 8414
    (None, "", "none"),
    (("client_secret_post", "client_secret_basic"), "s", "client_secret_basic"),
    (("client_secret_post",), "s", "client_secret_post"),
    (("none",), "s", "client_secret_basic"),
    (("client_secret_basic",), "", "none"),
]


@pytest.mark.requirement("R88")
@pytest.mark.parametrize(("listed", "secret", "method"), LISTED)
def test_the_method_fits_the_metadata_and_what_we_have(
    listed: tuple[str, ...] | None, secret: str, method: str
) -> None:
    server = provider(token_endpoint_auth_methods_supported=listed)
    assert choose_method(settings(), server, secret=secret) == method


@pytest.mark.parametrize(
    ("listed", "secret", "method"),
    [
        (("private_key_jwt", "client_secret_basic"), "s", "private_key_jwt"),
        (("client_secret_basic",), "s", "client_secret_basic"),
        (None, "", "private_key_jwt"),
    ],
)
def test_a_key_is_used_where_it_is_taken_or_all_we_have(
    listed: tuple[str, ...] | None, secret: str, method: str
) -> None:
    server = provider(token_endpoint_auth_methods_supported=listed)
    chosen = settings(private_key=P256_PEM)
    assert choose_method(chosen, server, secret=secret) == method


@pytest.mark.requirement("R88")
def test_the_configured_method_wins_over_the_registered_and_that_over_the_list() -> (
    None
):
    server = provider(token_endpoint_auth_methods_supported=("client_secret_basic",))
    agreed = choose_method(settings(), server, secret="s", agreed="client_secret_post")
    assert agreed == "client_secret_post"
    said = settings(auth_method="none")
    assert (
        choose_method(said, server, secret="s", agreed="client_secret_post") == "none"
    )


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_method_without_its_secret_names_the_setting(method: str) -> None:
    with pytest.raises(RegistrationFailed) as refused:
        choose_method(settings(auth_method=method), provider(), secret="")
    assert "oauth.client_secret of server 'wiki'" in refused.value.advice


def test_a_method_without_its_key_names_the_setting() -> None:
    with pytest.raises(RegistrationFailed) as refused:
        choose_method(settings(auth_method="private_key_jwt"), provider(), secret="")
    assert "oauth.private_key of server 'wiki'" in refused.value.advice


def test_a_method_nobody_here_knows_is_refused() -> None:
    with pytest.raises(RegistrationFailed, match="not supported") as refused:
        choose_method(settings(), provider(), secret="s", agreed="tls_client_auth")
    assert "private_key_jwt" in refused.value.advice
