"""Requests nobody should send: refused in time, and nothing else happens."""

import re

import pytest
import trio
from trio.testing import MockClock

from bridge.config.model import LimitsConfig
from bridge.downstream.answer import json
from bridge.downstream.connection import LINGER_DEADLINE
from bridge.downstream.message import Answer, Request
from bridge.downstream.request import BODY_DEADLINE
from bridge.observe import catalogue as events
from kit.front import JSON, Front, McpClient
from kit.raw_http import HEALTH, HOST, echo, said_to, until_closed


@pytest.mark.requirement("B7")
async def test_a_body_that_trickles_is_cut(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(handler=echo)
    await front.start(nursery)
    begun = trio.current_time()
    head = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\n"
    said = await said_to(front, head + b"x")
    assert said.startswith(b"HTTP/1.1 408 ")
    assert BODY_DEADLINE <= trio.current_time() - begun < BODY_DEADLINE + 5


@pytest.mark.requirement("B5", "R56")
async def test_a_body_over_the_limit_is_refused_from_its_declaration(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(limits=LimitsConfig(body_bytes=1024), handler=echo)
    await front.start(nursery)
    for length in (b"1025", b"9" * 20):
        head = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: " + length
        said = await said_to(front, head + b"\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 413 ")


@pytest.mark.requirement("B5", "R56")
async def test_a_body_over_the_limit_is_refused_as_soon_as_it_passes(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(limits=LimitsConfig(body_bytes=1024), handler=echo)
    await front.start(nursery)
    head = b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"200\r\n" + b"x" * 512 + b"\r\n"
    within = await said_to(front, head + 2 * chunk + b"0\r\n\r\n")
    assert within.startswith(b"HTTP/1.1 200 ")
    said = await said_to(front, head + 3 * chunk)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in said


@pytest.mark.requirement("B5")
async def test_a_refusal_does_not_wait_for_a_long_body(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """The answer goes out although far more was sent than anybody has read."""
    front = Front()
    await front.start(nursery)
    body = b"x" * 4 * 2**20
    before = trio.current_time()
    reply = await front.ask("POST", "/messages", token=None, headers=JSON, body=body)
    assert reply.status == 401
    assert trio.current_time() == before


@pytest.mark.requirement("B5")
async def test_compressed_bodies_are_never_inflated(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    client = await _mcp(front, nursery)
    for coding in ("gzip", "br", "identity, gzip"):
        headers = client.headers(("content-encoding", coding))
        reply = await front.ask("POST", "/mcp", headers=headers, body=b"\x1f\x8b")
        assert reply.status == 415


async def _mcp(front: Front, nursery: trio.Nursery) -> McpClient:
    await front.start(nursery)
    return await front.open_mcp()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET /health HTTP/1.0\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost : 127.0.0.1:8080\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:80@evil\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (b"GET /health HTTP/1.1\r\n" + HOST + b"Origin: http://e.x\r\n\r\n", 403),
        (b"GET /he%0d%0aX:1 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /he%00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /%ff HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET /health HTTP/1.1\r\n" + HOST + b"X: 1\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 17000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 2**20 + b"\r\n\r\n", 431),
        (
            b"POST /mcp HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
            400,
        ),
        (b"POST /mcp HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (b"POST /mcp HTTP/1.1\r\n" + HOST + b"Content-Length: 1e3\r\n\r\n", 400),
        (b"POST /mcp HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (
            b"POST /mcp HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            + HEALTH,
            400,
        ),
        (b"\r\n\r\n\x16\x03\x01 nonsense\r\n\r\n", 400),
    ],
)
@pytest.mark.requirement("B1", "B2", "B3", "B4", "B6", "R55")
async def test_a_request_that_is_not_quite_one_is_refused_and_the_connection_closed(
    nursery: trio.Nursery, autojump_clock: MockClock, sent: bytes, status: int
) -> None:
    front = Front()
    await front.start(nursery)
    said = await said_to(front, sent)
    assert said.startswith(b"HTTP/1.1 %d " % status), said
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"hypercorn" not in said
    assert not front.journal.of(events.SERVER_CONNECTION_FAILED)


@pytest.mark.requirement("B4")
async def test_a_bad_chunk_ends_the_request_and_the_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(handler=echo)
    await front.start(nursery)
    head = b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    for bad in (b"zz\r\nab\r\n", b"2\r\nabc\r\n", b"-1\r\n"):
        assert (await said_to(front, head + bad)).startswith(b"HTTP/1.1 400 ")
    assert not front.journal.entries


@pytest.mark.parametrize(
    "upgrade",
    [
        b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: YQ==\r\n",
    ],
)
async def test_an_offer_to_upgrade_is_not_taken(
    nursery: trio.Nursery, autojump_clock: MockClock, upgrade: bytes
) -> None:
    front = Front()
    await front.start(nursery)
    said = await said_to(front, HEALTH[:-2] + upgrade + b"\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")


async def test_the_preface_of_http2_is_no_request_of_ours(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    said = await said_to(front, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 4")


async def test_a_client_that_asks_first_is_told_to_go_on(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(handler=echo)
    await front.start(nursery)
    stream = front.listener.connect()
    head = (
        b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nConnection: close\r\n"
    )
    await stream.send_all(head + b"Expect: 100-continue\r\n\r\n")
    assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 100 ")
    await stream.send_all(b"{}")
    assert (await until_closed(stream)).endswith(b'{"size":2}')


async def test_an_answer_that_comes_after_the_request_broke_is_dropped(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def slow(request: Request) -> Answer:
        await trio.sleep(1)
        return json({})

    front = Front(handler=slow)
    await front.start(nursery)
    head = b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    said = await said_to(front, head + b"zz\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"400"]
    await trio.sleep(2 * LINGER_DEADLINE)
    assert front.server.connections == 0
    assert front.journal.entries == []


@pytest.mark.requirement("B5")
async def test_what_follows_a_refusal_is_thrown_away_for_a_moment(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Closing with unread bytes would reset the connection under the answer."""
    front = Front()
    await front.start(nursery)
    stream = front.listener.connect()
    head = b"POST /messages HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n"
    await stream.send_all(head)
    said = await stream.receive_some(65536)
    assert said.startswith(b"HTTP/1.1 401 ")
    begun = trio.current_time()
    with pytest.raises(trio.BrokenResourceError):
        await _pour(stream)
    assert trio.current_time() - begun == pytest.approx(LINGER_DEADLINE, abs=0.2)


async def _pour(stream: trio.abc.SendStream) -> None:
    while True:
        await stream.send_all(b"x" * 1000)
        await trio.sleep(0.1)


@pytest.mark.requirement("B4", "B5")
async def test_an_answer_given_before_the_body_came_says_that_it_is_the_last(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A client that keeps the connection would send its next request into the end."""
    front = Front()
    await front.start(nursery)
    head = b"POST /nothing HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n"
    early = await said_to(front, head)
    assert early.startswith(b"HTTP/1.1 404")
    assert b"\r\nconnection: close\r\n" in early.lower()
    whole = await said_to(front, head + b"{}" + HEALTH)
    assert b"connection: close" not in whole.lower()
    assert whole.count(b"HTTP/1.1 ") == 2
