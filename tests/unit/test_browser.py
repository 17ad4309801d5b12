"""Which command shows an address, and what it may see of us (R81, D6)."""

import pytest

from bridge.browser import SystemBrowser, child_environment, commands

URL = "https://idp.test/authorize?a=1&b=%20$(touch%20x);`id`"
SCREEN = {"DISPLAY": ":0"}


def of(environment: dict[str, str], platform: str = "linux") -> list[list[str]]:
    return list(commands(URL, environment, platform=platform))


@pytest.mark.requirement("R81")
@pytest.mark.parametrize("environment", [{}, {"DISPLAY": ""}, {"BROWSER": ""}])
def test_a_machine_without_a_screen_has_no_command(environment: dict[str, str]) -> None:
    assert of(environment) == []


@pytest.mark.parametrize(
    ("environment", "platform", "command"),
    [
        (SCREEN, "linux", ["xdg-open", URL]),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", ["xdg-open", URL]),
        ({}, "darwin", ["open", URL]),
        ({}, "win32", ["rundll32", "url.dll,FileProtocolHandler", URL]),
    ],
)
def test_each_platform_has_its_opener(
    environment: dict[str, str], platform: str, command: list[str]
) -> None:
    assert of(environment, platform) == [command]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("firefox", [["firefox", URL]]),
        ("firefox --new-window", [["firefox", "--new-window", URL]]),
        ("show %s --fast", [["show", URL, "--fast"]]),
        ("show --url=%s", [["show", f"--url={URL}"]]),
        ("'/opt/my browser/run' %s", [["/opt/my browser/run", URL]]),
        ('"/opt/it\'s here/run"', [["/opt/it's here/run", URL]]),
        ("first:second %s:third", [["first", URL], ["second", URL], ["third", URL]]),
        (":first: :", [["first", URL]]),
        ("'open quote:second", [["second", URL]]),
        ("first &:&", [["first", URL]]),
    ],
)
def test_the_operators_own_choice_wins(chosen: str, expected: list[list[str]]) -> None:
    assert of({"BROWSER": chosen} | SCREEN) == expected
    assert of({"BROWSER": chosen}) == expected


def test_commands_are_parted_as_paths_are_on_that_platform() -> None:
    chosen = {"BROWSER": "'C:\\Web\\run.exe';other"}
    assert of(chosen, "win32") == [["C:\\Web\\run.exe", URL], ["other", URL]]


@pytest.mark.requirement("D6")
def test_a_browser_sees_a_desktop_and_no_secret() -> None:
    seen = {
        *("PATH", "HOME", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "LC_ALL"),
        *("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
    }
    hidden = {
        *("OAUTH_ISSUER_URL", "OAUTH_CLIENT_SECRET", "GITHUB_TOKEN", "API_KEY"),
        *("MCP_BRIDGE_CONFIG", "AWS_SECRET_ACCESS_KEY", "BROWSER"),
    }
    assert child_environment(dict.fromkeys(seen | hidden, "x")).keys() == seen


@pytest.mark.requirement("D6")
@pytest.mark.parametrize(
    "url",
    [
        *("", "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x"),
        *("http://idp.test/", "ftp://idp.test/", "vscode://x", "--version"),
        *("\\\\host\\share", "https://", "https://a b/", "https://idp.test/\nx"),
        *("https://user:pass@idp.test/", " https://idp.test/", "HTTPS"),
        *("http://127.0.0.1.evil.test/", "http://127.0.0.1@evil.test/"),
    ],
)
async def test_nothing_but_a_web_address_is_opened(url: str) -> None:
    # `true` would take anything
    assert not await SystemBrowser({"BROWSER": "true"}).open(url)
