"""Which words of the command line do what."""

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from bridge.cli import live, serve
from bridge.cli.early_signals import EarlyHangups, EarlyStop
from bridge.cli.exit import CommandFailed
from bridge.cli.invocation import Serving
from bridge.cli.live import tools_path
from bridge.cli.main import cli, main
from bridge.cli.remote import NotThere, Target
from bridge.config import Loaded
from bridge.demo import run as demo_run

TAKEN = (signal.SIGTERM, signal.SIGHUP)  # by a command that serves
#: What the person who runs the tests has set must not leak in; empty is unset.
CLEAN = dict.fromkeys(
    (
        *("OAUTH_ISSUER", "OAUTH_AUDIENCE", "OAUTH_JWKS_URL", "BRIDGE_HOME"),
        *("MCP_BRIDGE_CONFIG", "FOXXY_BRIDGE_CONFIG", "MCP_CONFIG_DIR"),
        *("BRIDGE_URL", "BRIDGE_TOKEN", "MCP_ALLOW_COMMAND_SUBSTITUTION"),
    ),
    "",
)


def invoke(*words: str, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, words, env={**CLEAN, **(env or {})})


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "config.json"
    section = {"port": 9000, "auth": {"mode": "none"}}
    file.write_text(json.dumps({"mcpServers": {}, "bridge": section}))
    return str(file)


@pytest.fixture
def own_signals() -> Iterator[None]:
    """The handlers of this process, as they were."""
    before = {number: signal.getsignal(number) for number in TAKEN}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, own_signals: None) -> list[Loaded]:
    """The configurations that `serve` was asked to run."""
    runs: list[Loaded] = []

    def run(
        serving: Serving,
        *,
        environment: Mapping[str, str],
        home: Path,
        early: EarlyHangups,
        stop: EarlyStop,
    ) -> int:
        assert environment
        assert home
        assert not early.came
        assert not stop.came
        assert serving.path.is_absolute()
        assert serving.again().config == serving.loaded.config
        runs.append(serving.loaded)
        return 0

    monkeypatch.setattr(serve, "serve", run)
    return runs


@pytest.mark.requirement("R115", "R116")
@pytest.mark.parametrize(
    ("words", "level"),
    [
        (["serve", "--config", "FILE"], "INFO"),
        (["serve", "--bridge-config", "FILE", "--debug"], "DEBUG"),
        (["--config", "FILE", "serve"], "INFO"),
        (["--bridge-config", "FILE", "--debug"], "DEBUG"),
        (["--bridge-config", "FILE"], "INFO"),
        (["--debug", "server", "start", "--config", "FILE"], "DEBUG"),
        (["--bridge-config", "FILE", "--debug", "server", "start"], "DEBUG"),
    ],
)
def test_every_spelling_of_the_start_command_starts(
    served: list[Loaded], config: str, words: list[str], level: str
) -> None:
    result = invoke(*(config if word == "FILE" else word for word in words))
    assert result.exit_code == 0, result.output
    (loaded,) = served
    assert (loaded.config.bridge.port, loaded.config.bridge.log_level) == (9000, level)


def test_the_file_named_after_the_command_wins(
    served: list[Loaded], config: str
) -> None:
    invoke("--config", "/no/such/file", "serve", "--config", config)
    assert len(served) == 1


@pytest.mark.requirement("R26")
def test_an_option_that_says_the_default_wins_over_the_file(
    served: list[Loaded], config: str
) -> None:
    invoke("serve", "--config", config, "--port", "8080", "--host", "127.0.0.1")
    assert served[0].config.bridge.port == 8080


@pytest.mark.requirement("R26")
def test_the_environment_wins_over_the_file_and_an_option_over_both(
    served: list[Loaded], config: str
) -> None:
    provider = {"OAUTH_ISSUER": "https://id.example", "OAUTH_AUDIENCE": "mcp"}
    invoke("serve", "--config", config, env=provider)
    invoke("serve", "--config", config, "--no-auth", env=provider)
    assert [each.config.bridge.auth.mode for each in served] == ["jwt", "none"]
    assert served[0].config.bridge.auth.issuer == "https://id.example"


@pytest.mark.requirement("R117", "R26")
def test_the_environment_names_the_file(served: list[Loaded], config: str) -> None:
    assert invoke("serve", env={"MCP_BRIDGE_CONFIG": config}).exit_code == 0
    assert len(served) == 1


def test_the_status_of_serve_is_the_status_of_the_process(
    monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    monkeypatch.setattr(serve, "serve", lambda *_, **__: 1)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert invoke("serve", "--config", config).exit_code == 1


def test_without_a_word_it_explains_itself(served: list[Loaded]) -> None:
    result = invoke()
    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert "bridge demo" in result.output
    assert not served


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "--port", "70000"],
        ["serve", "--nonsense"],
        ["nonsense"],
        ["check", "--format", "xml"],
        ["tool", "list", "--tag", "a", "--server", "b"],
        ["status", "--port", "0"],
        ["tool", "approve", "files"],
        ["tool", "approve", "files", "read_file", "--all"],
        ["tool", "approve"],
        ["tool", "pending", "--format", "xml"],
    ],
)
def test_a_wrong_word_is_status_two(served: list[Loaded], words: list[str]) -> None:
    assert invoke(*words).exit_code == 2
    assert not served


def test_configurations_are_checked_under_both_names(config: str) -> None:
    for words in (["check"], ["config", "validate"]):
        result = invoke(*words, "--config", config, "--format", "json")
        assert result.exit_code == 0
        assert json.loads(result.output)["starts"]["url"] == "http://127.0.0.1:9000"


def test_check_takes_the_options_of_serve(config: str) -> None:
    result = invoke("check", "--config", config, "--port", "1", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "not a loopback address" in result.output


def commands(group: click.Group, *path: str) -> list[list[str]]:
    found: list[list[str]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, *path, name)
        else:
            found.append([*path, name])
    return found


@pytest.mark.requirement("R112", "R116")
def test_the_commands_of_the_first_release_are_there() -> None:
    names = {" ".join(path) for path in commands(cli)}
    assert names == {
        *("oauth login", "oauth logout", "oauth status", "doctor"),
        *("serve", "check", "status", "demo", "mcp list", "tool list"),
        *("tool pending", "tool approve"),
        *("tree", "mcp reconnect"),
        *("plan", "reload"),
        *("server start", "server status", "config validate"),
    }


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_every_command_explains_itself_with_examples(path: list[str]) -> None:
    result = invoke(*path, "--help")
    assert result.exit_code == 0
    assert "Examples:\n    bridge" in result.output


class Asked:
    """Stands in for a running bridge."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.target: Target | None = None
        self.path = self.method = ""

    def __call__(self, target: Target, path: str, *, method: str) -> bytes:
        self.target, self.path, self.method = target, path, method
        return json.dumps(self.answer).encode()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Asked]:
    def stand_in(answer: Any) -> Asked:
        one = Asked(answer)
        monkeypatch.setattr(live, "ask", one)
        return one

    return stand_in


def test_status_shows_the_bridge_its_servers_and_conflicts(
    asked: Callable[[Any], Asked],
) -> None:
    status = {"version": "1", "ready": True, "conflicts": ["read: a, b"]}
    bridge = asked({**status, "upstreams": [{"name": "time", "state": "connected"}]})
    result = invoke("status")
    assert bridge.path == "/status"
    assert "bridge 1: ready" in result.output
    assert "| time   | connected |" in result.output
    assert "offered by more than one server: read: a, b" in result.output


def test_a_degraded_bridge_says_so_and_what_each_server_waits_for(
    asked: Callable[[Any], Asked],
) -> None:
    server = {"name": "web", "state": "backoff", "waitsFor": "reconnect in 3 s"}
    keys = {"issuer": "https://i", "state": "stale", "lastError": "refused"}
    asked(
        {
            "version": "1",
            "ready": True,
            "state": "degraded",
            "states": {"backoff": 1},
            "keys": {**keys, "retryIn": 3.2},
            "upstreams": [server],
        }
    )
    output = invoke("status").output
    assert "bridge 1: degraded, 0 of 1 server connected, up 0 s" in output
    assert "the keys of https://i are stale; refused; read again in 4 s" in output
    assert "waits for reconnect in 3 s" in output


def test_the_tree_is_plain_ascii_where_nobody_watches(
    asked: Callable[[Any], Asked],
) -> None:
    child = {"name": "time\u001b[2J", "kind": "upstream", "state": "connected"}
    root = {"name": "bridge", "kind": "bridge", "state": "ready", "children": [child]}
    bridge = asked(root)
    output = invoke("tree").output
    assert bridge.path == "/api/tree"
    assert output.isascii()
    assert output.splitlines() == [
        "bridge: ready; for 0 s",
        "`-- time\\x1b[2J: connected; for 0 s",
    ]
    assert json.loads(invoke("tree", "--format", "json").output) == root


@pytest.mark.requirement("R52")
def test_a_server_is_reconnected_by_a_post(asked: Callable[[Any], Asked]) -> None:
    bridge = asked({"server": "my time", "reconnecting": True})
    output = invoke("mcp", "reconnect", "my time").output
    assert (bridge.method, bridge.path) == ("POST", "/sse/mcp/my%20time/reconnect")
    assert output == (
        "my time is connected anew; see `bridge status` for how it went\n"
    )


def test_a_server_nobody_knows_is_not_reconnected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ask(_target: Target, _path: str, *, method: str) -> bytes:
        raise NotThere(method)

    monkeypatch.setattr(live, "ask", ask)
    failure = invoke("mcp", "reconnect", "nope").exception
    assert isinstance(failure, CommandFailed)
    assert failure.lines == ("no server 'nope'; see `bridge mcp list`",)


def test_lists_show_what_was_asked_for(asked: Callable[[Any], Asked]) -> None:
    bridge = asked({"servers": [{"name": "time"}], "tools": [{"name": "now"}]})
    assert "| time" in invoke("mcp", "list").output
    assert bridge.path == "/sse/servers"
    assert "| now" in invoke("tool", "list", "--tag", "a+b").output
    assert bridge.path == "/sse/tag/a+b/list_tools"


def test_json_is_shown_whole(asked: Callable[[Any], Asked]) -> None:
    page = {"tools": [{"name": "now", "inputSchema": {"type": "object"}}], "count": 1}
    asked(page)
    assert json.loads(invoke("tool", "list", "--format", "json").output) == page


def test_a_bridge_elsewhere_is_named_by_options_or_environment(
    asked: Callable[[Any], Asked], tmp_path: Path
) -> None:
    bridge = asked({})
    invoke("status", "--url", "https://b", env={"BRIDGE_TOKEN": "t", "BRIDGE_URL": "x"})
    assert bridge.target is not None
    assert (bridge.target.url, bridge.target.token) == ("https://b", "t")
    invoke("--config-dir", str(tmp_path), "server", "status", "--port", "9")
    assert (bridge.target.home, bridge.target.port) == (tmp_path, 9)


@pytest.mark.parametrize(
    "words", [["status"], ["server", "status"], ["mcp", "list"], ["tool", "list"]]
)
def test_the_home_may_be_named_after_the_command_and_wins_there(
    asked: Callable[[Any], Asked], tmp_path: Path, words: list[str]
) -> None:
    bridge = asked({})
    invoke("--config-dir", "/elsewhere", *words, "--config-dir", str(tmp_path))
    assert bridge.target is not None
    assert bridge.target.home == tmp_path


@pytest.mark.requirement("R117")
def test_serve_finds_its_file_in_the_home_named_after_it(
    served: list[Loaded], config: str
) -> None:
    home = str(Path(config).parent)
    assert invoke("serve", "--config-dir", home).exit_code == 0
    assert served[0].config.bridge.port == 9000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--server", "nope"], "no server 'nope'; see `bridge mcp list`"),
        (["--tag", "nope"], "no server with the tag 'nope'; see `bridge mcp list`"),
        ([], "the bridge says so"),
    ],
)
def test_a_name_the_bridge_does_not_know_is_repeated(
    monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    def ask(_target: Target, _path: str, *, method: str) -> bytes:
        assert method == "GET"
        raise NotThere("the bridge says so")

    monkeypatch.setattr(live, "ask", ask)
    failure = invoke("tool", "list", *words).exception
    assert isinstance(failure, CommandFailed)
    assert failure.lines == (said,)


@pytest.mark.parametrize(
    ("tag", "server", "path"),
    [
        (None, None, "/sse/list_tools"),
        (None, "a/../b c", "/sse/mcp/a%2F..%2Fb%20c/list_tools"),
        ("a,b", None, "/sse/tag/a,b/list_tools"),
        ("a/b?c", None, "/sse/tag/a%2Fb%3Fc/list_tools"),
    ],
)
def test_names_stay_within_their_part_of_the_address(
    tag: str | None, server: str | None, path: str
) -> None:
    assert tools_path(tag=tag, server=server) == path


def test_the_demo_is_told_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wishes: list[demo_run.Wish] = []

    def demo(wish: demo_run.Wish, *, environment: Mapping[str, str]) -> int:
        assert environment
        wishes.append(wish)
        return 0

    monkeypatch.setattr(demo_run, "demo", demo)
    invoke("--config-dir", str(tmp_path), "demo")
    invoke("--debug", "demo", "--check", "--port", "1")
    assert [(w.port, w.only_check, w.debug) for w in wishes] == [
        (None, False, False),
        (1, True, True),
    ]
    assert wishes[0].home == tmp_path


def run_main(monkeypatch: pytest.MonkeyPatch, error: Exception) -> int | str | None:
    """`main` with a command that raises; the exit status."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr("bridge.cli.main.cli", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.requirement("R27", "E6")
def test_a_failed_command_says_its_lines_and_its_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, CommandFailed("one", "two", status=2)) == 2
    assert capsys.readouterr().err == "bridge: one\nbridge: two\n"


@pytest.mark.requirement("E6")
def test_a_fault_of_ours_is_one_line_without_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, ValueError("a secret")) == 1
    said = capsys.readouterr().err
    assert said.startswith("bridge: an unexpected ValueError at test_arguments.py:")
    assert said.count("\n") == 1
    assert "secret" not in said
    assert "Traceback" not in said
