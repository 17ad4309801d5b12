"""What the demo prints can be pasted as it stands."""

import json
import shlex

import pytest

from bridge.demo.greeting import (
    Scene,
    called_as,
    client_config,
    greeting,
    sse_curl,
    token_curl,
)

SCENE = Scene(
    bridge="http://127.0.0.1:8080",
    issuer="http://127.0.0.1:1",
    notes="http://127.0.0.1:2/mcp",
    token="aaa.bbb.ccc",
    client_secret="s3cret",
    command="/somewhere/bin/bridge",
)


def test_the_curl_for_sse_carries_the_token_in_one_word() -> None:
    words = shlex.split(sse_curl(SCENE))
    assert words[-1] == "http://127.0.0.1:8080/sse"
    assert "Authorization: Bearer aaa.bbb.ccc" in words


def test_the_curl_for_a_token_names_client_and_audience() -> None:
    words = shlex.split(token_curl(SCENE))
    assert words[2] == "http://127.0.0.1:1/token"
    assert {"client_id=demo", "client_secret=s3cret", "audience=bridge-demo"} <= set(
        words
    )


def test_the_clients_configuration_is_json_with_address_and_token() -> None:
    entry = json.loads(client_config(SCENE))["mcpServers"]["bridge"]
    assert entry["url"] == "http://127.0.0.1:8080/mcp"
    assert entry["headers"] == {"Authorization": "Bearer aaa.bbb.ccc"}


def test_every_part_stands_in_the_greeting_on_lines_of_its_own() -> None:
    lines = greeting(SCENE).splitlines()
    assert sse_curl(SCENE) in lines
    assert token_curl(SCENE) in lines
    assert set(client_config(SCENE).splitlines()) <= set(lines)
    assert "/somewhere/bin/bridge status" in lines
    assert any(SCENE.notes in line for line in lines)


@pytest.mark.parametrize(
    ("called", "again"),
    [
        ("/x/bridge/__main__.py", "python -m bridge"),
        (".venv/bin/bridge", "/home/me/.venv/bin/bridge"),
        ("/x/bin/foxxy-bridge", "/x/bin/foxxy-bridge"),
    ],
)
def test_the_program_is_named_as_it_was_called(called: str, again: str) -> None:
    assert called_as(called, folder="/home/me") == again
