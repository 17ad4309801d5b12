"""Two principals at every address: each finds its own part, and no other."""

from typing import Any

import msgspec
import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from bridge.contract.access import AccessRule, Entitlement, ToolLimits
from bridge.contract.router import Reconfigured
from bridge.downstream.guard import Admission
from bridge.observe import catalogue as events
from bridge.observe.status import UpstreamStatus
from kit.front import ALICE, BOB, Front
from kit.routing import RouterRoom, policy, tool

pytestmark = pytest.mark.requirement("R48")

FILES = policy("files", tags=frozenset({"home", "disk"}))
WEB = policy("web", tags=frozenset({"home", "net"}))
RULES = (
    AccessRule(scopes=frozenset({"ops"}), servers=("*",)),
    AccessRule(claims=(("groups", "net"),), servers=("web",)),
    AccessRule(claims=(("groups", "peek"),), servers=("web",), tools=("read",)),
)


def admission(principal: Any, *scopes: str, **claims: object) -> Admission:
    entitlement = Entitlement(frozenset(scopes), claims)
    return Admission(principal=principal, entitlement=entitlement)


@pytest.fixture
async def front(nursery: trio.Nursery, autojump_clock: MockClock) -> Front:
    front = Front(room=RouterRoom(FILES, WEB, access=RULES))
    await front.start(nursery)
    front.room.up("web", tools=[tool("read"), tool("write")])
    front.door.admissions |= {
        "alice": admission(ALICE, "ops", iat=1),
        "alice-less": admission(ALICE, iat=2, groups=["net"]),
        "alice-again": admission(ALICE, "ops", iat=3),
        "bob": admission(BOB, groups=["net"]),
        "peek": admission(BOB, groups=["peek"]),
        "nobody": admission(BOB),
    }
    await trio.sleep(1)
    return front


def tools(reply: Any) -> list[str]:
    return [each["name"] for each in reply.json["result"]["tools"]]


ALL = ["files__read", "files__write", "web__read", "web__write"]
ROUTES: list[tuple[str, str, list[str]]] = [
    ("", "alice", ALL),
    ("", "bob", ALL[2:]),
    ("", "peek", ["web__read"]),
    ("", "nobody", []),
    ("/tag/home", "alice", ALL),
    ("/tag/home", "bob", ALL[2:]),
    ("/tag/disk,net", "bob", ALL[2:]),
    ("/tag/home+net", "peek", ["web__read"]),
    ("/mcp/web", "alice", ALL[2:]),
    ("/mcp/web", "bob", ALL[2:]),
    ("/mcp/web", "peek", ["web__read"]),
]
HIDDEN = [
    ("/mcp/files", "bob"),
    ("/mcp/files", "nobody"),
    ("/tag/disk", "bob"),
    ("/tag/home+disk", "peek"),
    ("/mcp/web", "nobody"),
]


@pytest.mark.parametrize(("path", "token", "expected"), ROUTES)
async def test_streamable_http_shows_to_each_its_own(
    front: Front, autojump_clock: MockClock, *, path: str, token: str, expected: Any
) -> None:
    client = await front.open_mcp(token, f"/mcp{path}")
    assert tools(await client.post("tools/list", id=1)) == expected
    for name in set(ALL) - set(expected):
        refused = await client.post("tools/call", {"name": name}, id=name)
        assert refused.json["error"]["message"] == f"unknown tool: {name}"
    for name in expected:
        await client.begin("tools/call", {"name": name}, id=name)
        await trio.sleep(0.1)
        upstream, _, key = name.partition("__")
        params = front.room.call_at(upstream).frame.params
        assert msgspec.json.decode(msgspec.json.encode(params))["name"] == key


@pytest.mark.parametrize(("path", "token", "expected"), ROUTES)
async def test_http_and_sse_shows_to_each_its_own(
    front: Front, autojump_clock: MockClock, *, path: str, token: str, expected: Any
) -> None:
    client = await front.open_sse(token, f"/sse{path}")
    await client.post("tools/list", id=1)
    found = await client.stream.message()
    assert [each["name"] for each in found["result"]["tools"]] == expected
    for name in set(ALL) - set(expected):
        await client.post("tools/call", {"name": name}, id=name)
        answer = await client.stream.message()
        assert answer["error"]["message"] == f"unknown tool: {name}"


@pytest.mark.requirement("E10")
async def test_the_tree_is_for_those_who_see_everything(
    front: Front, autojump_clock: MockClock
) -> None:
    assert (await front.ask("GET", "/api/tree", token="alice")).status == 200
    for token in ("bob", "peek", "nobody"):
        assert (await front.ask("GET", "/api/tree", token=token)).status != 200
        status = await front.ask("GET", "/status", token=token)
        assert "tree" not in status.json
        assert not status.json.get("troubles")


@pytest.mark.parametrize(("path", "token"), HIDDEN)
async def test_an_address_of_nothing_but_hidden_servers_is_none(
    front: Front, autojump_clock: MockClock, *, path: str, token: str
) -> None:
    unknown = await front.ask("GET", "/sse/mcp/xyz", token=token)
    assert unknown.status == 404
    for method, address in (
        ("GET", f"/sse{path}"),
        ("GET", f"/sse{path}/list_tools"),
        ("POST", f"/mcp{path}"),
    ):
        reply = await front.ask(method, address, token=token)
        assert (reply.status, reply.body) == (404, unknown.body)


async def test_the_listing_pages_show_to_each_its_own(
    front: Front, autojump_clock: MockClock
) -> None:
    front.control.upstreams = (
        UpstreamStatus(name="files", state="connected", tags=("home", "disk"), tools=2),
        UpstreamStatus(name="web", state="connected", tags=("home",), tools=2),
        UpstreamStatus(name="off", state="disabled"),
    )
    operator = (await front.ask("GET", "/status", token="alice")).json
    assert [u["name"] for u in operator["upstreams"]] == ["files", "web", "off"]
    limited = (await front.ask("GET", "/status", token="bob")).json
    assert [(u["name"], u["tools"]) for u in limited["upstreams"]] == [("web", 2)]
    assert (limited["tools"], limited["sessions"]) == (2, 0)
    peeking = (await front.ask("GET", "/sse/servers", token="peek")).json
    assert [(u["name"], u["tools"]) for u in peeking["servers"]] == [("web", 0)]
    tags = (await front.ask("GET", "/sse/tags", token="bob")).json
    assert tags["tags"] == {"home": ["web"]}
    listed = (await front.ask("GET", "/sse/list_tools", token="peek")).json
    assert [each["name"] for each in listed["tools"]] == ["web__read"]
    assert listed["withheld"] == []
    found = await front.ask("GET", "/sse/mcp/web/status", token="bob")
    assert found.json["name"] == "web"
    hidden = await front.ask("GET", "/sse/mcp/files/status", token="bob")
    unknown = await front.ask("GET", "/sse/mcp/fixes/status", token="bob")
    assert hidden.status == unknown.status == 404
    assert hidden.body.replace(b"files", b"fixes") == unknown.body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("POST", "/sse/tools/rescan"),
        ("POST", "/sse/mcp/web/reconnect"),
    ],
)
async def test_pages_of_the_whole_bridge_are_for_those_who_see_it_whole(
    front: Front, autojump_clock: MockClock, method: str, path: str
) -> None:
    for token in ("bob", "peek", "nobody"):
        reply = await front.ask(method, path, token=token)
        assert (reply.status, reply.json["error"]) == (403, "forbidden")
    assert front.control.asked == []
    assert (await front.ask(method, path, token="alice")).status != 403


async def test_a_refreshed_token_narrows_the_session_it_comes_to(
    front: Front, autojump_clock: MockClock
) -> None:
    client = await front.open_mcp("alice")
    stream = await client.listen()
    assert tools(await client.post("tools/list", id=1)) == ALL
    narrowed = await client.post("tools/list", id=2, token="alice-less")
    assert tools(narrowed) == ALL[2:]
    told = {(await stream.message())["method"] for _ in range(3)}
    assert "notifications/tools/list_changed" in told
    called = await client.post(
        "tools/call", {"name": "files__read"}, id=3, token="alice-less"
    )
    assert called.json["error"]["message"] == "unknown tool: files__read"
    outdated = await client.post("tools/list", id=4, token="alice")
    assert outdated.status == 401
    assert 'error="invalid_token"' in outdated.headers["www-authenticate"]
    assert front.room.log.named(events.SESSION_TOKEN_OUTDATED)
    widened = await client.post("tools/list", id=5, token="alice-again")
    assert tools(widened) == ALL


async def test_on_sse_the_stream_follows_the_token_of_the_newest_post(
    front: Front, autojump_clock: MockClock
) -> None:
    client = await front.open_sse("alice")
    posted = await client.post("tools/list", id=1, token="alice-less")
    assert posted.status == 202
    said = [await client.stream.message() for _ in range(4)]
    [answer] = [each for each in said if each.get("id") == 1]
    assert [each["name"] for each in answer["result"]["tools"]] == ALL[2:]
    assert (await client.post("ping", id=2, token="alice")).status == 401
    front.room.up("files", epoch=2, tools=[tool("other")])
    await trio.sleep(1)
    await client.post("ping", id=3, token="alice-less")
    assert (await client.stream.message())["id"] == 3  # nothing of files before it


async def test_new_rules_close_an_address_for_open_sessions(
    front: Front, autojump_clock: MockClock
) -> None:
    client = await front.open_mcp("bob", "/mcp/mcp/web")
    other = (AccessRule(servers=("files",)),)
    front.room.send(Reconfigured(policies=(FILES, WEB), access=other))
    await trio.sleep(1)
    assert (await client.post("tools/list", id=1)).status == 404
    again = await front.open_mcp("bob", "/mcp")
    assert tools(await again.post("tools/list", id=2)) == ALL[:2]


@pytest.mark.requirement("R128")
async def test_what_policy_withholds_is_shown_to_operators_with_its_reason(
    front: Front, autojump_clock: MockClock
) -> None:
    limited = replace(FILES, tool_limits=ToolLimits(read_only=True))
    front.room.send(Reconfigured(policies=(limited, WEB), access=RULES))
    await trio.sleep(1)
    withheld = {
        "name": "files__write",
        "server": "files",
        "reason": "read-only mode, and it writes: its name says 'write'",
    }
    status = (await front.ask("GET", "/status", token="alice")).json
    assert (status["withheld"], status["withheldCount"]) == ([withheld], 1)
    listed = (await front.ask("GET", "/sse/list_tools", token="alice")).json
    assert listed["withheld"] == [withheld]
    assert "files__write" not in [each["name"] for each in listed["tools"]]
    of_web = (await front.ask("GET", "/sse/mcp/web/list_tools", token="alice")).json
    assert of_web["withheld"] == []
    for path in ("/status", "/sse/list_tools"):
        assert b"files" not in (await front.ask("GET", path, token="bob")).body
