"""Which file is read, and that it is only read."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.config.load import load_config
from bridge.config.overlay import Overrides
from bridge.config.where import bridge_home, find_config, read_config_file
from bridge.errors import ConfigError

HOME = Path("/home/me/.foxxy-bridge")
ALL = {Path("config.json"), HOME / "config.json", Path("/a.json"), Path("/b.json")}


def found(
    explicit: str | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    there: set[Path] = ALL,
) -> Path:
    return find_config(
        explicit, environment=environment or {}, home=HOME, exists=there.__contains__
    )


@pytest.mark.requirement("R26", "R117")
def test_the_file_is_looked_for_in_one_order() -> None:
    both = {"MCP_BRIDGE_CONFIG": "/a.json", "FOXXY_BRIDGE_CONFIG": "/b.json"}
    assert found("/b.json", both) == Path("/b.json")
    assert found(None, both) == Path("/a.json")
    assert found(None, {"FOXXY_BRIDGE_CONFIG": "/b.json"}) == Path("/b.json")
    assert found(None, {"MCP_BRIDGE_CONFIG": ""}) == Path("config.json")
    assert found(there={HOME / "config.json"}) == HOME / "config.json"


@pytest.mark.parametrize(
    ("explicit", "environment", "label"),
    [
        ("/no.json", {}, "--config"),
        (None, {"MCP_BRIDGE_CONFIG": "/no.json"}, "MCP_BRIDGE_CONFIG"),
        (None, {"FOXXY_BRIDGE_CONFIG": "/no.json"}, "FOXXY_BRIDGE_CONFIG"),
    ],
)
def test_a_file_that_was_named_is_never_replaced_by_another(
    explicit: str | None, environment: dict[str, str], label: str
) -> None:
    with pytest.raises(ConfigError, match=r"no file /no\.json") as caught:
        found(explicit, environment)
    assert caught.value.problems[0].path == label


def test_without_any_file_the_error_says_where_it_looked() -> None:
    with pytest.raises(ConfigError) as caught:
        found(there=set())
    assert caught.value.problems[0].reason == (
        f"no configuration found; looked for config.json and {HOME}/config.json"
    )


@pytest.mark.requirement("R117")
def test_the_home_is_moved_by_option_or_environment() -> None:
    environment = {"HOME": "/home/me", "BRIDGE_HOME": "~/x", "MCP_CONFIG_DIR": "/y"}
    assert bridge_home("/z", environment) == Path("/z")
    assert bridge_home(None, environment) == Path("/home/me/x")
    assert bridge_home(None, {"MCP_CONFIG_DIR": "/y"}) == Path("/y")
    assert bridge_home(None, {"HOME": "/home/me"}) == HOME
    assert bridge_home(None, {}) == Path("~/.foxxy-bridge")


def test_a_tilde_means_the_users_folder() -> None:
    path = Path("/home/me/a.json")
    assert found("~/a.json", {"HOME": "/home/me"}, there={path}) == path


@pytest.mark.requirement("R24")
def test_loading_leaves_file_and_folder_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"mcpServers": {"a": {"url": "https://${H}/x", "b": 1}}}')
    path.chmod(0o400)
    before = path.stat()
    load_config(
        read_config_file(path),
        source=str(path),
        environment={"H": "h.example.com"},
        overrides=Overrides(no_auth=True),
    )
    after = path.stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_a_file_that_cannot_be_read_is_an_error_with_the_reason(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config_file(tmp_path / "missing.json")
    with pytest.raises(ConfigError, match="Is a directory"):
        read_config_file(tmp_path)


def test_a_file_far_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    with path.open("wb") as file:
        file.truncate(4 * 2**20 + 1)
    with pytest.raises(ConfigError, match="larger than 4194304 bytes"):
        read_config_file(path)
