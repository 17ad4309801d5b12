"""Whatever stands in the file: it loads, or ConfigError says why, and nothing else."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.config.expand import Commands, expand
from bridge.config.findings import format_problems
from bridge.config.jsonc import Json, JsonInvalid, parse
from bridge.config.load import Loaded, load_config
from bridge.config.model import BridgeConfig, UpstreamConfig
from bridge.config.names import slug
from bridge.config.schema import sections
from bridge.config.spelling import fields_of
from bridge.errors import ConfigError

# A character no rule of the file speaks of, so that it can only come from the value.
SECRET = "\u2603hush\u2603"
ENVIRONMENT = {"SET": SECRET, "EMPTY": "", "PORT": "9"}

KEYS = sorted({s for kind in sections() for f in fields_of(kind) for s in f.spellings})
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "${SET}",
            "${UNSET}",
            "${PORT}",
            "${EMPTY}",
            "$(op)",
            "${",
            "$${",
            "sse",
            "http",
        ]
    ),
    st.sampled_from(
        ["https://h/x", "http://${SET}", "wss://h", "jwt", "none", "://", "//[", "h:x"]
    ),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), FLOATS, TEXTS)
MEMBERS = st.one_of(st.sampled_from(KEYS), st.text(max_size=5))
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4)
    ),
    max_leaves=20,
)
VALID: dict[str, Any] = {
    "mcpServers": {
        "local": {
            "command": "server",
            "args": ["-v"],
            "env": {"A": "b"},
            "healthCheck": {"interval": 5, "operation": "ping"},
        },
        "remote": {
            "url": "https://mcp.example.com/mcp",
            "transport": "streamablehttp",
            "headers": {"X-A": "b"},
            "oauth": {
                "enabled": True,
                "scopes": ["a"],
                "additional_params": {"b": "c"},
            },
            "tags": ["x"],
            "toolNamespace": "r",
        },
        "keyed": {
            "url": "wss://mcp.example.com/mcp",
            "authentication": {"type": "api_key", "key": "k"},
        },
    },
    "bridge": {
        "port": 8080,
        "auth": {"mode": "jwt", "issuer": "https://i.example.com", "audience": ["a"]},
        "limits": {"sessions": 3},
        "failover": {"enabled": True},
        "allowedOrigins": ["https://a.example.com"],
        "trustedProxies": ["10.0.0.0/8"],
    },
}


def _paths(value: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    members = value if isinstance(value, dict) else {}
    for key, member in members.items():
        found += _paths(member, (*path, key))
    return found


def _edited(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    return {**value, path[0]: _edited(value[path[0]], path[1:], new)}


def outcome(text: bytes) -> Loaded | ConfigError:
    try:
        loaded = load_config(
            text,
            source="config.json",
            environment=ENVIRONMENT,
            substitute=lambda words: SECRET + words[0],
        )
    except ConfigError as error:
        refused = error
    else:
        return _consistent(loaded)
    assert any(p.fatal and p.server is None for p in refused.problems)
    return refused


def _consistent(loaded: Loaded) -> Loaded:
    left_out = {p.server for p in loaded.problems if p.fatal}
    assert None not in left_out
    assert not left_out & {server.name for server in loaded.config.upstreams}
    return loaded


@pytest.mark.requirement("R20", "R27")
@given(st.sampled_from(_paths(VALID)), VALUES)
@example(
    ("mcpServers",), {"a": {"url": "https://${SET}/x", "headers": {"A": "${SET}"}}}
)
def test_any_edit_of_a_valid_file_loads_or_is_refused(
    path: tuple[Any, ...], new: Any
) -> None:
    result = outcome(json.dumps(_edited(VALID, path, new)).encode())
    printed = format_problems("config.json", result.problems)
    assert len(printed.splitlines()) == len(result.problems)
    assert SECRET not in printed


@pytest.mark.requirement("R27")
@given(VALUES)
def test_any_json_loads_or_is_refused(value: Any) -> None:
    outcome(json.dumps(value).encode())


@given(
    st.binary(max_size=200)
    | st.text('{}[]",:/*\\ntrue0.-e \n', max_size=80).map(str.encode)
)
def test_any_bytes_load_or_are_refused(text: bytes) -> None:
    outcome(text)


@given(st.dictionaries(MEMBERS, VALUES, max_size=6))
def test_a_server_that_loads_fits_its_own_types(server: dict[str, Any]) -> None:
    whole = {"mcpServers": {"one": server}, "bridge": VALID["bridge"]}
    result = outcome(json.dumps(whole).encode())
    assert isinstance(result, Loaded)
    for upstream in result.config.upstreams:
        again = msgspec.convert(msgspec.to_builtins(upstream), UpstreamConfig)
        assert again == upstream


@given(st.dictionaries(MEMBERS, VALUES, max_size=6))
def test_a_bridge_section_that_loads_fits_its_own_types(bridge: dict[str, Any]) -> None:
    result = outcome(json.dumps({"mcpServers": {}, "bridge": bridge}).encode())
    if isinstance(result, Loaded):
        section = result.config.bridge
        assert msgspec.convert(msgspec.to_builtins(section), BridgeConfig) == section


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
GAPS = st.sampled_from(["", " ", "\n", "\t", "// x\n", "/* } , */", "/***/", "//\r\n"])


@pytest.mark.requirement("R2")
@given(JSON)
def test_what_json_writes_is_read_back(value: Any) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)
        assert parse(text.encode()).value == value


@pytest.mark.requirement("R2")
@given(JSON, st.data())
def test_comments_and_trailing_commas_change_nothing(value: Any, data: Any) -> None:
    def gap() -> str:
        return data.draw(GAPS)

    def written(part: Json) -> str:
        if isinstance(part, list):
            inner = [written(element) for element in part]
            return f"{gap()}[{_joined(inner)}]{gap()}"
        if isinstance(part, dict):
            inner = [
                f"{gap()}{json.dumps(k)}{gap()}:{written(v)}" for k, v in part.items()
            ]
            return f"{gap()}{{{_joined(inner)}}}{gap()}"
        return f"{gap()}{json.dumps(part)}{gap()}"

    def _joined(parts: list[str]) -> str:
        trailing = "," if parts and data.draw(st.booleans()) else ""
        return ",".join(parts) + trailing + gap()

    assert parse(written(value).encode()).value == value


@given(st.binary(max_size=100))
def test_the_reader_refuses_or_reads_any_bytes(text: bytes) -> None:
    try:
        parse(text)
    except JsonInvalid as invalid:
        refused = invalid
    else:
        return
    assert min(refused.at) >= 1


@pytest.mark.requirement("R19", "R21")
@given(st.text("${}():'\" aSET\\", max_size=30))
def test_expansion_of_any_text_ends_and_runs_only_what_is_listed(text: str) -> None:
    ran: list[list[str]] = []

    def run(words: list[str]) -> str:
        ran.append(words)
        return ""

    commands = Commands(enabled=True, allowed=("a",), run=run)
    result = expand(text, environment=ENVIRONMENT, commands=commands)
    assert all(words[0] == "a" for words in ran)
    assert result.changed or result.text == text


@pytest.mark.requirement("R25")
@given(st.text())
def test_the_address_of_a_name_is_one_safe_path_segment(name: str) -> None:
    address = slug(name)
    assert slug(address) == address
    assert set(address) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert not address.startswith((".", "-"))
    assert len(address) <= 100
