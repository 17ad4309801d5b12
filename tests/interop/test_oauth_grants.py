"""The two grants without a browser of ours, at a real provider."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client

from interop.rig.bridge import running_bridge
from interop.rig.person import enter_code
from interop.rig.protected import Protected, running_protected
from interop.rig.sdk import sdk_client, text_of, until_listed

pytestmark = [pytest.mark.interop, pytest.mark.external]

NO_AUTH = ["--no-auth", "--debug"]
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
LIFETIME = 3


@pytest.fixture
def protected(tmp_path: Path) -> Iterator[Protected]:
    with running_protected(tmp_path / "world", lifetime=LIFETIME) as world:
        yield world


def _config(protected: Protected, **oauth: object) -> dict[str, object]:
    """Only the one server, with these settings of the log-in."""
    config = protected.config()
    config["mcpServers"] = {"calls": protected.servers["calls"].entry(**oauth)}
    return config


async def _caller(client: Client) -> str:
    await until_listed(client, lambda names: "calls__whoami" in names)
    return str(json.loads(await text_of(client, "calls__whoami"))["sub"])


async def test_a_person_logs_in_on_another_device_with_a_code(
    protected: Protected, tmp_path: Path
) -> None:
    config = _config(protected, grant="device_code")
    with running_bridge(config, tmp_path / "bridge", args=NO_AUTH) as bridge:
        await bridge.process.seen(lambda: bool(bridge.events("oauth.device_code")), 30)
        (invitation,) = bridge.events("oauth.device_code")
        said = enter_code(invitation["login_url"], invitation["shown_code"])
        async with sdk_client(f"{bridge.url}/mcp") as client:
            assert await _caller(client) == "ada"
            await bridge.process.seen(lambda: protected.refreshes()["calls"] > 0, 30)
            assert await _caller(client) == "ada"

    url = protected.servers["calls"].url
    assert "Sign-in Success" in said
    assert protected.provider.counts().granted[f"{DEVICE} {url}"] == 1


async def test_a_machine_logs_in_with_its_secret_again_and_again(
    protected: Protected, tmp_path: Path
) -> None:
    secret = {"client_id": "alice", "client_secret": "alice-secret-for-tests"}
    config = _config(protected, grant="client_credentials", type="static", **secret)
    url = protected.servers["calls"].url
    granted = f"client_credentials {url}"
    with running_bridge(config, tmp_path / "bridge", args=NO_AUTH) as bridge:
        async with sdk_client(f"{bridge.url}/mcp") as client:
            assert await _caller(client) == "alice"
            await bridge.process.seen(
                lambda: protected.provider.counts().granted.get(granted, 0) >= 3, 30
            )
            assert await _caller(client) == "alice"

    assert protected.provider.counts().refused == {}
    assert protected.logins()["calls"] == 0
