"""RFC 9728 documents: one per address, and each names the address it was asked for."""

import json

import pytest

from bridge.downstream.message import Request
from bridge.downstream.metadata import WELL_KNOWN, ResourceMetadata, resource_of
from kit.requests import make_request

ISSUER = "https://issuer.example/"
PUBLIC = "https://bridge.example"
RESOURCES = (
    *("", "/mcp", "/sse"),
    *("/sse/mcp/github", "/mcp/mcp/github", "/mcp/server/github"),
    *("/sse/tag/a+b", "/mcp/tag/a,b"),
)


def metadata(public_url: str = PUBLIC) -> ResourceMetadata:
    return ResourceMetadata(
        public_url=public_url,
        listening="127.0.0.1:8080",
        issuer=lambda: ISSUER,
        scopes=("mcp:read", "offline_access"),
    )


def document(about: ResourceMetadata, request: Request) -> dict[str, object]:
    response = about.answer(request)
    assert response is not None
    assert response.status == 200
    assert ("content-type", "application/json") in response.headers
    return json.loads(response.body)


@pytest.mark.requirement("R39", "A35", "R38")
@pytest.mark.parametrize("path", RESOURCES)
@pytest.mark.parametrize("public", [PUBLIC, f"{PUBLIC}/", "https://h.example:1/a/b"])
def test_a_challenge_leads_to_a_document_that_names_the_resource(
    path: str, public: str
) -> None:
    about = metadata(public)
    url = about.url_for(make_request(path or "/status"))
    origin = "/".join(public.split("/")[:3])
    found = document(about, make_request(url.removeprefix(origin)))
    assert found == {
        "resource": public.rstrip("/") + path,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp:read"],
        "resource_name": "MCP bridge",
    }
    prefix = public.removeprefix(origin).rstrip("/")
    assert url == f"{origin}{WELL_KNOWN}{prefix}{path}"


@pytest.mark.requirement("R39")
def test_a_proxy_may_have_cut_the_prefix_away() -> None:
    about = metadata("https://h.example/base")
    inner = document(about, make_request(f"{WELL_KNOWN}/mcp"))
    outer = document(about, make_request(f"{WELL_KNOWN}/base/mcp"))
    assert inner == outer
    assert inner["resource"] == "https://h.example/base/mcp"


@pytest.mark.requirement("R39")
def test_the_root_may_end_in_a_slash() -> None:
    found = document(metadata(), make_request(f"{WELL_KNOWN}/"))
    assert found["resource"] == PUBLIC


@pytest.mark.requirement("R39")
@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("localhost:9000", "http://localhost:9000"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("bad host", "http://127.0.0.1:8080"),
    ],
)
def test_without_a_public_url_the_clients_own_address_counts(
    host: str, base: str
) -> None:
    request = make_request(f"{WELL_KNOWN}/mcp", ("host", host))
    assert document(metadata(""), request)["resource"] == f"{base}/mcp"
    asked = make_request("/mcp", ("host", host))
    assert metadata("").url_for(asked) == f"{base}{WELL_KNOWN}/mcp"


def test_without_any_name_the_listening_address_counts() -> None:
    twice = make_request("/sse", ("host", "a"), ("host", "b"), scheme="https")
    assert metadata("").url_for(twice) == f"https://127.0.0.1:8080{WELL_KNOWN}/sse"


@pytest.mark.parametrize(
    "path",
    [
        "/mcp",
        f"{WELL_KNOWN}x",
        f"{WELL_KNOWN}/nothing",
        f"{WELL_KNOWN}/mcp/",
        f"{WELL_KNOWN}/sse/mcp/a/b",
        f"{WELL_KNOWN}/sse/mcp/a\r\nb",
        f"{WELL_KNOWN}/sse/mcp/" + "a" * 300,
        "/.well-known/openid-configuration",
    ],
)
def test_no_other_path_has_a_document(path: str) -> None:
    assert metadata().answer(make_request(path)) is None


def test_every_request_belongs_to_one_resource() -> None:
    assert resource_of("/messages") == resource_of("/messages/") == "/sse"
    assert resource_of("/sse/mcp/github") == "/sse/mcp/github"
    assert resource_of("/sse/mcp/github/status") == ""
    assert resource_of("/status") == ""


def test_the_documents_hold_no_empty_members() -> None:
    about = ResourceMetadata(
        public_url=PUBLIC, listening="", issuer=lambda: ISSUER, name=""
    )
    found = document(about, make_request(WELL_KNOWN))
    assert set(found) == {
        "resource",
        "authorization_servers",
        "bearer_methods_supported",
    }
