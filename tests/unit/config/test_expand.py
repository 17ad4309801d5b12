"""Variables and commands in texts: what they become, and what is refused."""

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.config.expand import Commands, Expansion, SubstitutionFailed, expand
from kit.configs import LOCAL, REMOTE, errors, load, one_server, server_problems

ENV = {"HOST": "h.example.com", "EMPTY": "", "TRICK": "${HOST}$(op)", "WORDS": "a b; c"}
ALLOWED = {"allow_command_substitution": True, "allowed_commands": ["op"]}


class Vault:
    """A substitute that answers every command with one secret."""

    def __init__(self, answer: str | SubstitutionFailed = "s3cret") -> None:
        self.answer = answer
        self.asked: list[Sequence[str]] = []

    def __call__(self, words: list[str]) -> str:
        self.asked.append(words)
        if isinstance(self.answer, SubstitutionFailed):
            raise self.answer
        return self.answer


def expanded(text: str, *, run: Vault | None = None) -> Expansion:
    commands = Commands(enabled=run is not None, allowed=("op",), run=run)
    return expand(text, environment=ENV, commands=commands)


@pytest.mark.requirement("R19")
@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("plain $HOME {x} $", "plain $HOME {x} $"),
        ("https://${HOST}/x", "https://h.example.com/x"),
        ("${HOST}${HOST}", "h.example.comh.example.com"),
        ("${NOT_SET:default}", "default"),
        ("${NOT_SET:}", ""),
        ("${NOT_SET:a:b}", "a:b"),
        ("${EMPTY:default}", ""),
        ("${HOST:default}", "h.example.com"),
        ("$${HOST} $$(op) $$", "${HOST} $(op) $$"),
        ("${TRICK}", "${HOST}$(op)"),
    ],
)
def test_variables_and_defaults_expand_once(text: str, means: str) -> None:
    result = expanded(text)
    assert (result.text, result.unset, result.faults) == (means, (), ())


@pytest.mark.requirement("R19")
def test_an_unset_variable_is_named_and_empty() -> None:
    result = expanded("<${NOT_SET}${NOR_THIS}>")
    assert (result.text, result.unset) == ("<>", ("NOT_SET", "NOR_THIS"))


@pytest.mark.parametrize(
    "text", ["${", "${HOST", "a${b${HOST}", "${}", "${a b}", "${1}"]
)
def test_what_is_no_variable_is_a_fault(text: str) -> None:
    assert expanded(text).faults


@pytest.mark.requirement("R21")
@pytest.mark.parametrize(
    ("text", "words", "means"),
    [
        ("$(op read x)", ["op", "read", "x"], "s3cret"),
        ("Bearer $(op)!", ["op"], "Bearer s3cret!"),
        ("$(op 'a b' \"c)d\" e)", ["op", "a b", "c)d", "e"], "s3cret"),
        ("$(op f(x))", ["op", "f(x)"], "s3cret"),
        ("$(op ${WORDS})", ["op", "a b; c"], "s3cret"),
        ("$(op '${HOST}/x')", ["op", "h.example.com/x"], "s3cret"),
    ],
)
def test_a_command_is_split_into_words_without_a_shell(
    text: str, words: list[str], means: str
) -> None:
    vault = Vault()
    result = expanded(text, run=vault)
    assert (vault.asked, result.text, result.faults) == ([words], means, ())


@pytest.mark.requirement("R21")
def test_what_a_command_prints_is_not_expanded_again() -> None:
    vault = Vault("${HOST} $(op)")
    result = expanded("$(op)", run=vault)
    assert result.text == "${HOST} $(op)"
    assert len(vault.asked) == 1


@pytest.mark.requirement("R21", "R22")
@pytest.mark.parametrize(
    ("text", "more", "reason"),
    [
        ("$(cat /etc/passwd)", {}, "not in allowed_commands"),
        ("$(/tmp/op)", {}, "not in allowed_commands"),
        ("$(./op)", {}, "not in allowed_commands"),
        ("$(op)", {"allowed": ()}, "not in allowed_commands"),
        ("$(sh -c op)", {"allowed": ("sh",)}, "could run any other program"),
        ("$(/bin/bash)", {"allowed": ("/bin/bash",)}, "could run any other program"),
        ("$(op; rm x)", {}, "shell characters"),
        ("$(op | cat)", {}, "shell characters"),
        ("$(op `id`)", {}, "shell characters"),
        ("$(op $(id))", {}, "shell characters"),
        ("$(op > /tmp/x)", {}, "shell characters"),
        ("$(op\nid)", {}, "shell characters"),
        ("$()", {}, "is empty"),
        ("$(op" + " x" * 500 + ")", {}, "longer than 1000 characters"),
        ("$(op", {}, "is not closed"),
        ("$(op 'x)", {}, "is not closed"),
        ("$(op \\)", {}, "quote that is not closed"),
        ("$(op ${NOT_SET})", {}, "was not run"),
        ("$(op)", {"enabled": False}, "not allowed here"),
        ("$(op)", {"run": None}, "not allowed here"),
    ],
)
def test_a_command_outside_the_rules_is_never_run(
    text: str, more: dict[str, Any], reason: str
) -> None:
    vault = Vault()
    given: dict[str, Any] = {"enabled": True, "allowed": ("op",), "run": vault, **more}
    result = expand(text, environment=ENV, commands=Commands(**given))
    assert not vault.asked
    assert any(reason in fault for fault in result.faults), result.faults
    assert "$(" not in result.text


@pytest.mark.parametrize(
    ("text", "words"),
    [("$(sh -c op)", ["sh", "-c", "op"]), ("$(sh a;b)", ["sh", "a;b"])],
)
def test_dangerous_commands_run_where_they_are_permitted(
    text: str, words: list[str]
) -> None:
    vault = Vault()
    commands = Commands(enabled=True, allowed=("sh",), dangerous=True, run=vault)
    assert expand(text, environment=ENV, commands=commands).text == "s3cret"
    assert vault.asked == [words]


@pytest.mark.requirement("R19")
def test_every_text_of_a_server_is_expanded_at_any_depth() -> None:
    server = one_server(
        {
            "command": "${HOST}",
            "args": ["-h", "${HOST}"],
            "env": {"A": "${HOST}"},
            "tags": ["${HOST}"],
            "healthCheck": {
                "operation": "call_tool",
                "toolName": "${HOST}",
                "toolArguments": {"deep": [{"x": "${HOST}"}, 1]},
            },
        },
        env=ENV,
    )
    host = ENV["HOST"]
    assert (server.command, server.args) == (host, ("-h", host))
    assert (server.env, server.tags) == ({"A": host}, (host,))
    assert server.health_check.tool_name == host
    assert server.health_check.tool_arguments == {"deep": [{"x": host}, 1]}


@pytest.mark.requirement("R19")
def test_an_expanded_text_serves_where_a_number_or_switch_is_wanted() -> None:
    config = {
        **REMOTE,
        "timeout": "${T:2.5}",
        "priority": "${P:7}",
        "verify_ssl": "${V:true}",
        "transport": "${K:sse}",
        "oauth": {"scopes": "${S:a b}"},
    }
    server = one_server(config)
    assert (server.timeout, server.priority, server.verify_ssl) == (2.5, 7, True)
    assert (server.transport, server.oauth.scopes) == ("sse", ("a", "b"))


@pytest.mark.parametrize("text", ["soon", "nan", "inf", ""])
def test_an_expanded_text_that_is_no_number_is_said_to_be_text(text: str) -> None:
    told = server_problems({**LOCAL, "timeout": "${T}"}, env={"T": text})
    assert told == ["mcpServers.one.timeout: expected a number, found text"]


@pytest.mark.requirement("R20")
@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"url": "https://${NOT_SET}/x"}, "url"),
        ({"command": "${NOT_SET}"}, "command"),
        ({**LOCAL, "args": ["a", "${NOT_SET}"]}, "args[1]"),
        ({**LOCAL, "env": {"KEY": "${NOT_SET}"}}, "env.KEY"),
        ({**LOCAL, "cwd": "${NOT_SET}"}, "cwd"),
        ({**REMOTE, "headers": {"A": "Bearer ${NOT_SET}"}}, "headers.A"),
        (
            {**REMOTE, "authentication": {"type": "bearer", "token": "${NOT_SET}"}},
            "authentication.token",
        ),
        (
            {**REMOTE, "oauth": {"enabled": True, "clientSecret": "${NOT_SET}"}},
            "oauth.clientSecret",
        ),
    ],
)
def test_an_unset_variable_where_it_matters_leaves_the_server_out_by_name(
    config: dict[str, Any], path: str
) -> None:
    loaded = load({"one": config, "two": LOCAL})
    assert [server.name for server in loaded.config.upstreams] == ["two"]
    assert errors(loaded.problems)[0] == (
        f"mcpServers.one.{path}: the variable NOT_SET is not set "
        "(set it, or give a default: ${NOT_SET:default})"
    )


@pytest.mark.requirement("R19")
def test_an_unset_variable_elsewhere_warns_and_is_empty() -> None:
    loaded = load({"one": {**LOCAL, "toolNamespace": "${NOT_SET}"}})
    assert loaded.config.upstreams[0].tool_namespace == ""
    assert [problem.fatal for problem in loaded.problems] == [False]
    assert loaded.problems[0].reason == "the variable NOT_SET is not set"


@pytest.mark.requirement("R20")
@pytest.mark.parametrize(
    "config",
    [
        {"url": "ftp://${SECRET}"},
        {**REMOTE, "transport": "${SECRET}"},
        {**REMOTE, "headers": {"A": "${SECRET}\n"}},
        {**LOCAL, "timeout": "${SECRET}"},
        {**LOCAL, "toolNamespace": "${SECRET} "},
        {**REMOTE, "oauth": {"enabled": True, "issuer": "http://${SECRET}"}},
    ],
)
def test_an_expanded_value_is_in_no_message(config: dict[str, Any]) -> None:
    told = server_problems(config, env={"SECRET": "hush-hush"})
    assert told
    assert "hush" not in " ".join(told)


@pytest.mark.requirement("R21", "R22")
def test_a_command_fills_a_value_of_a_server_where_it_is_allowed() -> None:
    vault = Vault()
    server = one_server(
        {**REMOTE, "headers": {"A": "Bearer $(op read x)"}},
        bridge=ALLOWED,
        substitute=vault,
    )
    assert server.headers == {"A": "Bearer s3cret"}
    assert vault.asked == [["op", "read", "x"]]


@pytest.mark.requirement("R22")
@pytest.mark.parametrize("bridge", [{}, {**ALLOWED, "allowed_commands": ["pass"]}])
def test_a_refused_command_leaves_its_server_out(bridge: dict[str, Any]) -> None:
    vault = Vault()
    loaded = load(
        {"one": {**LOCAL, "tags": ["$(op)"]}, "two": LOCAL}, bridge, substitute=vault
    )
    assert [server.name for server in loaded.config.upstreams] == ["two"]
    assert [problem.path for problem in loaded.problems] == ["mcpServers.one.tags[0]"]
    assert not vault.asked


@pytest.mark.requirement("R22")
def test_a_failed_command_leaves_its_server_out_with_the_reason() -> None:
    vault = Vault(SubstitutionFailed("a command ended with status 1"))
    loaded = load(
        {"one": {**LOCAL, "args": ["$(op)"]}, "two": LOCAL}, ALLOWED, substitute=vault
    )
    assert [server.name for server in loaded.config.upstreams] == ["two"]
    assert errors(loaded.problems) == [
        "mcpServers.one.args[0]: a command ended with status 1"
    ]


@pytest.mark.requirement("R21")
def test_no_command_runs_for_a_disabled_server_or_the_bridge_section() -> None:
    vault = Vault()
    loaded = load(
        {"one": {"enabled": False, "command": "$(op)"}}, ALLOWED, substitute=vault
    )
    assert not loaded.problems
    text = {"command": "$(op)"}
    assert load({"one": text}, {**ALLOWED}, substitute=vault).config.upstreams
    assert len(vault.asked) == 1
    with pytest.raises(Exception, match="error"):
        load({"one": LOCAL}, {**ALLOWED, "separator": "$(op)"}, substitute=vault)
    assert len(vault.asked) == 1
