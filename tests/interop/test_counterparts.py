"""Six kinds of real upstreams at once, three kinds of real clients, a real provider.

Upstreams: npm everything, filesystem and memory and PyPI time on stdio, one SDK server
on streamable HTTP and one on HTTP+SSE. Clients: the SDK, the Inspector and curl, each
through ``/sse`` and ``/mcp``, with a token of the provider, and refused without.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.curl import INITIALIZE, LIST, Answer, Curl, call, curl_stream
from interop.rig.identity import IdentityProvider
from interop.rig.inspector import Inspector
from interop.rig.places import EVERYTHING, FILESYSTEM, MEMORY, node, time_server
from interop.rig.sdk import sdk_client, text_of, until_listed
from interop.rig.servers import Entry, stdio_entry

pytestmark = [pytest.mark.interop, pytest.mark.external]

# One tool of each upstream, as the bridge names it.
TOOLS = {
    "everything__get-sum",
    "files__read_text_file",
    "memory__create_entities",
    "time__convert_time",
    "web__add",
    "stream__add",
}
NOTE = "kept by the filesystem server"


@pytest.fixture(scope="module")
def bridge(
    tmp_path_factory: pytest.TempPathFactory,
    identity_provider: IdentityProvider,
    http_upstream: Entry,
    sse_upstream: Entry,
) -> Iterator[RunningBridge]:
    """A bridge in front of all six, which trusts the provider."""
    folder = tmp_path_factory.mktemp("bridge")
    files = tmp_path_factory.mktemp("files")
    (files / "note.txt").write_text(NOTE, encoding="utf-8")
    memory = {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}
    servers: dict[str, Entry] = {
        "everything": stdio_entry(node(EVERYTHING)),
        "files": stdio_entry(node(FILESYSTEM, str(files)), workingDirectory=str(files)),
        "memory": stdio_entry(node(MEMORY), env=memory),
        "time": stdio_entry(time_server()),
        "web": http_upstream,
        "stream": sse_upstream,
    }
    config = {"mcpServers": servers}
    with running_bridge(config, folder, env=identity_provider.environment) as running:
        yield running


@pytest.fixture
def token(identity_provider: IdentityProvider) -> str:
    """A fresh token for the bridge."""
    return identity_provider.token()


def _names(listed: dict[str, Any]) -> set[str]:
    return {str(tool["name"]) for tool in listed["tools"]}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("path", ["/sse", "/mcp"])
async def test_the_sdk_client_calls_a_tool_of_every_upstream(
    bridge: RunningBridge, token: str, path: str, mode: str
) -> None:
    name = f"sdk {path} {mode}"
    fact = {"name": name, "entityType": "client", "observations": ["was here"]}
    async with sdk_client(bridge.url + path, token, mode=mode) as client:
        await until_listed(client, lambda names: set(names) >= TOOLS)

        total = await text_of(client, "everything__get-sum", a=2, b=3)
        note = await text_of(client, "files__read_text_file", path="note.txt")
        kept = await text_of(client, "memory__create_entities", entities=[fact])
        graph = await text_of(client, "memory__read_graph")
        noon = {"source_timezone": "UTC", "target_timezone": "Asia/Tokyo"}
        hour = await text_of(client, "time__convert_time", time="12:00", **noon)

        assert "5" in total
        assert note == NOTE
        assert json.loads(kept)[0]["name"] == name
        assert name in graph
        assert "T21:00" in hour
        assert await text_of(client, "web__add", a=20, b=22) == "42"
        assert await text_of(client, "stream__add", a=20, b=22) == "42"


@pytest.mark.requirement("R122")
@pytest.mark.parametrize("path", ["/sse", "/mcp"])
async def test_every_listed_prompt_and_resource_can_be_read(
    bridge: RunningBridge, token: str, path: str
) -> None:
    async with sdk_client(bridge.url + path, token) as client:
        await until_listed(client, lambda names: set(names) >= TOOLS)
        prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}
        resources = (await client.list_resources()).resources
        greeting = await client.get_prompt("web__greet", {"name": "Ada"})
        contents = [(await client.read_resource(r.uri)).contents for r in resources]

    assert {"everything__simple-prompt", "web__greet", "stream__greet"} <= prompts
    assert "Say hello to Ada." in greeting.model_dump_json()
    assert {"demo://motto"} <= {resource.uri for resource in resources}
    assert len(resources) > 3
    assert all(contents)


@pytest.mark.parametrize("kind", ["sse", "http"])
async def test_the_inspector_lists_and_calls(
    bridge: RunningBridge, token: str, tmp_path: Path, kind: Literal["sse", "http"]
) -> None:
    inspector = Inspector(tmp_path)
    url = bridge.url + {"sse": "/sse", "http": "/mcp"}[kind]
    add = ["tools/call", "--tool-name", "stream__add", "--tool-arg", "a=20", "b=22"]

    listed = await inspector.ask(url, token, kind=kind, method=["tools/list"])
    called = await inspector.ask(url, token, kind=kind, method=add)

    assert _names(listed) >= TOOLS
    assert called["content"][0]["text"] == "42"


@pytest.mark.requirement("R36")
async def test_curl_lists_and_calls_through_sse(
    bridge: RunningBridge, token: str, tmp_path: Path
) -> None:
    async with curl_stream(Curl(tmp_path, token), bridge.url, "/sse") as stream:
        listed = await stream.ask(LIST)
        called = await stream.ask(call("everything__get-sum", a=20, b=22))

    assert _names(listed["result"]) >= TOOLS
    assert "42" in called["result"]["content"][0]["text"]


async def test_curl_lists_and_calls_through_mcp(
    bridge: RunningBridge, token: str, tmp_path: Path
) -> None:
    curl, url = Curl(tmp_path, token), f"{bridge.url}/mcp"
    session = await curl.open_mcp(url)

    listed = (await curl.post(url, LIST, session)).message()
    called = (await curl.post(url, call("web__add", a=20, b=22), session)).message()

    assert _names(listed["result"]) >= TOOLS
    assert called["result"]["content"][0]["text"] == "42"


def _assert_refused(answer: Answer, *, presented: bool) -> None:
    challenge = answer.headers["www-authenticate"]
    assert answer.status == 401
    assert challenge.startswith("Bearer ")
    assert "resource_metadata=" in challenge
    assert ('error="invalid_token"' in challenge) is presented


@pytest.mark.requirement("R37", "R38")
async def test_nobody_comes_in_without_a_token(
    bridge: RunningBridge, tmp_path: Path
) -> None:
    curl = Curl(tmp_path)
    _assert_refused(await curl.get(f"{bridge.url}/sse"), presented=False)
    _assert_refused(await curl.post(f"{bridge.url}/mcp", INITIALIZE), presented=False)
    messages = f"{bridge.url}/messages?session_id={'0' * 32}"
    _assert_refused(await curl.post(messages, INITIALIZE), presented=False)
    _assert_refused(await curl.get(f"{bridge.url}/status"), presented=False)


@pytest.mark.requirement("R30", "R31", "R32")
@pytest.mark.parametrize("path", ["/sse", "/mcp"])
async def test_a_token_of_another_audience_or_with_a_broken_signature_is_refused(
    bridge: RunningBridge,
    identity_provider: IdentityProvider,
    tmp_path: Path,
    path: str,
) -> None:
    head, claims, signature = identity_provider.token().split(".")
    turned = f"{head}.{claims}.{signature[::-1]}"
    for number, bad in enumerate([identity_provider.token(audience="other"), turned]):
        curl, url = Curl(tmp_path / str(number), bad), f"{bridge.url}{path}"
        _assert_refused(await curl.get(url), presented=True)
        if path == "/mcp":
            _assert_refused(await curl.post(url, INITIALIZE), presented=True)


async def test_the_inspector_is_refused_without_a_token(
    bridge: RunningBridge, tmp_path: Path
) -> None:
    inspector, url = Inspector(tmp_path), f"{bridge.url}/mcp"
    run = await inspector.run(url, "", kind="http", method=["tools/list"])

    assert run.status not in {0, None}


async def test_a_token_signed_with_the_elliptic_key_is_as_good(
    bridge: RunningBridge, identity_provider: IdentityProvider
) -> None:
    token = identity_provider.token(algorithm="ES256", client="bob")
    async with sdk_client(f"{bridge.url}/mcp", token) as client:
        await until_listed(client, lambda names: set(names) >= TOOLS)


@pytest.mark.requirement("R46")
async def test_a_session_is_closed_to_another_subject(
    bridge: RunningBridge, identity_provider: IdentityProvider, tmp_path: Path
) -> None:
    url = f"{bridge.url}/mcp"
    session = await Curl(tmp_path / "a", identity_provider.token()).open_mcp(url)
    stranger = Curl(tmp_path / "b", identity_provider.token(client="bob"))

    assert (await stranger.post(url, LIST, session)).status == 404
