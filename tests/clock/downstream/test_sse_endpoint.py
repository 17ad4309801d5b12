"""HTTP+SSE: GET /sse and POST /messages, over hypercorn on a mock clock."""

import re

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.config.model import BridgeConfig, LimitsConfig
from bridge.contract.upstream import Answered, Cancel
from bridge.downstream.guard import Admission
from bridge.observe import catalogue as events
from kit.front import ALICE, EPOCH, JSON, Front, SseClient, given
from kit.routing import RouterRoom, policy

CALL = {"name": "files__read", "arguments": {"path": "/x"}}


@pytest.mark.requirement("R49", "A33", "B12")
async def test_a_stream_begins_with_the_address_to_post_to(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front()
    await front.start(nursery)
    browser = front.browser()
    await browser.send("GET", "/sse", headers=given("alice"))
    head = await browser.head()
    assert head.status == 200
    assert head.headers["content-type"] == "text/event-stream"
    assert head.headers["cache-control"] == "no-store"
    assert head.headers["x-accel-buffering"] == "no"
    assert "server" not in head.headers
    block = await browser.block()
    assert re.fullmatch(
        r"event: endpoint\ndata: /messages\?session_id=\S+", block or ""
    )


@pytest.mark.requirement("R49")
async def test_an_answer_comes_on_the_stream_and_the_post_is_accepted(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse()
    reply = await client.post("ping", id="p")
    assert (reply.status, reply.body) == (202, b"")
    answer = await client.stream.message()
    assert answer == {"jsonrpc": "2.0", "id": "p", "result": {}}


async def test_a_call_is_answered_by_its_upstream_without_a_waiting_post(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse()
    assert (await client.post("tools/call", CALL, id=7)).status == 202
    call = front.room.call_at("files")
    assert call.principal == ALICE
    call.reply.resolve(Answered(result=msgspec.Raw(b'{"content":[]}')))
    answer = await client.stream.message()
    assert (answer["id"], answer["result"]) == (7, {"content": []})


@pytest.mark.requirement("R59", "B12")
async def test_a_quiet_stream_is_kept_alive_by_comments(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(limits=LimitsConfig(keep_alive=15.0))
    await front.start(nursery)
    client = await front.open_sse()
    before = trio.current_time()
    for _ in range(100):
        assert await client.stream.block() == ": keep-alive"
    assert trio.current_time() - before == pytest.approx(1500, abs=15)


@pytest.mark.requirement("B14")
async def test_the_end_of_the_stream_ends_the_session_and_cancels_its_calls(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse()
    await client.post("tools/call", CALL, id=1)
    front.room.call_at("files")
    await client.stream.stream.aclose()
    await wait_all_tasks_blocked()
    assert [type(m) for m in front.room.heard("files")] == [Cancel]
    assert len(front.room.sessions) == 0
    assert (await client.post("ping", id=2)).status == 404
    await wait_all_tasks_blocked()
    assert front.server.connections == 0


@pytest.mark.requirement("A32", "R46")
async def test_a_session_of_another_principal_does_not_exist(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse("alice")
    theirs = await client.post("ping", id=1, token="bob")
    unknown = await front.ask(
        "POST", "/messages?session_id=nothing", headers=JSON, body=b"{}"
    )
    assert theirs.status == unknown.status == 404
    assert theirs.body == unknown.body
    await client.post("ping", id=2)
    assert (await client.stream.message())["id"] == 2


@pytest.mark.requirement("A31")
@pytest.mark.parametrize(("method", "path"), [("GET", "/sse"), ("POST", "/messages")])
async def test_nothing_is_opened_without_a_token(
    nursery: trio.Nursery, autojump_clock: MockClock, method: str, path: str
) -> None:
    front = Front()
    await front.start(nursery)
    reply = await front.ask(method, path, token=None)
    assert reply.status == 401
    metadata = "http://127.0.0.1:8080/.well-known/oauth-protected-resource/sse"
    assert metadata in reply.headers["www-authenticate"]
    assert len(front.room.sessions) == 0


@pytest.mark.parametrize(
    ("query", "content_type", "status"),
    [
        ("", "application/json", 400),
        ("?session_id=a&session_id=b", "application/json", 400),
        ("?session_id=%00%0d%0a", "application/json; charset=utf-8", 404),
        ("?session_id=" + "f" * 4000, "Application/JSON", 404),
        ("?session_id=a", "text/plain", 415),
        ("?session_id=a", "application/json; charset=utf-16", 415),
        ("?session_id=a", "", 415),
    ],
)
@pytest.mark.requirement("A33", "B6")
async def test_a_message_must_name_a_session_and_be_json(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    *,
    query: str,
    content_type: str,
    status: int,
) -> None:
    front = Front()
    await front.start(nursery)
    headers = [("content-type", content_type)]
    reply = await front.ask("POST", "/messages" + query, headers=headers, body=b"{}")
    assert reply.status == status


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"} x', -32700),
        (b'{"jsonrpc":"2.0","id":1,"params":' + b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        (b'{"id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    ],
)
@pytest.mark.requirement("B8")
async def test_a_broken_message_is_refused_and_the_session_lives_on(
    nursery: trio.Nursery, autojump_clock: MockClock, body: bytes, code: int
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse()
    reply = await front.ask("POST", client.endpoint, headers=JSON, body=body)
    assert reply.status == 400
    assert reply.json["error"]["code"] == code
    await client.post("ping", id=1)
    assert (await client.stream.message())["id"] == 1


async def test_the_trailing_slash_of_older_clients_is_accepted(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse()
    client.endpoint = client.endpoint.replace("/messages?", "/messages/?")
    assert (await client.post("ping", id=1)).status == 202


@pytest.mark.requirement("R56")
async def test_a_session_with_too_many_calls_is_told_to_wait(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front(room=RouterRoom(policy("files"), calls_per_session=2))
    await front.start(nursery)
    client = await front.open_sse()
    for number in (1, 2):
        assert (await client.post("tools/call", CALL, id=number)).status == 202
    reply = await client.post("tools/call", CALL, id=3)
    assert reply.status == 429
    assert reply.headers["retry-after"] == "1"
    assert reply.json["id"] == 3


@pytest.mark.requirement("R56")
async def test_a_principal_has_a_bounded_number_of_sessions(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front(room=RouterRoom(policy("files"), per_principal=1))
    await front.start(nursery)
    await front.open_sse()
    reply = await front.ask("GET", "/sse")
    assert reply.status == 503
    assert "retry-after" in reply.headers
    await front.open_sse("bob")


@pytest.mark.requirement("A34", "R46")
async def test_a_stream_ends_when_its_token_has_expired(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    front.door.admissions["short"] = Admission(principal=ALICE, expires_at=EPOCH + 100)
    await front.start(nursery)
    client = await front.open_sse("short")
    while await client.stream.block() is not None:
        pass
    assert trio.current_time() == pytest.approx(130, abs=1)
    [closed] = front.room.log.named(events.SESSION_CLOSED)
    assert closed["reason"] == "the token has expired"


@pytest.mark.requirement("A34", "A32")
async def test_a_newer_token_of_the_same_principal_prolongs_the_stream(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front()
    front.door.admissions["short"] = Admission(principal=ALICE, expires_at=EPOCH + 100)
    front.door.admissions["fresh"] = Admission(principal=ALICE, expires_at=EPOCH + 500)
    await front.start(nursery)
    client = await front.open_sse("short")
    await trio.sleep(50)
    assert (await client.post("ping", id=1, token="fresh")).status == 202
    while await client.stream.block() is not None:
        pass
    assert trio.current_time() == pytest.approx(530, abs=1)


@pytest.mark.requirement("R50")
async def test_a_view_shows_its_servers_and_nothing_else(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    whole = await front.open_sse()
    web = await front.open_sse(path="/sse/mcp/web")
    disk = await front.open_sse(path="/sse/tag/disk,nothing")
    shown: list[int] = []
    for client in (whole, web, disk):
        await client.post("tools/list", id=1)
        shown.append(len((await client.stream.message())["result"]["tools"]))
    assert shown == [2, 0, 2]


@pytest.mark.parametrize(
    "path", ["/sse/mcp/none", "/sse/tag/none", "/sse/tag/disk+none", "/sse/tag/a+b,c"]
)
@pytest.mark.requirement("R50")
async def test_a_view_of_nothing_is_not_found(
    nursery: trio.Nursery, autojump_clock: MockClock, path: str
) -> None:
    front = Front()
    await front.start(nursery)
    assert (await front.ask("GET", path)).status == 404


@pytest.mark.requirement("R155")
async def test_behind_a_prefix_the_address_to_post_to_has_it_too(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front(bridge=BridgeConfig(public_url="https://mcp.example/bridge/"))
    await front.start(nursery)
    browser = front.browser()
    await browser.send("GET", "/sse", headers=given("alice"))
    await browser.head()
    assert "data: /bridge/messages?session_id=" in (await browser.block() or "")


@pytest.mark.requirement("E1", "R156")
async def test_while_the_bridge_stops_nothing_new_begins_and_answers_still_pass(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse()
    await client.post("tools/call", CALL, id=1)
    call = front.room.call_at("files")
    front.control.draining = True
    assert (await front.ask("GET", "/sse")).status == 503
    assert (await client.post("tools/call", CALL, id=2)).status == 503
    cancel = {"requestId": 99}
    assert (await client.post("notifications/cancelled", cancel)).status == 202
    call.reply.resolve(Answered(result=msgspec.Raw(b"{}")))
    assert (await client.stream.message())["id"] == 1
    front.gateway.end_sessions("the bridge stops")
    assert await client.stream.block() is None


async def test_events_that_wait_together_go_out_in_one_write(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse()
    [session] = front.room.sessions.all()
    writes = front.listener.accepted[0].writes
    before = len(writes)
    for number in range(50):
        session.outbox.put(b'{"n":%d}' % number)
    assert [(await client.stream.message())["n"] for _ in range(50)] == [*range(50)]
    assert len(writes) == before + 1


async def test_a_session_that_ends_while_its_message_comes_does_not_exist(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse()
    browser = front.browser()
    await browser.stream.send_all(
        f"POST {client.endpoint} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
        "Authorization: Bearer alice\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n\r\n{".encode()
    )
    await wait_all_tasks_blocked()
    front.gateway.end_sessions("meanwhile")
    await browser.stream.send_all(b"}")
    assert (await browser.stream.receive_some(100)).startswith(b"HTTP/1.1 404 ")


@pytest.mark.requirement("B13", "R59")
async def test_a_client_that_does_not_read_is_not_taken_at_its_word_any_more(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Its stream is stuck in a write; no call is begun whose answer cannot come."""
    front = Front(room=RouterRoom(policy("files"), outbox_frames=2))
    await front.start(nursery)
    client = SseClient(front, "alice")
    client.stream = front.browser(lockstep=True)
    await client.open("/sse")
    [session] = front.room.sessions.all()
    session.outbox.put(b'{"n":0}')
    await wait_all_tasks_blocked()
    for number in range(1, 4):
        session.outbox.put(b'{"n":%d}' % number)
    assert session.closed.is_set()  # at once, not when the write gives up
    assert (await client.post("tools/call", CALL, id=1)).status == 404
