"""What is wrong with one server, and that only this server is left out."""

from typing import Any

import pytest

from bridge.errors import AddressRefused
from bridge.oauth.address import canonical_resource
from kit.configs import LOCAL, REMOTE, errors, load, server_problems

STATUS = "out of range: it must be at least 100 and at most 599"
SECRET = "hush-hush"
UNSENDABLE = "a header's value holds no line break, control code or wide character"


@pytest.mark.requirement("R7")
@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "url: missing; a server needs a url, or a command"),
        ({"transport": "sse"}, "url: missing; transport sse needs a url"),
        (
            {"transport": "http", "command": "x"},
            "url: missing; transport streamablehttp needs a url",
        ),
        (
            {"transport": "stdio", "url": "https://h.example.com"},
            "command: missing; transport stdio needs a command",
        ),
    ],
)
def test_a_missing_url_or_command_leaves_only_its_server_out(
    config: dict[str, Any], told: str
) -> None:
    loaded = load({"before": LOCAL, "broken": config, "after": REMOTE})
    assert errors(loaded.problems) == [f"mcpServers.broken.{told}"]
    assert [p.server for p in loaded.problems if p.fatal] == ["broken"]
    names = [server.name for server in loaded.config.upstreams]
    assert names == ["before", "after"]


@pytest.mark.requirement("R8")
@pytest.mark.parametrize("key", ["oauth", "oauth_config"])
def test_oauth_on_a_stdio_server_is_refused_with_the_reason(key: str) -> None:
    (told,) = server_problems({**LOCAL, key: {"enabled": True}})
    assert told == (
        f"mcpServers.one.{key}: OAuth is only for network servers (sse, "
        "streamablehttp, websocket) (give a local server its credentials in env)"
    )


@pytest.mark.requirement("R145")
def test_each_unverified_connection_is_warned_about() -> None:
    oauth = {"enabled": True, "verify_ssl": False}
    loaded = load({"a": {**REMOTE, "verify_ssl": False, "oauth": oauth}, "b": REMOTE})
    assert [problem.path for problem in loaded.problems] == [
        "mcpServers.a.verify_ssl",
        "mcpServers.a.oauth.verify_ssl",
    ]
    assert not errors(loaded.problems)
    assert all("not verified" in problem.reason for problem in loaded.problems)


@pytest.mark.requirement("R20")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("h.example.com", "must start with https:// or http://"),
        ("ftp://h.example.com", "must start with https:// or http://"),
        ("https://", "no host that could exist"),
        ("https://-h-.example.com", "no host that could exist"),
        ("https://h.example.com:0/x", "port 0"),
        ("https://h.example.com:99999/x", "host or port cannot be read"),
        ("https://[::1/x", "host or port cannot be read"),
        (f"https://me:{SECRET}@h.example.com/", "holds a user or password"),
        (f"https://{SECRET}@h.example.com/", "holds a user or password"),
        (f"https://h.example.com/#{SECRET}", "has a fragment"),
        (f"https://h.example.com/ {SECRET}", "no white space"),
        ("https://h.example.com\\x", "no white space, backslash"),
    ],
)
def test_a_bad_address_is_refused_without_being_shown(url: str, reason: str) -> None:
    (told,) = server_problems({"url": url})
    assert told.startswith("mcpServers.one.url: ")
    assert reason in told
    assert SECRET not in told


@pytest.mark.requirement("R6")
@pytest.mark.parametrize(
    ("transport", "url", "wanted"),
    [
        ("websocket", "https://h.example.com", "wss:// or ws://"),
        ("sse", "wss://h.example.com", "https:// or http://"),
    ],
)
def test_the_address_must_fit_the_transport(
    transport: str, url: str, wanted: str
) -> None:
    told = server_problems({"transport": transport, "url": url})
    assert told == [f"mcpServers.one.url: the address must start with {wanted}"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "http://[::1]:9/x",
        "http://localhost/",
        "https://10.0.0.1/",
    ],
)
def test_addresses_of_this_machine_and_plain_ip_addresses_are_taken(url: str) -> None:
    assert not server_problems({"url": url, "oauth": {"enabled": True}})


@pytest.mark.requirement("R104")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://127.1/mcp", "a number with two readings"),
        ("https://0x7f.1/mcp", "a number with two readings"),
        ("https://h.example.0X7F/mcp", "a number with two readings"),
        ("https://h.example.com.7./mcp", "a number with two readings"),
        ("https://[fe80::1%25eth0]/mcp", "has a zone"),
        ("https://h.example.com/%zz", "two hexadecimal digits"),
        ("https://h.example.com?a=%", "two hexadecimal digits"),
        ("https://h.example.com/" + "x" * 4096, "longer than 4096 characters"),
    ],
)
def test_an_address_no_login_can_be_kept_for_leaves_only_its_server_out(
    url: str, reason: str
) -> None:
    (told,) = server_problems({"url": url, "oauth": {"enabled": True}})
    assert told.startswith("mcpServers.one.url: ")
    assert reason in told
    with pytest.raises(AddressRefused):
        canonical_resource(url)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        ".",
        "/a|b",
        '/"<>^`{}',
        "?q=|",
        "/[x]?y=[z]",
        '?a/b="',
        "/\u00e9\u200b?\u00e9",
    ],
)
def test_every_other_address_that_is_taken_names_a_resource(rest: str) -> None:
    url = f"https://h.example.com{rest}"
    assert not server_problems({"url": url, "oauth": {"enabled": True}})
    assert canonical_resource(url).startswith("https://h.example.com")


@pytest.mark.requirement("R104")
def test_a_name_that_may_lead_elsewhere_is_not_taken_without_encryption() -> None:
    entry = {"url": "http://app.localhost/mcp", "oauth": {"enabled": True}}
    (told,) = server_problems(entry)
    assert "a token is never sent without encryption" in told


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("X-A", f"{SECRET}\r\nX-B: c", "no line break"),
        ("X-A", f"{SECRET}\u20ac", "no line break, control code or wide character"),
        ("X A", "b", "not a name a header can have"),
        ("", "b", "not a name a header can have"),
        ("X-A:\n", "b", "not a name a header can have"),
        ("Content-Length", "3", "set by the bridge itself"),
        ("mcp-SESSION-id", "3", "set by the bridge itself"),
    ],
)
def test_a_header_that_would_break_a_request_is_refused(
    name: str, value: str, reason: str
) -> None:
    (told,) = server_problems({**REMOTE, "headers": {name: value}})
    assert reason in told
    assert SECRET not in told


@pytest.mark.requirement("R14")
@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"type": "bearer"}, "token: missing; bearer needs it"),
        ({"type": "api_key"}, "key: missing; api_key needs it"),
        ({"type": "basic", "password": "p"}, "username: missing; basic needs it"),
        ({"type": "basic", "username": "a:b"}, "username: a user holds no colon"),
        (
            {"type": "bearer", "token": f"{SECRET}\n"},
            f"token: {UNSENDABLE}",
        ),
        (
            {"type": "api_key", "key": "k", "header": "X Key"},
            "header: not a name a header can have",
        ),
    ],
)
def test_a_static_credential_that_cannot_be_sent_is_refused(
    section: dict[str, Any], told: str
) -> None:
    assert server_problems({**REMOTE, "authentication": section}) == [
        f"mcpServers.one.authentication.{told}"
    ]


@pytest.mark.parametrize(
    "config",
    [
        {"authentication": {"type": "bearer", "token": "t"}},
        {"headers": {"authorization": "Bearer t"}},
    ],
)
def test_two_credentials_for_one_header_are_refused(config: dict[str, Any]) -> None:
    (told,) = server_problems({**REMOTE, **config, "oauth": {"enabled": True}})
    assert "two credentials" in told


def test_a_key_of_its_own_header_may_go_with_oauth() -> None:
    section = {"type": "api_key", "key": "k"}
    assert not server_problems(
        {**REMOTE, "authentication": section, "oauth": {"enabled": True}}
    )


@pytest.mark.parametrize(
    ("url", "wanted"),
    [("http://h.example.com", "https"), ("ws://h.example.com", "wss")],
)
def test_a_token_is_never_sent_without_encryption(url: str, wanted: str) -> None:
    (told,) = server_problems({"url": url, "oauth": {"enabled": True}})
    assert told.endswith(f"without encryption; the address must be {wanted}")
    (warning,) = server_problems({"url": url, "headers": {"Authorization": "x"}})
    assert "sent without encryption" in warning
    assert not server_problems({"url": url})


@pytest.mark.parametrize("key", ["issuer", "authorization_url", "token_url"])
def test_addresses_tokens_depend_on_must_be_https(key: str) -> None:
    oauth = {"enabled": True, key: "http://auth.example.com"}
    (told,) = server_problems({**REMOTE, "oauth": oauth})
    assert told.startswith(f"mcpServers.one.oauth.{key}: must be https")
    loopback = {"enabled": True, key: "http://127.0.0.1:9000"}
    assert not server_problems({**REMOTE, "oauth": loopback})
    broken = {"enabled": True, key: "auth.example.com"}
    (told,) = server_problems({**REMOTE, "oauth": broken})
    assert "must start with https://" in told


@pytest.mark.parametrize(
    ("settings", "key", "why"),
    [
        (
            {"token_endpoint_auth_method": "client_secret_post"},
            "client_secret",
            "client_secret_post needs it",
        ),
        (
            {"token_endpoint_auth_method": "private_key_jwt"},
            "private_key",
            "private_key_jwt needs it",
        ),
    ],
)
def test_a_client_needs_what_it_proves_itself_with(
    settings: dict[str, str], key: str, why: str
) -> None:
    oauth = {"enabled": True, "client_id": "bridge", **settings}
    assert server_problems({**REMOTE, "oauth": oauth}) == [
        f"mcpServers.one.oauth.{key}: missing; {why}"
    ]


def test_a_machine_needs_a_client() -> None:
    oauth = {"enabled": True, "grant": "client_credentials"}
    assert server_problems({**REMOTE, "oauth": oauth}) == [
        "mcpServers.one.oauth.client_id: missing; client_credentials needs a client"
    ]


def test_a_static_client_needs_its_id() -> None:
    oauth = {"enabled": True, "type": "static"}
    assert server_problems({**REMOTE, "oauth": oauth}) == [
        "mcpServers.one.oauth.client_id: missing; type static needs it"
    ]


@pytest.mark.parametrize(
    ("config", "ignored"),
    [
        ({**LOCAL, "url": "https://h.example.com"}, "url"),
        ({**LOCAL, "headers": {"A": "b"}}, "headers"),
        (
            {**LOCAL, "authentication": {"type": "bearer", "token": "t"}},
            "authentication",
        ),
        ({**REMOTE, "transport": "sse", "command": "x"}, "command"),
        ({**REMOTE, "args": ["x"]}, "args"),
        ({**REMOTE, "env": {"A": "b"}}, "env"),
        ({**REMOTE, "cwd": "/srv"}, "cwd"),
    ],
)
def test_what_the_transport_cannot_use_is_said_to_be_ignored(
    config: dict[str, Any], ignored: str
) -> None:
    (problem,) = load({"one": config}).problems
    assert problem.path == f"mcpServers.one.{ignored}"
    assert problem.reason.startswith("ignored by a ")
    assert not problem.fatal


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"args": ["ok", "a\0b"]}, "args[1]"),
        ({"env": {"A": "b\0"}}, "env.A"),
        ({"env": {"A=B": "c"}}, 'env["A=B"]'),
        ({"env": {"": "c"}}, 'env[""]'),
        ({"command": "a\0"}, "command"),
        ({"cwd": "/\0"}, "cwd"),
        ({"toolNamespace": "a b"}, "toolNamespace"),
        ({"prompt_namespace": "a/b"}, "prompt_namespace"),
    ],
)
def test_what_no_program_or_name_can_hold_is_refused(
    config: dict[str, Any], path: str
) -> None:
    (problem,) = load({"one": {**LOCAL, **config}}).problems
    assert problem.path == f"mcpServers.one.{path}"
    assert problem.fatal


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"timeout": "60"}, "timeout: expected a number, found text"),
        ({"timeout": True}, "timeout: expected a number, found true or false"),
        ({"timeout": 0}, "timeout: out of range: it must be more than 0"),
        ({"timeout": 1e300}, "timeout: out of range: it must be more than 0"),
        ({"retryAttempts": -1}, "retryAttempts: out of range: it must be at least 0"),
        (
            {"retryAttempts": 1.5},
            "retryAttempts: expected a whole number, found a fraction",
        ),
        ({"priority": 10**30}, "priority: out of range: it must be a number that fits"),
        ({"enabled": "yes"}, "enabled: expected true or false, found text"),
        ({"args": "-v"}, "args: expected a list ([...]), found text"),
        ({"args": ["a", 3]}, "args[1]: expected text, found a number"),
        ({"env": {"PORT": 80}}, "env.PORT: expected text, found a number"),
        ({"env": ["A=b"]}, "env: expected an object ({...}), found a list"),
        ({"args": [None]}, "args[0]: expected text, found null"),
        ({"transport": {}}, "transport: expected text, found an object"),
        (
            {"healthCheck": {"expectedStatus": 99}},
            f"healthCheck.expectedStatus: {STATUS}",
        ),
    ],
)
def test_a_wrong_type_or_range_is_said_in_words(
    config: dict[str, Any], told: str
) -> None:
    assert server_problems({**LOCAL, **config}) == [f"mcpServers.one.{told}"]


def test_a_whole_number_may_be_written_with_a_fraction_of_zero() -> None:
    (server,) = load({"one": {**LOCAL, "priority": 5.0}}).config.upstreams
    assert server.priority == 5
    assert isinstance(server.priority, int)


@pytest.mark.requirement("R27")
def test_all_faults_of_all_servers_are_reported_at_once() -> None:
    loaded = load(
        {
            "a": {"command": 3, "timeout": "x", "priorty": 1},
            "b": {"url": "gopher://x", "headers": {"A B": "c"}, "retryDelay": -1},
        }
    )
    assert {problem.path for problem in loaded.problems} == {
        "mcpServers.a.command",
        "mcpServers.a.timeout",
        "mcpServers.a.priorty",
        "mcpServers.b.url",
        'mcpServers.b.headers["A B"]',
        "mcpServers.b.retryDelay",
    }


def test_a_disabled_server_is_kept_and_never_more_than_warned_about() -> None:
    config = {
        "enabled": False,
        "url": "${NOT_SET}",
        "timeout": "x",
        "args": ["$(anything)"],
    }
    loaded = load({"one": config, "two": {"enabled": "${OFF:false}"}})
    assert [server.name for server in loaded.config.upstreams] == ["one", "two"]
    assert not any(server.enabled for server in loaded.config.upstreams)
    assert [str(problem) for problem in loaded.problems] == [
        "mcpServers.one.timeout: expected a number, found text"
    ]
    assert not errors(loaded.problems)
