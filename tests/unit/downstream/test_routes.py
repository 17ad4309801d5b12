"""Which page a path is, and which view it shows."""

import pytest

from bridge.downstream.routes import Page, Route, find, tagged
from bridge.router.policy import EVERYTHING, View

FILES = View(server="files")
BOTH = View(tags=frozenset({"a", "b"}), match="all")
EITHER = View(tags=frozenset({"a", "b"}), match="any")
ONE = View(tags=frozenset({"a"}), match="all")


@pytest.mark.requirement("R49", "R50", "R51", "R52")
@pytest.mark.parametrize(
    ("path", "page", "view"),
    [
        ("/sse", Page.SSE, EVERYTHING),
        ("/messages", Page.MESSAGES, EVERYTHING),
        ("/messages/", Page.MESSAGES, EVERYTHING),
        ("/mcp", Page.MCP, EVERYTHING),
        ("/health", Page.HEALTH, EVERYTHING),
        ("/healthz", Page.HEALTH, EVERYTHING),
        ("/readyz", Page.READY, EVERYTHING),
        ("/status", Page.STATUS, EVERYTHING),
        ("/metrics", Page.METRICS, EVERYTHING),
        ("/.well-known/oauth-protected-resource", Page.METADATA, EVERYTHING),
        ("/.well-known/oauth-protected-resource/mcp", Page.METADATA, EVERYTHING),
        ("/oauth/client-metadata.json", Page.CLIENT, EVERYTHING),
        ("/.well-known/oauth-protected-resource/sse/tag/a", Page.METADATA, EVERYTHING),
        ("/sse/servers", Page.SERVERS, EVERYTHING),
        ("/sse/tags", Page.TAGS, EVERYTHING),
        ("/sse/list_tools", Page.TOOLS, EVERYTHING),
        ("/sse/tools/rescan", Page.RESCAN, EVERYTHING),
        ("/sse/mcp/files", Page.SSE, FILES),
        ("/sse/mcp/files/status", Page.SERVER_STATUS, FILES),
        ("/sse/mcp/files/list_tools", Page.TOOLS, FILES),
        ("/sse/mcp/files/reconnect", Page.RECONNECT, FILES),
        ("/sse/tag/a", Page.SSE, ONE),
        ("/sse/tag/a+b", Page.SSE, BOTH),
        ("/sse/tag/b,a", Page.SSE, EITHER),
        ("/sse/tag/a+b/list_tools", Page.TOOLS, BOTH),
        ("/mcp/server/files", Page.MCP, FILES),
        ("/mcp/mcp/files", Page.MCP, FILES),
        ("/mcp/tag/a,b", Page.MCP, EITHER),
    ],
)
def test_every_address_has_its_page(path: str, page: Page, view: View) -> None:
    assert find(path) == Route(page, view)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "*",
        "/SSE",
        "/sse/",
        "//sse",
        "/mcp/",
        "/health/",
        "/sse/mcp",
        "/sse/mcp/",
        "/sse/mcp/files/",
        "/sse/mcp/files/env",
        "/sse/mcp/files/status/more",
        "/sse/tag",
        "/sse/tag/",
        "/sse/tag/a+",
        "/sse/tag/,a",
        "/sse/tag/a+b,c",
        "/sse/tag/a/status",
        "/mcp/server/",
        "/mcp/server/files/status",
        "/mcp/other/files",
        "/mcp/tag/a,,b",
        "/.well-known/oauth-protected-resources",
        "/.well-known/openid-configuration",
    ],
)
def test_any_other_address_has_none(path: str) -> None:
    assert find(path) is None


def test_a_tag_named_twice_is_named_once() -> None:
    assert tagged("a+a") == ONE


@pytest.mark.requirement("E10", "R53")
def test_only_health_and_the_way_to_a_token_are_public() -> None:
    assert {page for page in Page if page.public} == {
        Page.HEALTH,
        Page.READY,
        Page.METADATA,
        Page.CLIENT,
    }


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("path", ["/token", "/oauth/token", "/authorize", "/register"])
def test_no_address_gives_tokens(path: str) -> None:
    assert find(path) is None


@pytest.mark.requirement("R52", "R154")
def test_what_changes_something_is_posted() -> None:
    posted = {page for page in Page if "POST" in page.methods}
    assert posted == {Page.MESSAGES, Page.MCP, Page.RECONNECT, Page.RESCAN}
