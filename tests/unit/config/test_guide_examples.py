"""Every JSON example of the seed guide loads as it stands, comments included."""

from pathlib import Path

import pytest

from bridge.config.jsonc import parse
from bridge.config.load import Loaded
from kit.configs import errors, load_text

GUIDE = Path(__file__).parent / "guide"
EXAMPLES = sorted(path.stem for path in GUIDE.glob("*.json"))


def example(name: str) -> Loaded:
    """The example, with what its fragment leaves out put around it."""
    text = (GUIDE / f"{name}.json").read_text()
    value = parse(text.encode()).value
    assert isinstance(value, dict)
    inside = text.strip()[1:-1]
    if "oauth" in value:
        text = f'{{"mcpServers": {{"one": {{"url": "https://h/sse", {inside}}}}}}}'
    elif "mcpServers" not in value:
        text = f'{{"mcpServers": {{"one": {{"command": "server"}}}}, {inside}}}'
    env = {"OAUTH_ISSUER": "https://issuer.example.com", "OAUTH_AUDIENCE": "bridge"}
    return load_text(text, env=env)


@pytest.mark.requirement("R1", "R2", "R3")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_guide_loads(name: str) -> None:
    loaded = example(name)
    assert loaded.config.upstreams
    assert not errors(loaded.problems)
    told = [str(problem) for problem in loaded.problems]
    assert all("certificates are not verified" in text for text in told), told


def test_all_examples_of_the_guide_are_here() -> None:
    assert len(EXAMPLES) == 12


@pytest.mark.requirement("R3", "R4", "R10", "R16")
def test_the_basic_example_means_what_the_guide_says() -> None:
    config = example("basic").config
    server = config.upstreams[0]
    assert (server.name, server.enabled) == ("remote-mcp", True)
    assert server.transport == "sse"
    assert server.tool_namespace == "remote"
    assert server.oauth.enabled
    assert server.oauth.issuer == "https://auth.example.com"
    assert server.oauth.client_name == "MCP Foxxy Bridge"
    assert server.oauth.verify_ssl
    assert config.bridge.oauth_port == 8090


@pytest.mark.requirement("R10")
def test_the_client_example_carries_scopes_and_parameters() -> None:
    oauth = example("client-fragment").config.upstreams[0].oauth
    assert oauth.scopes == ("read:data", "write:data")
    assert oauth.additional_params == {
        "audience": "https://api.mycompany.com",
        "resource": "myapp",
    }


@pytest.mark.requirement("R145")
def test_the_self_signed_example_warns_that_certificates_are_not_verified() -> None:
    loaded = example("self-signed-fragment")
    assert [problem.path for problem in loaded.problems] == [
        "mcpServers.one.oauth.verify_ssl"
    ]


def test_the_example_of_several_servers_keeps_their_order() -> None:
    servers = example("several").config.upstreams
    assert [server.name for server in servers] == [
        "service-a",
        "service-b",
        "local-service",
    ]
    assert [server.transport for server in servers] == [
        "sse",
        "streamablehttp",
        "stdio",
    ]
