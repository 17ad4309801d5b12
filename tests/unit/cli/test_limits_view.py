"""The limits of a configuration in words, as `bridge check` shows them."""

import json
from typing import Any

import pytest

from bridge.cli.check import check
from bridge.cli.limits_view import access_rows, tool_rows
from bridge.cli.report import (
    StatusPage,
    ToolsPage,
    WithheldLine,
    withheld_lines,
    withheld_rows,
)
from kit.configs import LOCAL, load

SERVERS: dict[str, Any] = {
    "files": {**LOCAL, "read_only_mode": True, "tags": ["home"]},
    "git": {
        **LOCAL,
        "tool_security": {"block_patterns": ["del*"], "allow_tools": ["delete_draft"]},
    },
    "web": {**LOCAL, "tool_security": {"allow_tools": ["fetch"]}},
}
BRIDGE: dict[str, Any] = {
    "tool_security": {
        "block_tools": ["push"],
        "classification_overrides": {"frob": "read"},
    },
    "access": [
        {"servers": ["files", "g*"], "tags": ["home"]},
        {"tools": ["get_*"]},
        {
            "when": {"scope": "b a", "claim": {"groups": "ops"}},
            "servers": ["git"],
            "deny": True,
        },
    ],
}


@pytest.mark.requirement("R128")
def test_every_limit_of_every_server_is_said() -> None:
    assert list(tool_rows(load(SERVERS, BRIDGE).config)) == [
        ("files", "refused, by bridge: push"),
        ("files", "only those that read"),
        ("files", "taken for read: frob"),
        ("git", "refused, by bridge: push"),
        ("git", "refused, by this server: del*"),
        ("git", "whatever patterns say, by this server: delete_draft"),
        ("web", "refused, by bridge: push"),
        ("web", "only these, by this server: fetch"),
    ]


@pytest.mark.requirement("R128")
def test_patterns_that_allow_are_said_for_what_they_are() -> None:
    limits = {"tool_security": {"allow_patterns": ["get_*"]}}
    [row] = tool_rows(load({"one": {**LOCAL, **limits}}).config)
    assert row == ("one", "only these, by this server: get_*")


@pytest.mark.requirement("R48")
def test_every_rule_is_said() -> None:
    everything = "all, prompts and resources too"
    assert list(access_rows(load(SERVERS, BRIDGE).config)) == [
        ("1", "everybody", "shows", "files, g* or tagged home", everything),
        ("2", "everybody", "shows", "all", "get_*"),
        ("3", "scope a and scope b and groups = ops", "denies", "git", everything),
    ]


@pytest.mark.requirement("R48", "R128")
def test_check_shows_limits_only_where_there_are_any(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check(("config.json", load({"one": LOCAL})), form="table")
    assert "Tools are" not in capsys.readouterr().out
    check(("config.json", load(SERVERS, BRIDGE)), form="table")
    shown = capsys.readouterr().out
    assert "only those that read" in shown
    assert "groups = ops" in shown


@pytest.mark.requirement("R48", "R128")
def test_check_gives_them_to_programs_too(capsys: pytest.CaptureFixture[str]) -> None:
    check(("config.json", load(SERVERS, BRIDGE)), form="json")
    starts = json.loads(capsys.readouterr().out)["starts"]
    assert starts["toolLimits"]["web"] == [
        "refused, by bridge: push",
        "only these, by this server: fetch",
    ]
    assert starts["access"][1] == {
        "rule": "2",
        "for": "everybody",
        "does": "shows",
        "servers": "all",
        "tools": "get_*",
    }


@pytest.mark.requirement("R128")
def test_the_status_names_a_few_withheld_tools_and_counts_the_rest() -> None:
    lines = tuple(WithheldLine(f"t{n}", "git", "read-only mode") for n in range(9))
    page = StatusPage(withheld=lines[:7], withheld_count=9)
    said = list(withheld_lines(page))
    assert said[0] == "withheld: t0 (git): read-only mode"
    assert said[5:] == ["withheld: 4 tools more; see `bridge tool list --all`"]
    few = StatusPage(withheld=lines[:5], withheld_count=5)
    assert len(list(withheld_lines(few))) == 5
    assert list(withheld_lines(StatusPage())) == []
    assert list(withheld_rows(ToolsPage(withheld=lines[:1]))) == [
        ("t0", "git", "read-only mode")
    ]
