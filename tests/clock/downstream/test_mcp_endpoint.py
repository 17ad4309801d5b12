"""Streamable HTTP on /mcp, legacy form, over hypercorn on a mock clock."""

from typing import Any

import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.config.model import LimitsConfig
from bridge.contract.upstream import Answered, Cancel, Progress
from bridge.downstream.guard import Admission
from bridge.downstream.mcp_endpoint import SILENCE
from bridge.observe import catalogue as events
from bridge.protocol.frame import raw
from kit.front import ALICE, EPOCH, HELLO, Front, McpClient, frame, given
from kit.routing import RouterRoom, policy

CALL = {"name": "files__read", "arguments": {"path": "/x"}}
TOLD = {**CALL, "_meta": {"progressToken": "t"}}
DONE = Answered(result=Raw(b'{"content":[]}'))
STRAY = b'{"jsonrpc":"2.0","id":"b-9","result":{}}'
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


async def started(nursery: trio.Nursery, front: Front) -> McpClient:
    await front.start(nursery)
    return await front.open_mcp()


@pytest.mark.requirement("R49", "A33")
async def test_initialize_opens_a_session_and_answers_as_json(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    client = McpClient(front, "alice", "/mcp")
    reply = await client.post("initialize", HELLO, id=0)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["result"]["protocolVersion"] == "2025-11-25"
    [session] = front.room.sessions.all()
    assert reply.headers["mcp-session-id"] == session.session_id


async def test_an_initialize_that_is_refused_leaves_no_session(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    client = McpClient(front, "alice", "/mcp")
    reply = await client.post("initialize", ["nonsense"], id=0)
    assert "error" in reply.json
    assert "mcp-session-id" not in reply.headers
    assert len(front.room.sessions) == 0


async def test_an_initialize_without_an_id_opens_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    client = McpClient(front, "alice", "/mcp")
    assert (await client.post("initialize", HELLO)).status == 400
    assert len(front.room.sessions) == 0


@pytest.mark.requirement("R49")
async def test_a_quick_answer_is_plain_json(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    waiting = await client.begin("tools/call", CALL, id="x")
    await wait_all_tasks_blocked()
    front.room.call_at("files").reply.resolve(DONE)
    reply = await waiting.whole()
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {"jsonrpc": "2.0", "id": "x", "result": {"content": []}}
    assert "mcp-session-id" not in reply.headers


@pytest.mark.requirement("R49")
async def test_progress_before_the_answer_makes_it_a_stream_that_ends_with_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    waiting = await client.begin("tools/call", TOLD, id=5)
    await wait_all_tasks_blocked()
    call = front.room.call_at("files")
    call.reply.tell(Progress(params={"progress": raw(1)}))
    head = await waiting.head()
    assert head.headers["content-type"] == "text/event-stream"
    said: Any = await waiting.message()
    assert said["params"] == {"progress": 1, "progressToken": "t"}
    call.reply.resolve(DONE)
    assert (await waiting.message())["id"] == 5
    assert await waiting.block() is None


async def test_a_silence_makes_the_answer_a_stream_with_comments(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    waiting = await client.begin("tools/call", CALL, id=5)
    begun = trio.current_time()
    head = await waiting.head()
    assert trio.current_time() - begun == pytest.approx(SILENCE)
    assert head.headers["content-type"] == "text/event-stream"
    assert await waiting.block() == ": open"
    assert await waiting.block() == ": keep-alive"
    front.room.call_at("files").reply.resolve(DONE)
    assert (await waiting.message())["id"] == 5
    assert await waiting.block() is None


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json, text/event-stream", "application/json"),
        ("*/*", "application/json"),
        ("text/event-stream", "text/event-stream"),
        ("application/json;q=0, text/*", "text/event-stream"),
        ("application/json", "application/json"),
    ],
)
async def test_the_answer_is_of_a_kind_the_client_takes(
    nursery: trio.Nursery, autojump_clock: MockClock, accept: str, kind: str
) -> None:
    front = Front()
    client = await started(nursery, front)
    reply = await client.post("ping", id=1, headers=[("accept", accept)])
    assert (reply.status, reply.headers["content-type"]) == (200, kind)
    assert b'"result":{}' in reply.body


async def test_a_client_without_events_waits_for_its_json(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    waiting = front.browser()
    headers = [*client.headers(), ("accept", "application/json")]
    body = frame("tools/call", TOLD, id=1)
    nursery.start_soon(_call_back_later, front)
    reply = await waiting.ask(
        "POST", "/mcp", headers=given("alice", headers), body=raw(body)
    )
    assert (reply.status, reply.json["id"]) == (200, 1)


async def _call_back_later(front: Front) -> None:
    await wait_all_tasks_blocked()
    call = front.room.call_at("files")
    call.reply.tell(Progress(params={"progress": raw(1)}))
    await trio.sleep(40)
    call.reply.resolve(DONE)


async def test_a_client_that_takes_neither_kind_is_refused(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    for accept in ("text/html", "application/json;q=0"):
        reply = await client.post("ping", id=1, headers=[("accept", accept)])
        assert reply.status == 406
    reply = await front.ask(
        "GET", "/mcp", headers=client.headers(("accept", "application/json"))
    )
    assert reply.status == 406


@pytest.mark.requirement("B14")
async def test_a_lost_answer_is_not_a_cancel(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    waiting = await client.begin("tools/call", CALL, id=5)
    await waiting.head()
    await waiting.stream.aclose()
    await wait_all_tasks_blocked()
    [call] = front.room.heard("files")
    assert not isinstance(call, Cancel)
    [session] = front.room.sessions.all()
    assert list(session.in_flight) == [5]
    assert front.server.connections == 0
    assert (await client.post("ping", id=6)).status == 200


async def test_a_cancelled_call_gets_no_response(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    waiting = await client.begin("tools/call", CALL, id=5)
    await wait_all_tasks_blocked()
    await client.post("notifications/cancelled", {"requestId": 5})
    reply = await waiting.whole()
    assert (reply.status, reply.body) == (200, b": cancelled\n\n")


async def test_the_end_of_a_session_answers_its_calls(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    waiting = await client.begin("tools/call", CALL, id=5)
    await wait_all_tasks_blocked()
    gone = await front.ask("DELETE", "/mcp", headers=client.headers())
    assert (gone.status, gone.body) == (204, b"")
    reply = await waiting.whole()
    assert (reply.json["id"], reply.json["error"]["code"]) == (5, 1005)


@pytest.mark.requirement("R58", "A33", "A32")
async def test_a_session_is_needed_and_must_be_ones_own(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    stranger = McpClient(front, "bob", "/mcp")
    assert (await stranger.post("ping", id=1)).status == 400
    for session_id in ("unknown", "x" * 4000, client.session_id):
        stranger.session_id = session_id
        headers = stranger.headers()
        assert (await stranger.post("ping", id=1)).status == 404
        for method in ("GET", "DELETE"):
            reply = await front.ask(method, "/mcp", token="bob", headers=headers)
            assert reply.status == 404
    assert (await client.post("ping", id=1)).status == 200
    await front.ask("DELETE", "/mcp", headers=client.headers())
    assert (await client.post("ping", id=2)).status == 404


@pytest.mark.requirement("R50")
async def test_a_session_belongs_to_the_view_it_was_opened_on(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_mcp(path="/mcp/server/files")
    listed = await client.post("tools/list", id=1)
    assert len(listed.json["result"]["tools"]) == 2
    client.path = "/mcp/mcp/files"
    assert (await client.post("ping", id=2)).status == 200
    for path in ("/mcp", "/mcp/server/web", "/mcp/tag/home"):
        client.path = path
        assert (await client.post("ping", id=3)).status == 404


async def test_a_session_of_the_other_transport_is_no_session_here(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    mcp = await started(nursery, front)
    sse = await front.open_sse()
    mcp_id, sse_id = mcp.session_id, sse.endpoint.partition("=")[2]
    mcp.session_id, sse.endpoint = sse_id, f"/messages?session_id={mcp_id}"
    assert (await mcp.post("ping", id=1)).status == 404
    assert (await sse.post("ping", id=1)).status == 404


@pytest.mark.parametrize(
    ("version", "status"),
    [("2025-11-25", 200), ("2024-11-05", 200), ("1999-01-01", 400), ("", 400)],
)
async def test_an_unknown_version_is_refused(
    nursery: trio.Nursery, autojump_clock: MockClock, version: str, status: int
) -> None:
    front = Front()
    client = await started(nursery, front)
    reply = await client.post("ping", id=1, headers=[("mcp-protocol-version", version)])
    assert reply.status == status


@pytest.mark.requirement("B16")
async def test_a_dual_era_client_is_sent_to_initialize(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    client = McpClient(front, "alice", "/mcp")
    modern = [("mcp-protocol-version", "2026-07-28")]
    probe = await client.post("server/discover", {"_meta": META}, id=1, headers=modern)
    assert (probe.status, probe.json["error"]["code"]) == (404, -32601)
    by_header = await client.post("tools/list", id=2, headers=modern)
    by_meta = await client.post("tools/list", {"_meta": META}, id=3)
    assert by_header.status == by_meta.status == 400
    assert by_meta.json["error"]["code"] == -32600
    reply = await front.ask("GET", "/mcp", headers=modern)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert len(front.room.sessions) == 0


async def test_a_broken_message_is_refused(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    reply = await front.ask("POST", "/mcp", headers=client.headers(), body=b"{")
    assert (reply.status, reply.json["error"]["code"]) == (400, -32700)
    assert reply.json["id"] is None
    batch = await front.ask("POST", "/mcp", headers=client.headers(), body=b"[]")
    assert batch.json["error"]["code"] == -32600


async def test_notifications_and_answers_are_accepted(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    assert (await client.post("notifications/whatever")).status == 202
    reply = await front.ask("POST", "/mcp", headers=client.headers(), body=STRAY)
    assert (reply.status, reply.body) == (202, b"")


async def test_list_changes_come_on_the_stream_of_the_session(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    stream = await client.listen()
    assert await stream.block() == ": open"
    front.room.up("web", tools=[])
    front.room.up("files", epoch=2, tools=[])
    said = await stream.message()
    assert said["method"] == "notifications/tools/list_changed"


async def test_a_second_stream_replaces_the_first(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    first = await client.listen()
    second = await client.listen()
    assert await first.comments_until_end() == 1
    [session] = front.room.sessions.all()
    assert session.streaming
    session.outbox.put(b'{"n":1}')
    assert await second.message() == {"n": 1}
    await second.stream.aclose()
    await wait_all_tasks_blocked()
    assert not session.streaming
    assert not session.closed.is_set()


@pytest.mark.requirement("B13", "R59")
async def test_a_session_whose_stream_overflowed_ends(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(room=RouterRoom(policy("files"), outbox_frames=2))
    client = await started(nursery, front)
    stream = await client.listen()
    await wait_all_tasks_blocked()
    [session] = front.room.sessions.all()
    for number in range(4):
        session.outbox.put(b'{"n":%d}' % number)
    assert await stream.comments_until_end() == 1
    assert (await client.post("ping", id=1)).status == 404
    assert front.room.log.named(events.SESSION_OVERFLOWED)


@pytest.mark.requirement("R56")
async def test_an_idle_session_ends_and_a_used_one_does_not(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(limits=LimitsConfig(session_idle=100.0))
    await front.start(nursery)
    idle, calling, streaming = [await front.open_mcp() for _ in range(3)]
    await calling.begin("tools/call", CALL, id=1)
    stream = await streaming.listen()
    await trio.sleep(150)
    assert (await idle.post("ping", id=1)).status == 404
    assert (await calling.post("ping", id=2)).status == 200
    assert (await streaming.post("ping", id=1)).status == 200
    await stream.stream.aclose()
    front.room.call_at("files").reply.resolve(DONE)
    await trio.sleep(150)
    assert len(front.room.sessions) == 0


@pytest.mark.requirement("A34")
async def test_streams_end_when_the_token_has_expired_and_the_session_lives_on(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    front.door.admissions["short"] = Admission(principal=ALICE, expires_at=EPOCH + 100)
    await front.start(nursery)
    client = await front.open_mcp("short")
    stream = await client.listen()
    waiting = await client.begin("tools/call", CALL, id=1)
    await waiting.head()
    await waiting.comments_until_end()
    await stream.comments_until_end()
    assert trio.current_time() == pytest.approx(130, abs=1)
    assert (await client.post("ping", id=2, token="alice")).status == 200


@pytest.mark.requirement("R56")
async def test_limits_are_answered_with_a_number_and_a_hint(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(room=RouterRoom(policy("files"), sessions=1, calls_per_session=1))
    client = await started(nursery, front)
    second = McpClient(front, "bob", "/mcp")
    full = await second.post("initialize", HELLO, id=0)
    assert (full.status, full.json["error"]["code"]) == (503, 1004)
    assert "retry-after" in full.headers
    await client.begin("tools/call", CALL, id=1)
    busy = await client.post("tools/call", CALL, id=2)
    assert (busy.status, busy.json["error"]["code"]) == (200, 1004)


@pytest.mark.requirement("E1", "R156")
async def test_while_the_bridge_stops_nothing_new_begins(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    stream = await client.listen()
    waiting = await client.begin("tools/call", TOLD, id=1)
    await wait_all_tasks_blocked()
    call = front.room.call_at("files")
    front.control.draining = True
    assert (await client.post("ping", id=2)).status == 503
    assert (await front.ask("GET", "/mcp", headers=client.headers())).status == 503
    opening = McpClient(front, "bob", "/mcp")
    assert (await opening.post("initialize", HELLO, id=0)).status == 503
    answer = await front.ask("POST", "/mcp", headers=client.headers(), body=STRAY)
    assert answer.status == 202
    call.reply.resolve(DONE)
    assert (await waiting.whole()).json["id"] == 1
    front.gateway.end_sessions("the bridge stops")
    assert await stream.comments_until_end() == 1


async def test_the_whole_of_it_needs_a_token(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await started(nursery, front)
    for method in ("POST", "GET", "DELETE"):
        for token in (None, "wrong"):
            reply = await front.ask(
                method, "/mcp", token=token, headers=client.headers()
            )
            assert reply.status == 401
            assert ("invalid_token" in reply.headers["www-authenticate"]) == bool(token)
    assert (await client.post("ping", id=1)).status == 200
