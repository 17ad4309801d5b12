"""Logins at a real provider, for servers of the SDK: once, kept, and taken back."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mcp import Client

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.browser import browser_command, opened, page
from interop.rig.command import run_command
from interop.rig.protected import Protected, credential_files, running_protected
from interop.rig.sdk import sdk_client, text_of, until_listed

pytestmark = [pytest.mark.interop, pytest.mark.external]

TOOLS = {
    f"{name}__{tool}" for name in ("stream", "calls") for tool in ("add", "whoami")
}
ONCE = {"stream": 1, "calls": 1}
NO_AUTH = ["--no-auth", "--debug"]


@pytest.fixture
def protected(tmp_path: Path) -> Iterator[Protected]:
    with running_protected(tmp_path / "world") as world:
        yield world


def _all_listed(names: list[str]) -> bool:
    return set(names) == TOOLS


async def _use(bridge: RunningBridge) -> None:
    async with sdk_client(f"{bridge.url}/mcp") as client:
        await until_listed(client, _all_listed)
        for name in ("stream", "calls"):
            assert await text_of(client, f"{name}__add", a=2, b=3) == "5"
            assert await _caller(client, name) == "ada"


async def _caller(client: Client, name: str) -> str:
    return str(json.loads(await text_of(client, f"{name}__whoami"))["sub"])


@pytest.mark.requirement("R61", "R78", "R80", "R88", "R91", "R96", "R97", "R99", "R103")
async def test_a_person_logs_in_once_and_never_again(
    protected: Protected, tmp_path: Path
) -> None:
    config = protected.config()
    first, second = tmp_path / "first", tmp_path / "second"
    said = ""
    for browser in (first, second):
        env = {"BROWSER": browser_command(browser)}
        with running_bridge(
            config, tmp_path / "bridge", env=env, args=NO_AUTH
        ) as bridge:
            await _use(bridge)
        said += bridge.process.output()

    assert len(opened(first)) == 2
    assert "Login complete" in page(first)
    assert opened(second) == []
    assert protected.logins() == ONCE
    stored = credential_files(tmp_path / "bridge" / "home")
    assert {each["resource"] for each in stored.values()} == {
        server.url for server in protected.servers.values()
    }
    tokens = ("access_token", "refresh_token")
    assert not [key for each in stored.values() for key in tokens if each[key] in said]


@pytest.mark.requirement("R111", "R112", "R113", "R114", "D14")
async def test_a_logout_revokes_the_login_and_leaves_the_other_alone(
    protected: Protected, tmp_path: Path
) -> None:
    folder = tmp_path / "bridge"
    env = {"BROWSER": browser_command(tmp_path / "browser")}
    with running_bridge(protected.config(), folder, env=env, args=NO_AUTH) as bridge:
        await _use(bridge)
        before = run_command("oauth", "status", "--format", "json", folder=folder)
        out = run_command("oauth", "logout", "calls", folder=folder)
        after = run_command("oauth", "status", "--format", "json", folder=folder)
        async with sdk_client(f"{bridge.url}/mcp") as client:
            assert await _caller(client, "stream") == "ada"
            refused = await client.call_tool("calls__add", {"a": 2, "b": 3})

    assert (before.status, out.status, after.status) == (0, 0, 1)
    assert _states(before.json) == {"stream": "valid", "calls": "valid"}
    assert _states(after.json) == {"stream": "valid", "calls": "no_tokens"}
    assert refused.is_error
    assert "bridge oauth login calls" in str(refused.content)
    assert protected.provider.counts().revoked == 1
    assert protected.logins() == ONCE
    assert len(credential_files(folder / "home")) == 1


def _states(status: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {each["name"]: each["status"] for each in status["servers"]}


@pytest.mark.requirement("R113")
async def test_a_login_made_without_a_bridge_serves_the_next_one(
    protected: Protected, tmp_path: Path
) -> None:
    folder = tmp_path / "bridge"
    folder.mkdir()
    config = protected.config()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    env = {"BROWSER": browser_command(tmp_path / "browser")}
    for name in ("stream", "calls"):
        ended = run_command("oauth", "login", name, folder=folder, env=env)
        assert ended.status == 0, ended
    with running_bridge(config, folder, args=NO_AUTH) as bridge:
        await _use(bridge)

    assert protected.logins() == ONCE


@pytest.mark.requirement("R108", "R158", "D11")
async def test_a_stolen_refresh_token_costs_one_login_and_no_more(
    tmp_path: Path,
) -> None:
    folder, browser = tmp_path / "bridge", tmp_path / "browser"
    env = {"BROWSER": browser_command(browser)}
    with (
        running_protected(tmp_path / "world", lifetime=4) as protected,
        running_bridge(protected.config(), folder, env=env, args=NO_AUTH) as bridge,
    ):
        await _use(bridge)
        _steal(folder / "home", protected.servers["calls"].url)
        await bridge.process.seen(lambda: protected.logins()["calls"] == 2, 30)
        await _use(bridge)
        (failed,) = bridge.events("oauth.refresh_failed")
        refused = protected.provider.counts().refused
        logins = protected.logins()

    assert "invalid_grant" in failed["error"]
    assert failed["upstream"] == "calls"
    assert refused == {"refresh token already used": 1}
    assert logins == {"stream": 1, "calls": 2}


def _steal(home: Path, resource: str) -> None:
    """Use the stored refresh token of ``resource``, as only its owner may."""
    (stored,) = [
        each for each in credential_files(home).values() if each["resource"] == resource
    ]
    given = {
        "grant_type": "refresh_token",
        "refresh_token": stored["refresh_token"],
        "client_id": stored["client"]["client_id"],
    }
    httpx.post(stored["provider"]["token_endpoint"], data=given).raise_for_status()
