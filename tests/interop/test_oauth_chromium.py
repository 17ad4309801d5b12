"""A login in a real browser at the provider's own pages, and what is shown then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.chromium import Seen, chromium_command, seen
from interop.rig.protected import Protected, credential_files, running_protected
from interop.rig.sdk import sdk_client, text_of, until_listed

pytestmark = [pytest.mark.interop, pytest.mark.external]

NO_AUTH = ["--no-auth", "--debug"]


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Protected]:
    with running_protected(tmp_path_factory.mktemp("world")) as world:
        yield world


def _config(protected: Protected) -> dict[str, object]:
    """One of the two servers: one browser is enough."""
    config = protected.config()
    config["mcpServers"].pop("stream")
    return config


def _shown(bridge: RunningBridge, browser: Path) -> Seen:
    return bridge.process.wait_until(lambda: seen(browser), 90)


@pytest.mark.requirement("R78", "R80", "R93")
async def test_whoever_logs_in_is_told_so_and_the_server_is_served(
    protected: Protected, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    env = {"BROWSER": chromium_command(browser, answer="agree")}
    with running_bridge(
        _config(protected), tmp_path / "bridge", env=env, args=NO_AUTH
    ) as bridge:
        page = _shown(bridge, browser)
        async with sdk_client(f"{bridge.url}/mcp") as client:
            await until_listed(client, lambda names: "calls__add" in names)
            assert await text_of(client, "calls__add", a=2, b=3) == "5"

    assert page.title == "Login complete"
    assert "This window can be closed." in page.text


@pytest.mark.requirement("R93", "R94")
def test_whoever_cancels_is_shown_a_failure_and_the_bridge_says_why(
    protected: Protected, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    env = {"BROWSER": chromium_command(browser, answer="cancel")}
    with running_bridge(
        _config(protected), tmp_path / "bridge", env=env, args=NO_AUTH
    ) as bridge:
        page = _shown(bridge, browser)
        (failed,) = bridge.events("oauth.login_failed")

    assert page.title == "Login failed"
    assert "access_denied" in failed["error"] + failed["answered"]
    assert "access_denied" not in page.text
    assert credential_files(tmp_path / "bridge" / "home") == {}
