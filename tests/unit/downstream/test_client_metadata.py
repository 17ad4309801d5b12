"""Who we are to providers that look a client up (R88)."""

import json

import pytest

from bridge.config.client_identity import client_metadata_url
from bridge.config.model import BridgeConfig
from bridge.downstream.client_metadata import client_metadata
from bridge.downstream.routes import Page, find


@pytest.mark.requirement("R86", "R88")
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_document_is_named_by_its_own_address(slash: str) -> None:
    page = client_metadata(
        BridgeConfig(public_url=f"https://bridge.example{slash}", oauth_port=8123)
    )
    assert page is not None
    assert page.status == 200
    assert dict(page.headers)["content-type"] == "application/json"
    address = "https://bridge.example/oauth/client-metadata.json"
    assert json.loads(page.body) == {
        "client_id": address,
        "client_name": "MCP Trio Bridge",
        "client_uri": f"https://bridge.example{slash}",
        "redirect_uris": [
            "http://127.0.0.1:8123/oauth/callback",
            "http://localhost:8123/oauth/callback",
        ],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    }
    path = address.removeprefix("https://bridge.example")
    assert (route := find(path)) is not None
    assert route.page is Page.CLIENT


@pytest.mark.parametrize("public", ["", "http://bridge.example", "http://127.0.0.1:1"])
def test_what_no_provider_could_fetch_is_no_identity(public: str) -> None:
    assert client_metadata_url(public) == ""
    assert client_metadata(BridgeConfig(public_url=public)) is None


def test_a_bridge_below_a_path_has_its_document_there() -> None:
    found = client_metadata_url("https://h.example:444/mcp-bridge/")
    assert found == "https://h.example:444/mcp-bridge/oauth/client-metadata.json"
