"""Which words of `bridge oauth` and `bridge doctor` do what."""

from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli import oauth
from bridge.cli.doctor import command
from bridge.cli.main import cli


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli, words, env={"BRIDGE_HOME": ""})


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the commands were told to do; each ends with 3."""
    calls: list[tuple[Any, ...]] = []

    def stand_in(name: str) -> Any:
        def run(first: Any, server: str | None, **options: Any) -> int:
            calls.append((name, first, server, options))
            return 3

        return run

    for name in ("log_in", "log_out", "show_status"):
        monkeypatch.setattr(oauth, name, stand_in(name))
    monkeypatch.setattr(command, "doctor", stand_in("doctor"))
    return calls


@pytest.mark.requirement("R112")
@pytest.mark.parametrize(
    ("words", "name", "server", "options"),
    [
        (
            ["oauth", "login", "a"],
            "log_in",
            "a",
            {"force": False, "paste": False, "within": 300.0},
        ),
        (
            ["oauth", "login", "a", "--force", "--paste", "--timeout", "5"],
            "log_in",
            "a",
            {"force": True, "paste": True, "within": 5.0},
        ),
        (["oauth", "logout", "a"], "log_out", "a", {}),
        (["oauth", "logout", "--all"], "log_out", None, {}),
        (["oauth", "status"], "show_status", None, {"form": "table"}),
        (
            ["oauth", "status", "a", "--format", "json"],
            "show_status",
            "a",
            {"form": "json"},
        ),
        (["doctor"], "doctor", None, {"register": False, "form": "table"}),
        (
            ["doctor", "a", "--register", "--format", "json"],
            "doctor",
            "a",
            {"register": True, "form": "json"},
        ),
    ],
)
def test_words_become_what_is_done_and_its_status_is_ours(
    called: list[tuple[Any, ...]],
    words: list[str],
    name: str,
    server: str | None,
    options: dict[str, Any],
) -> None:
    assert invoke(*words).exit_code == 3
    [(done, _, named, given)] = called
    assert (done, named, given) == (name, server, options)


def test_the_place_may_be_named_before_or_after_the_command(
    called: list[tuple[Any, ...]],
) -> None:
    invoke("--config", "x", "--config-dir", "/h", "--debug", "oauth", "status")
    invoke("oauth", "status", "--config", "x", "--config-dir", "/h", "--debug")
    places = [ask.invocation for _, ask, _, _ in called]
    assert [(str(p.home), p.config, p.debug) for p in places] == [("/h", "x", True)] * 2


def test_a_port_chooses_a_bridge_and_a_browser_is_ours_unless_refused(
    called: list[tuple[Any, ...]],
) -> None:
    invoke("oauth", "login", "a", "--port", "9", "--no-browser")
    invoke("oauth", "login", "a", "--paste")
    invoke("oauth", "login", "a")
    asks = [(ask.port, ask.browser) for _, ask, _, _ in called]
    assert asks == [(9, False), (None, False), (None, True)]


@pytest.mark.parametrize(
    "words",
    [
        ["oauth", "login"],
        ["oauth", "login", "a", "b"],
        ["oauth", "login", "a", "--timeout", "0"],
        ["oauth", "login", "a", "--timeout", "soon"],
        ["oauth", "logout"],
        ["oauth", "logout", "a", "--all"],
        ["oauth", "status", "--format", "xml"],
        ["oauth", "status", "--port", "0"],
        ["doctor", "a", "b"],
    ],
)
def test_a_wrong_word_is_status_two(
    called: list[tuple[Any, ...]], words: list[str]
) -> None:
    assert invoke(*words).exit_code == 2
    assert called == []


@pytest.mark.requirement("R114")
@pytest.mark.parametrize(
    "words", [["oauth", "login"], ["oauth", "logout"], ["oauth", "status"], ["doctor"]]
)
def test_help_names_the_exit_statuses(words: list[str]) -> None:
    text = invoke(*words, "--help").output
    assert "Exit status:\n    0 " in text
    assert "    130  given up with Ctrl-C" in text
