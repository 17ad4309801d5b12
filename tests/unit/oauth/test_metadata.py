"""What is believed of the documents servers publish."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.errors import AddressRefused
from bridge.oauth.metadata import (
    IssuerDiffers,
    MetadataRefused,
    NotMetadata,
    ResourceDiffers,
    ResourceMetadata,
    check_issuer,
    decode_document,
    read_resource_metadata,
    read_server_metadata,
)
from bridge.oauth.provider import Provider
from kit.provider_documents import PROVIDERS, document, issuer

CORPUS = json.loads((Path(__file__).parent / "corpus/documents.json").read_text())
SERVER = "https://mcp.example/team/mcp"
ISSUER = "https://as.example"
RESOURCE = "https://mcp.example/mcp"  # of the corpus
LOCAL = "http://localhost:9000"


def published(**changes: object) -> dict[str, object]:
    return {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token", **changes}


def read(**changes: object) -> Provider:
    return read_server_metadata(published(**changes), issuers={ISSUER, LOCAL})


# --- the protected resource


def test_resource_metadata_is_read_as_published() -> None:
    said = {
        "resource": SERVER,
        "authorization_servers": ["https://as.example/", "https://b.example"],
        "scopes_supported": ["read", "write"],
        "bearer_methods_supported": ["header"],
    }
    assert read_resource_metadata(said, server=SERVER) == ResourceMetadata(
        resource=SERVER,
        authorization_servers=("https://as.example/", "https://b.example"),
        scopes_supported=("read", "write"),
    )


@pytest.mark.requirement("R72", "D5")
@pytest.mark.parametrize(
    "resource",
    [
        SERVER,
        f"{SERVER}/",
        "https://mcp.example/team",
        "https://mcp.example/team/",
        "https://mcp.example",
        "https://MCP.example:443/",
    ],
)
def test_the_server_or_a_parent_of_it_is_its_resource_and_kept_as_written(
    resource: str,
) -> None:
    said = read_resource_metadata({"resource": resource}, server=SERVER)
    assert said.resource == resource


@pytest.mark.requirement("R72", "D5")
@pytest.mark.parametrize(
    "resource",
    [
        "https://evil.example/team/mcp",
        "https://mcp.example.evil.example/team/mcp",
        "http://mcp.example/team/mcp",
        "https://mcp.example:8443/team/mcp",
        "https://mcp.example/team/mc",
        "https://mcp.example/team/mcp/more",
        "https://mcp.example/other",
        "https://mcp.example/team?tenant=a",
        f"{SERVER}?tenant=a",
        f"{SERVER}#fragment",
        f"{SERVER}#",
        "https://user@mcp.example/team",
        "/team/mcp",
        "urn:mcp",
        "mcp",
    ],
)
def test_another_resource_is_refused(resource: str) -> None:
    with pytest.raises(ResourceDiffers) as refused:
        read_resource_metadata({"resource": resource}, server=SERVER)
    assert "RFC 9728" in refused.value.rule


def test_a_resource_with_a_query_is_that_of_the_same_query_only() -> None:
    server = f"{SERVER}?tenant=a"
    assert read_resource_metadata({"resource": server}, server=server)
    assert read_resource_metadata({"resource": SERVER}, server=server)
    with pytest.raises(ResourceDiffers):
        read_resource_metadata({"resource": f"{SERVER}?tenant=b"}, server=server)


@pytest.mark.requirement("D5")
def test_resource_metadata_without_a_resource_is_refused() -> None:
    with pytest.raises(ResourceDiffers, match="names no resource"):
        read_resource_metadata({"authorization_servers": [ISSUER]}, server=SERVER)


def test_other_documents_are_no_resource_metadata() -> None:
    with pytest.raises(NotMetadata):
        read_resource_metadata({"error": "not found"}, server=SERVER)


@pytest.mark.parametrize("servers", [None, "https://as.example", {}, 1, [], [1, None]])
def test_authorization_servers_that_are_no_list_are_none(servers: object) -> None:
    said = {"resource": SERVER, "authorization_servers": servers}
    assert read_resource_metadata(said, server=SERVER).authorization_servers == ()


@pytest.mark.requirement("R76")
def test_what_resource_metadata_lists_is_bounded_and_clean() -> None:
    said = read_resource_metadata(
        {
            "resource": SERVER,
            "authorization_servers": [f"https://{n}.example" for n in range(99)],
            "scopes_supported": ["ok", "a b", 'q"', "\u202e", "", 1, *["s"] * 2000],
        },
        server=SERVER,
    )
    assert len(said.authorization_servers) == 8
    assert said.scopes_supported is not None
    assert said.scopes_supported[:2] == ("ok", "s")
    assert len(said.scopes_supported) <= 1000


# --- the authorization server


@pytest.mark.requirement("R71")
@pytest.mark.parametrize("name", PROVIDERS)
def test_the_metadata_of_each_provider_is_read(name: str) -> None:
    said = document(name)
    provider = read_server_metadata(said, issuers={issuer(name)})
    for member in (
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "revocation_endpoint",
        "device_authorization_endpoint",
    ):
        assert getattr(provider, member) == said.get(member, "")
    for member in (
        "scopes_supported",
        "grant_types_supported",
        "code_challenge_methods_supported",
        "token_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
    ):
        value = getattr(provider, member)
        assert (None if value is None else list(value)) == said.get(member)
    assert provider.source == "metadata"


@pytest.mark.requirement("R82", "R84")
def test_providers_differ_in_what_they_announce() -> None:
    read_all = {
        name: read_server_metadata(document(name), issuers={issuer(name)})
        for name in PROVIDERS
    }
    assert read_all["entra"].code_challenge_methods_supported is None
    announced = {
        name
        for name, provider in read_all.items()
        if provider.authorization_response_iss_parameter_supported
    }
    assert announced == {"keycloak"}


@pytest.mark.requirement("R72", "D4")
@pytest.mark.parametrize(
    "other",
    [
        "https://evil.example",
        "https://as.example/",
        "https://AS.example",
        "https://as.example:443",
        "http://as.example",
        "https://login.entra.example/{tenantid}/v2.0",
    ],
)
def test_an_issuer_is_compared_as_a_plain_string(other: str) -> None:
    with pytest.raises(IssuerDiffers, match="its issuer is") as refused:
        read(issuer=other)
    assert "RFC 8414" in refused.value.rule


@pytest.mark.parametrize("other", [None, "", 1, ["https://as.example"], "x" * 3000])
def test_a_document_without_issuer_is_no_metadata(other: object) -> None:
    with pytest.raises(NotMetadata, match="names no issuer"):
        read(issuer=other)


@pytest.mark.parametrize("endpoint", [None, "", 1, [], {}])
def test_metadata_without_token_endpoint_is_refused(endpoint: object) -> None:
    with pytest.raises(MetadataRefused, match="token_endpoint"):
        read(token_endpoint=endpoint)


@pytest.mark.requirement("R75", "D7")
@pytest.mark.parametrize(
    "name",
    [
        "token_endpoint",
        "authorization_endpoint",
        "registration_endpoint",
        "revocation_endpoint",
        "device_authorization_endpoint",
    ],
)
@pytest.mark.parametrize(
    "url",
    [
        "http://as.example/x",
        "http://169.254.169.254/latest/meta-data",
        "javascript:alert(1)",
        "/relative",
        "https://user@as.example/x",
        "https://as.example/x#f",
        "https://localhost/x",
        "http://127.0.0.1:8080/x",
        "https://[::1]/x",
    ],
)
def test_each_endpoint_is_checked(name: str, url: str) -> None:
    with pytest.raises(AddressRefused, match=name):
        read(**{name: url})


@pytest.mark.requirement("D6")
def test_an_authorization_endpoint_for_a_shell_is_refused() -> None:
    with pytest.raises(AddressRefused, match="shell"):
        read(authorization_endpoint="https://as.example/a?x=$(calc.exe)")


@pytest.mark.requirement("R75")
def test_an_issuer_on_this_machine_has_its_endpoints_here() -> None:
    provider = read(issuer=LOCAL, token_endpoint=f"{LOCAL}/token")
    assert provider.token_endpoint == f"{LOCAL}/token"


@pytest.mark.parametrize("value", ["S256", {"S256": True}, 1, True, None])
def test_a_list_that_is_no_list_is_absent(value: object) -> None:
    provider = read(code_challenge_methods_supported=value, scopes_supported=value)
    assert provider.code_challenge_methods_supported is None
    assert provider.scopes_supported is None


@pytest.mark.parametrize("value", ["true", 1, None, [True]])
def test_only_true_is_true(value: object) -> None:
    provider = read(
        client_id_metadata_document_supported=value,
        authorization_response_iss_parameter_supported=True,
    )
    assert provider.client_id_metadata_document_supported is False
    assert provider.authorization_response_iss_parameter_supported is True


@pytest.mark.parametrize("value", [1, ["x"], {"a": 1}, None, False])
def test_an_optional_endpoint_that_is_no_text_is_absent(value: object) -> None:
    assert read(registration_endpoint=value).registration_endpoint == ""


# --- issuers


@pytest.mark.requirement("R75", "D7")
@pytest.mark.parametrize(
    "name",
    [
        "http://as.example",
        "https://as.example?x=1",
        "https://as.example?",
        "as.example",
    ],
)
def test_an_issuer_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(AddressRefused):
        check_issuer(name, loopback=True)


@pytest.mark.requirement("D7")
def test_an_issuer_on_this_machine_needs_leave() -> None:
    check_issuer(LOCAL, loopback=True)
    check_issuer(ISSUER, loopback=False)
    with pytest.raises(AddressRefused, match="on this machine"):
        check_issuer(LOCAL, loopback=False)


@pytest.mark.parametrize("text", CORPUS)
def test_no_document_of_the_corpus_breaks_the_reader(text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    with suppress(NotMetadata, MetadataRefused):
        said = read_resource_metadata(decode_document(body), server=RESOURCE)
        assert said.resource == RESOURCE
    with suppress(NotMetadata, MetadataRefused, AddressRefused):
        assert read_server_metadata(decode_document(body), issuers={ISSUER})
