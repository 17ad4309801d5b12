import pytest

from bridge.config.model import Config
from bridge.config.secrets import secrets_of
from bridge.config.server import (
    AuthenticationConfig,
    OAuthConfig,
    UpstreamConfig,
)


@pytest.mark.requirement("D15")
def test_every_credential_of_every_server_is_known() -> None:
    one = UpstreamConfig(
        name="one",
        url="https://h.example/mcp?key=in-the-query",
        headers={"X-Api-Key": "in-a-header", "X-Trace": "harmless"},
        oauth=OAuthConfig(client_secret="of-the-client"),
        authentication=AuthenticationConfig(username="u", password="of-basic"),
    )
    two = UpstreamConfig(
        name="two",
        command="serve",
        env={"GITHUB_TOKEN": "in-the-env", "LANG": "C"},
        authentication=AuthenticationConfig(token="of-bearer", key="of-the-key"),
    )
    assert set(secrets_of(Config(upstreams=(one, two)))) == {
        "key=in-the-query",
        "in-a-header",
        "of-the-client",
        "of-basic",
        "dTpvZi1iYXNpYw==",
        "in-the-env",
        "of-bearer",
        "of-the-key",
    }
