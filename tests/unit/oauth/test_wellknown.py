"""Where metadata is looked for: the exact order, for every shape of address."""

import pytest
from mcp.client.auth.utils import (
    build_oauth_authorization_server_metadata_discovery_urls as sdk_server_urls,
)
from mcp.client.auth.utils import (
    build_protected_resource_metadata_discovery_urls as sdk_resource_urls,
)

from bridge.oauth.address import canonical_resource
from bridge.oauth.wellknown import (
    own_metadata_urls,
    resource_metadata_urls,
    server_metadata_urls,
)

H = "https://mcp.example"
ROOT_OF_GUIDE = [
    (H, f"{H}/.well-known/openid-configuration"),
    (H, f"{H}/.well-known/openid_configuration"),
    (H, f"{H}/.well-known/oauth-authorization-server"),
]


@pytest.mark.requirement("R70")
@pytest.mark.parametrize(
    ("server", "urls"),
    [
        (H, ["/.well-known/oauth-protected-resource"]),
        (f"{H}/", ["/.well-known/oauth-protected-resource"]),
        (
            f"{H}/sse",
            [
                "/.well-known/oauth-protected-resource/sse",
                "/.well-known/oauth-protected-resource",
            ],
        ),
        (
            f"{H}/a/b/mcp/",
            [
                "/.well-known/oauth-protected-resource/a/b/mcp",
                "/.well-known/oauth-protected-resource",
            ],
        ),
        (
            f"{H}/mcp?tenant=a",
            [
                "/.well-known/oauth-protected-resource/mcp?tenant=a",
                "/.well-known/oauth-protected-resource",
            ],
        ),
        (
            f"{H}?tenant=a",
            [
                "/.well-known/oauth-protected-resource?tenant=a",
                "/.well-known/oauth-protected-resource",
            ],
        ),
    ],
)
def test_resource_metadata_is_looked_for_inserted_and_then_at_the_root(
    server: str, urls: list[str]
) -> None:
    expected = [f"{H}{url}" for url in urls]
    assert list(resource_metadata_urls(canonical_resource(server))) == expected


@pytest.mark.parametrize("origin", ["https://mcp.example:8443", "http://[::1]:9"])
def test_a_port_stays_where_it_is(origin: str) -> None:
    assert resource_metadata_urls(f"{origin}/mcp")[0] == (
        f"{origin}/.well-known/oauth-protected-resource/mcp"
    )
    assert server_metadata_urls(f"{origin}/a")[0] == (
        f"{origin}/.well-known/oauth-authorization-server/a"
    )
    assert own_metadata_urls(f"{origin}/a")[0][0] == f"{origin}/a"


@pytest.mark.requirement("R71", "D2")
@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        (
            "https://as.example",
            [
                "/.well-known/oauth-authorization-server",
                "/.well-known/openid-configuration",
            ],
        ),
        (
            "https://as.example/",
            [
                "/.well-known/oauth-authorization-server",
                "/.well-known/openid-configuration",
            ],
        ),
        (
            "https://as.example/realms/fax",
            [
                "/.well-known/oauth-authorization-server/realms/fax",
                "/.well-known/openid-configuration/realms/fax",
                "/realms/fax/.well-known/openid-configuration",
            ],
        ),
        (
            "https://as.example/t/",
            [
                "/.well-known/oauth-authorization-server/t",
                "/.well-known/openid-configuration/t",
                "/t/.well-known/openid-configuration",
            ],
        ),
    ],
)
def test_an_issuer_is_looked_for_inserted_before_appended(
    issuer: str, urls: list[str]
) -> None:
    expected = [f"https://as.example{url}" for url in urls]
    assert list(server_metadata_urls(issuer)) == expected


@pytest.mark.requirement("R68", "R69", "D1", "D3")
@pytest.mark.parametrize("server", [H, f"{H}?tenant=a"])
def test_a_server_at_the_root_has_one_level(server: str) -> None:
    assert list(own_metadata_urls(server)) == ROOT_OF_GUIDE


@pytest.mark.requirement("R68", "R69", "D1", "D2")
@pytest.mark.parametrize("path", ["/sse", "/a/b/mcp"])
@pytest.mark.parametrize("query", ["", "?tenant=a"])
def test_a_server_at_a_path_is_asked_there_first(path: str, query: str) -> None:
    base = f"{H}{path}"
    assert list(own_metadata_urls(f"{base}{query}")) == [
        (base, f"{H}/.well-known/oauth-authorization-server{path}"),
        (base, f"{base}/.well-known/openid-configuration"),
        (base, f"{base}/.well-known/openid_configuration"),
        (base, f"{base}/.well-known/oauth-authorization-server"),
        *ROOT_OF_GUIDE,
    ]


# --- against the official SDK


@pytest.mark.parametrize(
    "server",
    [H, f"{H}/mcp", f"{H}/a/b/c", f"{H}:8443/mcp", "http://localhost:3000/sse"],
)
def test_the_sdk_looks_for_resource_metadata_at_the_same_addresses(server: str) -> None:
    assert list(resource_metadata_urls(server)) == sdk_resource_urls(None, server)


@pytest.mark.parametrize(
    ("server", "ours", "theirs"),
    [
        # We ask for the name we send, which has no trailing slash (protocol page).
        (f"{H}/mcp/", "/mcp", "/mcp/"),
        # A query is part of a resource's name (RFC 9728 section 3.1); they drop it.
        (f"{H}/mcp?tenant=a", "/mcp?tenant=a", "/mcp"),
    ],
)
def test_where_the_sdk_looks_elsewhere_for_resource_metadata(
    server: str, ours: str, theirs: str
) -> None:
    base = f"{H}/.well-known/oauth-protected-resource"
    assert resource_metadata_urls(canonical_resource(server))[0] == f"{base}{ours}"
    assert sdk_resource_urls(None, server)[0] == f"{base}{theirs}"


@pytest.mark.parametrize(
    "issuer",
    [
        "https://as.example",
        "https://as.example/",
        "https://as.example/realms/fax",
        "https://as.example/t/",
        "https://as.example:8443/a/b/c",
        "http://127.0.0.1:9000/oidc",
    ],
)
def test_the_sdk_looks_for_an_issuer_at_the_same_addresses(issuer: str) -> None:
    assert list(server_metadata_urls(issuer)) == sdk_server_urls(issuer, H)


@pytest.mark.parametrize("path", ["", "/sse"])
def test_without_resource_metadata_the_sdk_knows_one_of_the_guides_addresses(
    path: str,
) -> None:
    """It stops at the address of 2025-03-26, which is the last of the guide's (R68)."""
    urls = [url for _, url in own_metadata_urls(f"{H}{path}")]
    assert urls[-1:] == sdk_server_urls(None, f"{H}{path}")
