"""One HTTP connection: deadlines, limits and manners, and the engine we stand on."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from hypercorn.protocol.h11 import H11Protocol
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.config.model import LimitsConfig
from bridge.downstream.answer import json
from bridge.downstream.connection import HEAD_DEADLINE, IDLE_DEADLINE
from bridge.downstream.message import Answer, Request, StreamResponse
from bridge.downstream.stream import WRITE_DEADLINE
from bridge.observe import catalogue as events
from kit.front import Front, given
from kit.raw_http import HEALTH, HOST, said_to, until_closed
from kit.routing import RouterRoom, policy


def test_the_parts_of_the_engine_we_lean_on_are_there() -> None:
    """A newer hypercorn must be looked at before it is allowed in."""
    ours = ("_check_protocol", "_create_stream", "_send_h11_event")
    for name in (*ours, "_send_error_response"):
        assert callable(getattr(H11Protocol, name))


async def test_a_connection_is_kept_and_each_answer_is_one_write(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    browser = front.browser()
    for _ in range(3):
        reply = await browser.ask("GET", "/health")
        assert (reply.status, reply.json) == (200, {"status": "ok"})
    [stream] = front.listener.accepted
    assert len(stream.writes) == 3


async def test_pipelined_requests_are_answered_in_their_order(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    missing = HEALTH.replace(b"/health", b"/nothing")
    said = await said_to(front, HEALTH + missing + HEALTH)
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"404", b"200"]


@pytest.mark.requirement("B7")
async def test_a_head_that_trickles_is_cut(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    begun = trio.current_time()
    trickles = [front.listener.connect() for _ in range(100)]
    for stream in trickles:
        nursery.start_soon(_trickle, stream)
    await trio.sleep(5)
    assert (await front.ask("GET", "/health")).status == 200
    for stream in trickles:
        assert (await until_closed(stream)).startswith(b"HTTP/1.1 408 ")
    # The first byte starts the time of the head; it does not start again.
    assert trio.current_time() - begun == pytest.approx(HEAD_DEADLINE, abs=1)
    assert front.server.connections == 0


async def _trickle(stream: trio.abc.SendStream) -> None:
    for octet in HEALTH:
        try:
            await stream.send_all(bytes([octet]))
        except trio.BrokenResourceError:
            return
        await trio.sleep(1)


@pytest.mark.requirement("B7")
async def test_a_connection_that_says_nothing_is_closed_without_a_word(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    begun = trio.current_time()
    assert await said_to(front, b"") == b""
    assert trio.current_time() - begun == pytest.approx(HEAD_DEADLINE)


async def test_an_idle_connection_is_closed_after_a_while(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    browser = front.browser()
    await browser.ask("GET", "/health")
    begun = trio.current_time()
    assert await until_closed(browser.stream) == b""
    assert trio.current_time() - begun == pytest.approx(IDLE_DEADLINE)


@pytest.mark.requirement("E10")
async def test_a_probe_may_ask_for_the_head_alone_and_in_old_http(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    head = await said_to(front, HEALTH.replace(b"GET", b"HEAD"))
    assert head.startswith(b"HTTP/1.1 200 ")
    assert head.endswith(b"\r\n\r\n")
    assert b"content-length: 15" in head
    old = await said_to(front, b"GET /healthz HTTP/1.0\r\n" + HOST + b"\r\n")
    assert old.endswith(b'{"status":"ok"}')


@pytest.mark.requirement("B14")
async def test_a_half_closed_connection_gets_its_answer_or_a_clean_end(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    stream = front.listener.connect()
    await stream.send_all(HEALTH)
    await stream.send_eof()
    said = await until_closed(stream)
    assert said.startswith(b"HTTP/1.1 200 ") or said == b""
    await wait_all_tasks_blocked()
    assert front.server.connections == 0
    assert not front.journal.entries


@pytest.mark.requirement("B13", "R59")
async def test_a_reader_that_stops_is_cut_by_the_deadline_of_the_write(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    browser = front.browser(lockstep=True)
    nursery.start_soon(_send_and_stay, browser.stream)
    await trio.sleep(1)
    [session] = front.room.sessions.all()
    assert (await front.ask("GET", "/health")).status == 200
    await trio.sleep(WRITE_DEADLINE)
    assert session.closed.is_set()
    await wait_all_tasks_blocked()
    assert front.server.connections == 0
    assert front.journal.entries == []


async def _send_and_stay(stream: trio.abc.Stream) -> None:
    head = b"GET /sse HTTP/1.1\r\n" + HOST + b"Authorization: Bearer alice\r\n\r\n"
    await stream.send_all(head)


@pytest.mark.requirement("B11")
async def test_a_client_that_vanishes_is_noticed_at_the_next_comment(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(limits=LimitsConfig(keep_alive=15.0))
    await front.start(nursery)
    client = await front.open_sse()
    [session] = front.room.sessions.all()
    vanished = front.listener.accepted[0]

    async def broken(data: object) -> None:
        raise trio.BrokenResourceError

    vanished.send_all = broken
    begun = trio.current_time()
    await session.closed.wait()
    assert trio.current_time() - begun <= 20
    assert client.stream.stream is not None


@pytest.mark.requirement("B11")
async def test_many_streams_leave_nothing_behind(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(room=RouterRoom(policy("files"), sessions=200, per_principal=200))
    await front.start(nursery)
    browsers = [front.browser() for _ in range(100)]
    for browser in browsers:
        await browser.send("GET", "/sse", headers=given("alice"))
        assert (await browser.head()).status == 200
    assert front.server.connections == 100
    for browser in browsers:
        await browser.stream.aclose()
    await wait_all_tasks_blocked()
    assert (front.server.connections, len(front.room.sessions)) == (0, 0)


async def test_a_handler_that_fails_answers_without_detail_and_is_reported(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def fail(request: Request) -> Answer:
        raise RuntimeError("secret")

    front = Front(handler=fail)
    await front.start(nursery)
    reply = await front.ask("GET", "/x")
    assert (reply.status, reply.json["error"]) == (500, "internal")
    assert b"secret" not in reply.body
    [failed] = front.journal.of(events.REQUEST_FAILED)
    assert (failed["method"], failed["error"]) == ("GET", "RuntimeError")


async def test_a_stream_that_fails_is_left_unfinished_and_reported(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    ended: list[bool] = []

    async def fail(request: Request) -> Answer:
        return StreamResponse(status=200, chunks=_two_and_out(ended))

    front = Front(handler=fail)
    await front.start(nursery)
    said = await said_to(front, HEALTH)
    assert b"3\r\none\r\n" in said
    assert not said.endswith(b"0\r\n\r\n")
    assert ended == [True]
    assert front.journal.of(events.REQUEST_FAILED)


async def _two_and_out(ended: list[bool]) -> AsyncIterator[bytes]:
    try:
        yield b"one"
        raise RuntimeError
    finally:
        ended.append(True)


async def test_a_large_answer_on_a_thin_line_is_not_taken_for_a_stuck_one(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    size = 3 * 2**20

    async def much(request: Request) -> Answer:
        return json("x" * size)

    front = Front(handler=much)
    await front.start(nursery)
    stream = front.listener.connect(lockstep=True)
    nursery.start_soon(stream.send_all, HEALTH)
    said = b""
    begun = trio.current_time()
    while not said.endswith(b'"'):
        await trio.sleep(2)
        said += await stream.receive_some(2**17)
    assert len(said) > size
    assert trio.current_time() - begun > WRITE_DEADLINE


async def test_a_stop_waits_for_no_client_that_keeps_its_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    client = await front.open_sse()
    begun = trio.current_time()
    front.gateway.end_sessions("the bridge stops")
    await front.server.stop()
    assert await client.stream.block() is None
    assert await until_closed(client.stream.stream) == b""
    await wait_all_tasks_blocked()
    assert front.server.connections == 0
    assert trio.current_time() == begun


@pytest.mark.parametrize("name", [OSError("gone"), "", None])
async def test_a_peer_need_not_have_a_name(
    nursery: trio.Nursery, autojump_clock: MockClock, name: OSError | str | None
) -> None:
    class Socket:
        def getpeername(self) -> str:
            if isinstance(name, OSError):
                raise name
            return name or ""

        getsockname = getpeername

    async def peer(request: Request) -> Answer:
        return json(request.peer)

    front = Front(handler=peer)
    await front.start(nursery)
    browser = front.browser()
    stream: Any = front.listener.accepted[0]
    stream.socket = None if name is None else Socket()
    assert (await browser.ask("GET", "/")).json == ""


async def test_the_peer_is_the_other_end_of_the_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def peer(request: Request) -> Answer:
        return json(request.peer)

    front = Front(handler=peer)
    await front.start(nursery)
    browser = front.browser(peer="192.0.2.7")
    assert (await browser.ask("GET", "/")).json == "192.0.2.7"
