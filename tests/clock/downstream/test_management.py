"""Health for everybody; status, listings and commands for those with a token."""

import pytest
import trio
from trio.testing import MockClock

from bridge.downstream.health import Management, key_set
from bridge.downstream.health import upstream as shown_upstream
from bridge.observe.status import KeysStatus, RoundTrip, UpstreamStatus
from kit.front import Front

MANAGED = (
    ("GET", "/status"),
    ("GET", "/metrics"),
    ("GET", "/api/tree"),
    ("GET", "/sse/servers"),
    ("GET", "/sse/tags"),
    ("GET", "/sse/list_tools"),
    ("GET", "/sse/mcp/files/status"),
    ("GET", "/sse/mcp/files/list_tools"),
    ("GET", "/sse/tag/home/list_tools"),
    ("POST", "/sse/mcp/files/reconnect"),
    ("POST", "/sse/tools/rescan"),
)


@pytest.fixture
async def front(nursery: trio.Nursery, autojump_clock: MockClock) -> Front:
    front = Front()
    await front.start(nursery)
    return front


@pytest.mark.requirement("R51", "E10")
async def test_health_says_nothing_but_that_it_lives(
    front: Front, autojump_clock: MockClock
) -> None:
    for path in ("/health", "/healthz"):
        reply = await front.ask("GET", path, token=None)
        assert (reply.status, reply.json) == (200, {"status": "ok"})
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.requirement("E10", "E1")
async def test_readiness_follows_the_bridge(
    front: Front, autojump_clock: MockClock
) -> None:
    assert (await front.ask("GET", "/readyz", token=None)).status == 200
    front.control.draining = True
    assert (await front.ask("GET", "/readyz", token=None)).status == 503
    front.control.draining, front.control.ready = False, False
    reply = await front.ask("GET", "/readyz", token=None)
    assert (reply.status, reply.json) == (503, {"ready": False})
    assert (await front.ask("GET", "/health", token=None)).status == 200


@pytest.mark.requirement("R53", "E10", "A31", "D17")
@pytest.mark.parametrize(("method", "path"), MANAGED)
async def test_management_needs_a_token(
    front: Front, autojump_clock: MockClock, method: str, path: str
) -> None:
    for token in (None, "wrong"):
        reply = await front.ask(method, path, token=token)
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert front.control.asked == []


@pytest.mark.requirement("R51", "R54")
async def test_the_status_shows_the_live_state(
    front: Front, autojump_clock: MockClock
) -> None:
    first = (await front.ask("GET", "/status")).json
    assert [u["state"] for u in first["upstreams"]] == ["connected", "backoff"]
    front.control.upstreams = (UpstreamStatus(name="files", state="failed"),)
    second = (await front.ask("GET", "/status")).json
    assert [u["state"] for u in second["upstreams"]] == ["failed"]


@pytest.mark.requirement("R51")
async def test_times_are_seconds_ago_and_seconds_ahead(
    front: Front, autojump_clock: MockClock
) -> None:
    await trio.sleep_until(5)
    web = (await front.ask("GET", "/sse/mcp/web/status")).json
    assert (web["since"], web["retryIn"]) == (4.0, 4.0)
    assert "retryAt" not in web
    files = (await front.ask("GET", "/sse/mcp/files/status")).json
    assert "retryIn" not in files


@pytest.mark.requirement("R51")
async def test_servers_tags_and_tools_are_listed(
    front: Front, autojump_clock: MockClock
) -> None:
    servers = (await front.ask("GET", "/sse/servers")).json
    assert [s["name"] for s in servers["servers"]] == ["files", "web"]
    tags = (await front.ask("GET", "/sse/tags")).json
    assert tags["tags"] == {"disk": ["files"], "home": ["files", "web"]}
    for path in (
        "/sse/list_tools",
        "/sse/mcp/files/list_tools",
        "/sse/tag/disk/list_tools",
    ):
        tools = (await front.ask("GET", path)).json
        assert [t["name"] for t in tools["tools"]] == ["files__read", "files__write"]
    assert (await front.ask("GET", "/sse/mcp/web/list_tools")).json["count"] == 0


@pytest.mark.requirement("R52")
async def test_a_server_is_reconnected_and_lists_are_read_again(
    front: Front, autojump_clock: MockClock
) -> None:
    reply = await front.ask("POST", "/sse/mcp/web/reconnect")
    assert (reply.status, reply.json["server"]) == (202, "web")
    assert front.control.asked == ["web"]
    reply = await front.ask("POST", "/sse/tools/rescan")
    assert (reply.status, reply.json) == (202, {"asked": 2})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nothing"),
        ("GET", "/sse/mcp/none/status"),
        ("GET", "/sse/mcp/none/list_tools"),
        ("POST", "/sse/mcp/none/reconnect"),
        ("GET", "/metrics"),
        ("GET", "/.well-known/oauth-protected-resource/nothing"),
    ],
)
async def test_what_is_not_there_is_404_in_json(
    front: Front, autojump_clock: MockClock, *, method: str, path: str
) -> None:
    reply = await front.ask(method, path)
    assert (reply.status, reply.json["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/sse", "GET"),
        ("GET", "/messages", "POST"),
        ("PUT", "/mcp", "GET, POST, DELETE"),
        ("OPTIONS", "/mcp", "GET, POST, DELETE"),
        ("GET", "/sse/mcp/files/reconnect", "POST"),
        ("GET", "/sse/tools/rescan", "POST"),
        ("DELETE", "/health", "GET, HEAD"),
        ("post", "/messages", "POST"),
    ],
)
@pytest.mark.requirement("B6", "R55")
async def test_a_wrong_method_is_405_with_the_right_ones(
    front: Front, autojump_clock: MockClock, *, method: str, path: str, allow: str
) -> None:
    reply = await front.ask(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    assert not [n for n in reply.headers if n.startswith("access-control")]


@pytest.mark.requirement("A35")
async def test_where_to_get_a_token_is_told_without_one(
    front: Front, autojump_clock: MockClock
) -> None:
    reply = await front.ask(
        "GET", "/.well-known/oauth-protected-resource/mcp", token=None
    )
    assert reply.json["resource"] == "http://127.0.0.1:8080/mcp"
    assert reply.json["authorization_servers"] == ["https://issuer"]
    assert reply.headers["cache-control"] == "max-age=300"


async def test_without_an_issuer_there_is_no_metadata(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(issuer="")
    await front.start(nursery)
    path = "/.well-known/oauth-protected-resource"
    assert (await front.ask("GET", path)).status == 404
    assert (await front.ask("GET", "/status", token=None)).status == 401


@pytest.mark.requirement("R54", "E10")
async def test_the_tree_stands_in_the_status_and_by_itself(
    front: Front, autojump_clock: MockClock
) -> None:
    tree = (await front.ask("GET", "/api/tree")).json
    assert (tree["name"], tree["state"]) == ("bridge", "ready")
    assert (await front.ask("GET", "/status")).json["tree"] == tree


@pytest.mark.requirement("R52")
async def test_a_server_that_cannot_run_says_why_it_is_not_reconnected(
    front: Front, autojump_clock: MockClock
) -> None:
    off = UpstreamStatus(name="off", state="disabled", waits_for="the configuration")
    front.control.upstreams = (off,)
    reply = await front.ask("POST", "/sse/mcp/off/reconnect")
    assert (reply.status, reply.json["error"]) == (409, "not_running")
    assert reply.json["message"] == "'off' is disabled; it waits for the configuration"


async def test_our_own_times_are_told_as_seconds(
    front: Front, autojump_clock: MockClock
) -> None:
    await trio.sleep_until(50)
    proved = RoundTrip("ping", 48.0, 0.25)
    upstream = UpstreamStatus(
        name="files", state="connected", proved=proved, last_error_at=45.0
    )
    said = shown_upstream(upstream, now=trio.current_time())
    assert said["proved"] == {"by": "ping", "ago": 2.0, "took": 0.25}
    assert said["lastErrorAgo"] == 5.0
    keys = KeysStatus(issuer="i", state="valid", confirmed_at=40.0, retry_at=60.0)
    told = key_set(keys, now=trio.current_time())
    assert (told["confirmedAgo"], told["retryIn"]) == (10.0, 10.0)
    assert not [key for key in (*said, *told) if key.endswith("At")]


@pytest.mark.requirement("R157")
async def test_metrics_are_text(front: Front, autojump_clock: MockClock) -> None:
    management = Management(
        control=front.control,
        dispatcher=front.room.dispatcher,
        metrics=lambda: b"bridge_up 1\n",
    )
    reply = management.metrics()
    assert (reply.status, reply.body) == (200, b"bridge_up 1\n")
    assert dict(reply.headers)["content-type"].startswith("text/plain; version=0.0.4")
