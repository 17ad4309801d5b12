import hashlib
from pathlib import Path

import pytest

from bridge.errors import AddressRefused
from bridge.upstream.store_names import (
    file_slug,
    old_files,
    old_homes,
    shared_urls,
    short_hash,
    url_hash,
)

URL = "https://mcp.example.com/sse"
HOME = Path("/home/me/.foxxy-bridge")


@pytest.mark.requirement("R97")
def test_the_hash_is_twelve_digits_of_the_canonical_address() -> None:
    assert url_hash(URL) == hashlib.sha256(URL.encode()).hexdigest()[:12]
    for same in ("HTTPS://MCP.example.com:443/sse/", f"{URL}#part"):
        assert url_hash(same) == url_hash(URL)
    for other in (f"{URL}?tenant=1", "http://mcp.example.com/sse", f"{URL}/x"):
        assert url_hash(other) != url_hash(URL)
    assert url_hash("wss://mcp.example.com/sse") == url_hash(URL)


def test_what_is_no_address_has_no_hash() -> None:
    with pytest.raises(AddressRefused):
        url_hash("file:///etc/passwd")


@pytest.mark.requirement("R153")
@pytest.mark.parametrize(
    "name",
    ["..", "../../etc", "/etc", "a/b", "", ".", "~", "C:\\x", "a\x00b", "é", "x" * 300],
)
def test_no_name_becomes_a_path(name: str) -> None:
    made = file_slug(name)
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert 0 < len(made) < 60
    assert ".." not in made
    assert all(
        place.parent in {HOME, HOME / "auth"}
        for place in old_files((HOME / "auth", HOME), (), name=name, url=URL)
    )


def test_plain_names_stay_and_no_two_names_are_one() -> None:
    assert file_slug("github-2") == "github-2"
    assert file_slug("ein") == "ein"
    names = ["Git", "git", "git ", "g.it", "g-it", "g_it", "", "-", "é", "è", "x" * 50]
    assert len({file_slug(name) for name in names}) == len(names)


def test_addresses_several_servers_have_are_known() -> None:
    servers = [("a", URL), ("b", f"{URL}/"), ("c", f"{URL}/c"), ("c", f"{URL}/c")]
    assert shared_urls(servers) == {url_hash(URL)}


@pytest.mark.requirement("R96")
def test_the_folders_of_older_programs_are_known() -> None:
    environment = {
        "HOME": "/home/me",
        "XDG_CONFIG_HOME": "/home/me/settings",
        "MCP_OAUTH_CONFIG_DIR": "/srv/tokens",
    }
    assert old_homes(environment) == (
        Path("/srv/tokens"),
        Path("/home/me/settings/foxxy-bridge/auth"),
        Path("/home/me/.config/foxxy-bridge/auth"),
    )
    same = {**environment, "XDG_CONFIG_HOME": "/home/me/.config"}
    assert len(old_homes(same)) == 2
    assert old_homes({}) == ()


@pytest.mark.requirement("R97", "D9")
def test_files_of_older_layouts_are_looked_for_by_address_then_by_name() -> None:
    old = Path("/old")
    url = "https://MCP.example.com/sse"
    raw, canonical = short_hash(url), url_hash(url)
    found = old_files((HOME / "auth", HOME), (old,), name="git", url=url)
    assert found[:2] == tuple(old / f"server-hash-{d}.json" for d in (raw, canonical))
    assert set(found[2:8]) == {
        folder / f"tokens-{digits}.json"
        for folder in (HOME / "auth", HOME, old)
        for digits in (raw, canonical)
    }
    assert found[8:] == tuple(
        folder / "git" / "tokens.json" for folder in (HOME / "auth", HOME, old)
    )


def test_of_servers_that_share_an_address_only_the_name_tells() -> None:
    assert old_files((HOME,), (), name="git", url=None) == (HOME / "git/tokens.json",)
