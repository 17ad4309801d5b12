"""`bridge plan` and `bridge reload`: how a plan is shown, and how two files compare."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli.main import cli
from bridge.cli.plan import headline, notes, rows, show_plan
from bridge.cli.signals import outcome
from bridge.contract.reload import Plan, Remark

pytestmark = pytest.mark.requirement("R140")

FULL = Plan(
    file="config.json",
    unchanged=("same",),
    changed=("time",),
    keys={"time": ("args", "env.API_KEY")},
    added=("new",),
    removed=("old",),
    reordered=True,
    live=("separator",),
    restart=("port", "logLevel"),
    problems=(Remark(path="bridge.x", reason="unknown key", fatal=False, at=(3, 5)),),
)
REFUSED = Plan(
    file="config.json",
    problems=(
        Remark(path="mcpServers.a.url", reason="missing", server="a", at=(2, 1)),
    ),
)
EMPTY = Plan(file="config.json", unchanged=("same",), applied=True)


def test_a_plan_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_plan(FULL, form="table") == 0
    assert capsys.readouterr().out.splitlines() == [
        "config.json:3:5: warning: bridge.x: unknown key",
        "config.json: 1 changed, 1 added, 1 removed, 1 unchanged; not applied",
        "+----------------------------------------+",
        "| Server | Change    | Keys              |",
        "|--------+-----------+-------------------|",
        "| time   | changed   | args, env.API_KEY |",
        "| new    | added     |                   |",
        "| old    | removed   |                   |",
        "| same   | unchanged |                   |",
        "+----------------------------------------+",
        "servers stand in another order",
        "taken over at once: bridge.separator",
        "only after a restart: bridge.port, bridge.logLevel",
    ]


def test_a_refused_plan_is_its_problems_and_status_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert show_plan(REFUSED, form="table") == 2
    assert capsys.readouterr().out.splitlines() == [
        "config.json:2:1: error: mcpServers.a.url: missing",
        "config.json: cannot be applied; the bridge goes on with what it runs",
    ]


def test_of_two_files_nothing_is_said_about_a_running_bridge() -> None:
    said = headline(REFUSED, running=False)
    assert said == "has errors, so the two files cannot be compared"
    assert headline(EMPTY, running=False) == headline(EMPTY)


def test_json_is_what_the_bridge_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_plan(FULL, form="json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["keys"] == {"time": ["args", "env.API_KEY"]}
    assert said["reordered"] is True
    assert show_plan(REFUSED, form="json") == 2


def test_nothing_to_do_is_said_and_is_no_failure() -> None:
    assert headline(EMPTY) == "nothing has changed"
    assert list(notes(EMPTY)) == []
    assert list(rows(EMPTY)) == [("same", "unchanged", "")]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (REFUSED, "refused: nothing was changed"),
        (EMPTY, "unchanged"),
        (FULL, "reloaded"),
    ],
)
def test_a_hangup_ends_in_a_word(plan: Plan, said: str) -> None:
    assert outcome(plan) == said


def invoke(*words: str) -> Result:
    clean = {"OAUTH_ISSUER": "", "OAUTH_AUDIENCE": "", "BRIDGE_HOME": ""}
    return CliRunner().invoke(cli, words, env=clean)


def config(file: Path, servers: dict[str, Any], **bridge: Any) -> str:
    section = {"auth": {"mode": "none"}, **bridge}
    file.write_text(json.dumps({"mcpServers": servers, "bridge": section}))
    return str(file)


def test_two_files_are_compared_without_a_bridge(tmp_path: Path) -> None:
    old = config(tmp_path / "old.json", {"a": {"command": "x"}})
    new = config(tmp_path / "new.json", {"b": {"command": "x"}}, pageSize=3)
    result = invoke("plan", "--config", new, "--against", old, "--format", "json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.output)
    assert (said["added"], said["removed"], said["file"]) == (["b"], ["a"], new)
    assert said["restart"] == ["pageSize"]


@pytest.mark.parametrize("bad", ["old", "new"])
def test_an_error_of_either_file_is_told_and_is_status_2(
    tmp_path: Path, bad: str
) -> None:
    servers = {"old": {"a": {"command": "x"}}, "new": {"a": {"command": "x"}}}
    servers[bad] = {"a": {}}
    old = config(tmp_path / "old.json", servers["old"])
    new = config(tmp_path / "new.json", servers["new"])
    result = invoke("plan", "--config", new, "--against", old)
    assert result.exit_code == 2
    assert str(tmp_path / f"{bad}.json") in result.output
    assert "mcpServers.a" in result.output


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    old = config(tmp_path / "old.json", {})
    result = invoke("plan", "--config", old, "--against", str(tmp_path / "none.json"))
    assert result.exit_code == 2
    assert "none.json" in result.output


def test_files_are_named_only_to_be_compared(tmp_path: Path) -> None:
    result = invoke("plan", "--config", "x.json")
    assert result.exit_code == 2
    assert "--against" in result.output
