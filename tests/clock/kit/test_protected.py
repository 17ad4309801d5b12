"""The simulated protected server: who gets in, and what the others are told."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from bridge.errors import SessionLost, Unauthorized
from bridge.http import HttpClients
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.sse import SseTransport
from bridge.wire.streamable_http import StreamableHttpTransport
from kit.browser import Reply
from kit.links import answer_to, ask, initialize, lost
from kit.oauth_scene import Scene, scene
from kit.protected import ProtectedServer
from kit.provider import StrictProvider
from kit.provider_rules import Rules
from kit.recorded import RecordedLog
from kit.sign_in import visit

METADATA = "http://127.0.0.1:9500/.well-known/oauth-protected-resource"


def upstream(s: Scene, server: ProtectedServer) -> HttpUpstream:
    """The bridge's own way to a server, with the client's token."""
    return HttpUpstream(
        server.url,
        name="web",
        clients=HttpClients(s.network),
        headers=lambda: {"Authorization": f"Bearer {s.client.access_token}"},
        log=RecordedLog(),
        frame_bytes=10_000,
    )


def challenge(reply: Reply) -> str:
    assert reply.status in {401, 403}
    return reply.headers.get("www-authenticate", "")


@pytest.mark.parametrize("kind", ["streamablehttp", "sse"])
async def test_a_good_token_opens_both_transports(
    autojump_clock: MockClock, kind: Any
) -> None:
    async with scene() as s, trio.open_nursery() as nursery:
        server = ProtectedServer(
            s.provider, url="http://127.0.0.1:9600/mcp", transport=kind
        )
        await server.serve(s.network, nursery)
        s.client.resource = server.resource
        await s.client.log_in()
        where = upstream(s, server)
        make = SseTransport if kind == "sse" else StreamableHttpTransport
        async with make(where).open() as link:
            await initialize(link)
            ask(link, "tools/call", {"name": "echo"}, upstream_id=2)
            await answer_to(link, 2)
            ask(link, "tools/list", upstream_id=3)
            await answer_to(link, 3)
            ask(link, "no/such", upstream_id=4)
            await answer_to(link, 4)
        assert s.provider.breaches == []
        assert server.traffic.calls == 1
        assert server.traffic.unauthorized == 0
        assert server.traffic.requests_of == {
            s.client.access_token: server.traffic.served
        }
        nursery.cancel_scope.cancel()


async def test_a_server_may_forget_its_sessions(autojump_clock: MockClock) -> None:
    async with scene() as s:
        await s.client.log_in()
        async with StreamableHttpTransport(upstream(s, s.server)).open() as link:
            await initialize(link)
            s.server.mind.sessions.clear()
            ask(link, "tools/list", upstream_id=2)
            with pytest.raises(SessionLost):
                await answer_to(link, 2)


async def test_an_sse_stream_may_end_with_its_token(autojump_clock: MockClock) -> None:
    async with scene(Rules(access_lifetime=5)) as s, AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        server = ProtectedServer(s.provider, transport="sse")
        server.door.streams_end_with_token = True
        await server.serve(s.network, nursery)
        s.client.resource = server.resource
        await s.client.log_in()
        async with SseTransport(upstream(s, server)).open() as link:
            await initialize(link)
            await lost(link)
        assert trio.current_time() < 10
        with pytest.raises(Unauthorized):
            async with SseTransport(upstream(s, server)).open():
                pass
        nursery.cancel_scope.cancel()


async def test_nobody_is_let_in_without_a_token(autojump_clock: MockClock) -> None:
    async with scene() as s:
        reply = await s.client.call(s.server.url)
        assert challenge(reply) == f'Bearer resource_metadata="{METADATA}/mcp"'
        traffic = s.server.traffic
        assert (traffic.unauthorized, traffic.without_token) == (1, 1)
        assert not traffic.requests_of
        assert (await visit(s.network, f"{METADATA}/mcp")).json == {
            "resource": "http://127.0.0.1:9500/mcp",
            "authorization_servers": [s.provider.issuer],
            "bearer_methods_supported": ["header"],
        }
        assert (await visit(s.network, METADATA)).status == 404
        assert traffic.metadata == 1
        assert s.broken == []


async def test_the_challenge_has_the_shape_a_test_wants(
    autojump_clock: MockClock,
) -> None:
    async with scene(Rules(access_lifetime=5)) as s:
        await s.client.log_in()
        await trio.sleep(5)
        door = s.server.door
        door.challenge_scope = ("mcp:read", "mcp:write")
        door.metadata_at = frozenset({"root"})
        assert challenge(await s.client.call(s.server.url)) == (
            'Bearer error="invalid_token", scope="mcp:read mcp:write",'
            f' resource_metadata="{METADATA}"'
        )
        door.challenge, door.challenge_scope, door.says_error = "no_metadata", (), False
        assert challenge(await s.client.call(s.server.url)) == "Bearer"
        door.challenge = "none"
        assert challenge(await s.client.call(s.server.url)) == ""
        assert s.server.traffic.refusals_of == {s.client.access_token: 3}
        assert s.broken == []


async def test_a_tool_may_want_more_scope(autojump_clock: MockClock) -> None:
    rules = Rules(scopes_supported=("mcp:read", "mcp:write"))
    async with scene(rules) as s:
        s.server.door.scopes = ("mcp:read",)
        s.server.door.tool_scopes["write"] = ("mcp:write",)
        await s.client.log_in()
        reply = await s.client.call(s.server.url, "tools/call", name="write")
        assert reply.status == 403
        assert challenge(reply) == (
            'Bearer error="insufficient_scope", scope="mcp:read mcp:write",'
            f' resource_metadata="{METADATA}/mcp"'
        )
        assert s.server.traffic.forbidden == 1
        await s.client.exchange(await s.client.authorize(scope="mcp:read mcp:write"))
        reply = await s.client.call(s.server.url, "tools/call", name="write")
        assert (reply.status, s.server.traffic.calls) == (200, 1)
        said = (await visit(s.network, f"{METADATA}/mcp")).json
        assert said["scopes_supported"] == ["mcp:read"]


async def test_the_metadata_may_lie(autojump_clock: MockClock) -> None:
    async with scene() as s:
        s.server.door.metadata_changes = {
            "resource": "https://other.example/mcp",
            "authorization_servers": ["https://evil.example", s.provider.issuer],
        }
        said = (await visit(s.network, f"{METADATA}/mcp")).json
        assert said["resource"] == "https://other.example/mcp"
        assert len(said["authorization_servers"]) == 2


async def test_a_token_for_another_server_is_noticed(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s, trio.open_nursery() as nursery:
        url = "http://127.0.0.1:9700/mcp"
        other = ProtectedServer(s.provider, url=url)
        await other.serve(s.network, nursery)
        await s.client.log_in()
        assert (await s.client.call(url)).status == 401
        assert s.broken == ["token.audience"]
        nursery.cancel_scope.cancel()


async def test_a_token_of_another_provider_is_noticed(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s, trio.open_nursery() as nursery:
        stranger = StrictProvider("http://127.0.0.1:9401", breaches=s.provider.breaches)
        url = "http://127.0.0.1:9700/mcp"
        await ProtectedServer(stranger, url=url).serve(s.network, nursery)
        await s.client.log_in()
        assert (await s.client.call(url)).status == 401
        assert s.broken == ["token.foreign"]
        nursery.cancel_scope.cancel()


async def test_a_token_where_none_belongs_is_noticed(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.log_in()
        await s.client.call(f"{s.server.url}?access_token=t")
        await s.client.call("http://127.0.0.1:9500/.well-known/mine")
        await s.client.call(f"{METADATA}/mcp")
        s.client.access_token = ""
        assert s.broken == [
            "token.in_query",
            "token.elsewhere",
            "metadata.method",
            "metadata.token",
        ]


async def test_a_provider_of_the_same_origin_is_served_beside(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s, trio.open_nursery() as nursery:
        provider = StrictProvider("http://127.0.0.1:9800")
        server = ProtectedServer(provider, url="http://127.0.0.1:9800/mcp")
        server.door.metadata_at = frozenset()
        await server.serve(s.network, nursery)
        s.client.provider, s.client.resource = provider, server.resource
        await s.client.log_in()
        assert (await s.client.call(server.url)).status == 200
        assert provider.breaches == []
        nursery.cancel_scope.cancel()


async def test_a_server_may_guard_its_tools_only(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        s.server.door.open_methods = frozenset({"ping"})
        assert (await s.client.call(s.server.url)).status == 200
        assert (await s.client.call(s.server.url, "tools/list")).status == 401
        s.client.access_token = "bad"
        assert (await s.client.call(s.server.url)).status == 401
        assert s.broken == ["token.foreign"]


async def test_what_is_no_session_is_not_found(autojump_clock: MockClock) -> None:
    async with scene() as s, trio.open_nursery() as nursery:
        server = ProtectedServer(s.provider, transport="sse")
        await server.serve(s.network, nursery)
        s.client.resource = server.resource
        await s.client.log_in()
        assert (await s.client.call(server.url)).status == 405
        lost_session = "http://127.0.0.1:9501/messages?session_id=gone"
        assert (await s.client.call(lost_session)).status == 404
        nursery.cancel_scope.cancel()


async def test_a_call_takes_as_long_as_a_test_wants(autojump_clock: MockClock) -> None:
    async with scene() as s:
        await s.client.log_in()
        s.server.mind.latency = 7
        began = trio.current_time()
        reply = await s.client.call(
            s.server.url, "tools/call", name="echo", arguments={"text": "hi"}
        )
        assert reply.json["result"]["content"] == [{"type": "text", "text": "hi"}]
        assert trio.current_time() - began == pytest.approx(7)
