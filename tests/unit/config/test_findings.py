"""How problems are collected and printed."""

import pytest

from bridge.config.findings import format_problems, render
from bridge.config.load import load_config
from bridge.config.names import slug
from bridge.config.overlay import Overrides
from bridge.errors import ConfigError, Problem
from kit.configs import LOCAL, errors, load, load_text, refusal, server_problems


@pytest.mark.requirement("R23")
@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("tmeout", "did you mean timeout?"),
        ("Headers", "did you mean headers?"),
        ("tool_namespce", "did you mean toolNamespace?"),
        ("retry_atempts", "did you mean retryAttempts?"),
        ("zzz", ""),
    ],
)
def test_an_unknown_key_warns_and_names_the_nearest(key: str, hint: str) -> None:
    loaded = load({"one": {**LOCAL, key: 1}})
    (problem,) = loaded.problems
    assert (problem.path, problem.fatal) == (f"mcpServers.one.{key}", False)
    assert (problem.reason, problem.hint) == ("unknown key, ignored", hint)
    assert len(loaded.config.upstreams) == 1


@pytest.mark.requirement("R23")
def test_unknown_keys_are_found_at_every_depth() -> None:
    loaded = load_text(
        '{"mcpServers": {"a": {"command": "x", "healthCheck": {"intervall": 1}}}, '
        '"brigde": {}, "bridge": {"auth": {"mode": "none", "x": 1}, "hots": ""}}'
    )
    assert {problem.path for problem in loaded.problems} == {
        "mcpServers.a.healthCheck.intervall",
        "brigde",
        "bridge.auth.x",
        "bridge.hots",
    }
    assert not errors(loaded.problems)


def test_notes_for_people_and_editors_are_no_unknown_keys() -> None:
    notes = {"$schema": "x", "_comment": "y", "description": "z"}
    assert not server_problems({**LOCAL, **notes})
    assert not load_text(
        '{"$schema": "./schema.json", "mcpServers": {"a": {"command": "x"}}, '
        '"bridge": {"comment": 1, "auth": {"mode": "none"}}}'
    ).problems


@pytest.mark.requirement("R25", "R153")
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("time", "time"),
        ("My Server", "my-server"),
        ("a/../b", "a-..-b"),
        ("../../etc/passwd", "etc-passwd"),
        ("Caf\u00e9 \u2460", "cafe-1"),
        ("a\u0000b\n", "a-b"),
        ("v1.2_x", "v1.2_x"),
        ("..", ""),
        ("\u6642", ""),
        ("x" * 200, "x" * 100),
    ],
)
def test_a_name_becomes_an_address(name: str, address: str) -> None:
    assert slug(name) == address


@pytest.mark.requirement("R25")
def test_two_names_with_one_address_are_an_error() -> None:
    (error,) = refusal({"My Server": LOCAL, "my-server": LOCAL})
    assert error == (
        'mcpServers.my-server: has the same address as mcpServers["My Server"]: '
        "my-server (rename one of the two)"
    )


@pytest.mark.requirement("R25")
def test_a_name_without_an_address_leaves_its_server_out() -> None:
    loaded = load({"..": LOCAL, "ok": LOCAL})
    assert [server.name for server in loaded.config.upstreams] == ["ok"]
    assert errors(loaded.problems) == [
        'mcpServers[".."]: a name needs a letter or digit (a-z, 0-9)'
    ]


@pytest.mark.requirement("R25")
def test_a_server_given_twice_is_an_error_and_not_an_overwrite() -> None:
    text = '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}'
    with pytest.raises(ConfigError) as caught:
        load_text(text, overrides=Overrides(no_auth=True))
    assert errors(caught.value.problems) == [
        "mcpServers.a: this key is given more than once"
    ]


def test_a_key_given_twice_in_a_server_leaves_it_out() -> None:
    text = '{"mcpServers": {"a": {"command": "x", "command": "y"}, "b": {"url": "%s"}}}'
    loaded = load_text(text % "https://h/x", overrides=Overrides(no_auth=True))
    assert [server.name for server in loaded.config.upstreams] == ["b"]
    assert errors(loaded.problems) == [
        "mcpServers.a.command: this key is given more than once"
    ]


@pytest.mark.requirement("R27")
def test_problems_are_printed_with_file_place_weight_path_reason_and_hint() -> None:
    text = b"""{
  "mcpServers": {
    "time": { "command": "x", "tmeout": 1 },
    "far": { "transport": "sse" },
  },
  "bridge": { "port": "x", "auth": {} }
}"""
    with pytest.raises(ConfigError) as caught:
        load_config(
            text, source="etc/config.json", environment={"OAUTH_ISSUER": "x://y"}
        )
    assert str(caught.value) == "etc/config.json: 4 errors"
    printed = format_problems("etc/config.json", caught.value.problems)
    assert (
        printed
        == """\
etc/config.json: error: OAUTH_ISSUER: the address must start with https:// or http://
etc/config.json:3:31: warning: mcpServers.time.tmeout: unknown key, ignored \
(did you mean timeout?)
etc/config.json:4:5: error, server left out: mcpServers.far.url: missing; \
transport sse needs a url
etc/config.json:6:15: error: bridge.port: expected a whole number, found text
etc/config.json:6:28: error: bridge.auth.audience: missing \
(set OAUTH_AUDIENCE or bridge.auth.audience)"""
    )


@pytest.mark.requirement("R27")
def test_broken_json_is_one_error_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(b"{\n  oops\n}", source="c.json", environment={})
    assert str(caught.value) == "c.json: 1 error"
    assert format_problems("c.json", caught.value.problems) == (
        "c.json:2:3: error: (file): expected a key in double quotes or '}', "
        'found "o" (inside what opens in line 1, column 1)'
    )


def test_no_control_code_reaches_the_terminal() -> None:
    problem = Problem('a["\x1b[31m"]', "re\nason\u202e\x9b", hint="\x07")
    printed = format_problems("fi\x1ble", [problem])
    assert printed == 'fi?le: error: a["?[31m"]: re?ason?? (?)'


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "(top level)"),
        (("a", "b", 0), "a.b[0]"),
        (("mcpServers", "My Server", "url"), 'mcpServers["My Server"].url'),
        (("a", 'x"y'), 'a["x\\"y"]'),
        ((1, "a"), "[1].a"),
    ],
)
def test_a_path_reads_as_in_a_program(path: tuple[str | int, ...], text: str) -> None:
    assert render(path) == text
