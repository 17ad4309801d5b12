import base64
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing
from trio.testing import MockClock
from trio_websocket import WebSocketConnection

from bridge.errors import (
    ConnectFailed,
    Forbidden,
    LinkBusy,
    LinkError,
    LinkLost,
    LinkTimeout,
    Unauthorized,
)
from bridge.http import HttpClients
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.link import FrameRefused, Link, Received
from bridge.wire.websocket import WebSocketTransport
from kit.links import answer_to, ask, lost, tell
from kit.network import Handler, SimulatedNetwork, SimulatedStream
from kit.recorded import RecordedLog
from kit.scripted_http import Exchange, ScriptedServer
from kit.sockets import HOST, PORT, URL, SocketServer, Talk, answer, obedient

LIMIT = 2000
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
UPGRADE = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


class World:
    def __init__(self, talk: Talk) -> None:
        self.server = SocketServer(talk)
        self.network = SimulatedNetwork()
        self.headers = {"Authorization": "Bearer t", "X-Team": "blue"}
        self.transport = WebSocketTransport(
            HttpUpstream(
                URL,
                name="feed",
                clients=HttpClients(self.network),
                headers=lambda: self.headers,
                log=RecordedLog(),
                frame_bytes=LIMIT,
            ),
            network=self.network,
        )

    async def opening(self) -> LinkError:
        """Why the link does not open."""
        with trio.fail_after(60), pytest.raises(LinkError) as caught:
            async with self.transport.open():
                pass
        return caught.value


@asynccontextmanager
async def world(talk: Talk = obedient) -> AsyncGenerator[World, None]:
    async with trio.open_nursery() as nursery:
        w = World(talk)
        await w.server.serve(w.network, nursery)
        yield w
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def served_by(handler: Handler) -> AsyncGenerator[World, None]:
    """A world whose server is bare: it may say what the library would not."""

    async def until_left(stream: SimulatedStream) -> None:
        with suppress(trio.BrokenResourceError):
            await handler(stream)

    async with trio.open_nursery() as nursery:
        w = World(obedient)
        await w.network.serve(nursery, (HOST, PORT), handler=until_left)
        yield w
        nursery.cancel_scope.cancel()


async def silent(connection: WebSocketConnection) -> None:
    while True:
        await connection.get_message()


def says(data: bytes) -> Handler:
    """Answers the handshake with these bytes and then says nothing."""

    async def handler(stream: SimulatedStream) -> None:
        await stream.receive_some()
        await stream.send_all(data)
        await trio.sleep_forever()

    return handler


async def kind_of_next(link: Link) -> str:
    event = await link.receive()
    assert isinstance(event, FrameRefused)
    return event.kind


# -- what a link does --------------------------------------------------------------


@pytest.mark.requirement("R60")
async def test_a_request_is_written_and_its_answer_read(
    autojump_clock: MockClock,
) -> None:
    async with world() as w, w.transport.open() as link:
        outgoing = ask(link, "ping", upstream_id=1)
        assert not outgoing.written
        link.cancel(1)  # the answer comes all the same: it is the actor's to drop
        link.agreed("2025-11-25")
        assert (await answer_to(link, 1)).id == 1
        assert outgoing.written


async def test_the_handshake_names_protocol_and_credentials(
    autojump_clock: MockClock,
) -> None:
    async with world() as w:
        async with w.transport.open():
            pass
        w.headers = {"Authorization": "Bearer new"}  # R106: asked each time
        async with w.transport.open():
            pass
    first, second = (dict(request.headers) for request in w.server.requests)
    assert w.server.requests[0].proposed_subprotocols == ("mcp",)
    assert w.server.requests[0].path == "/mcp"
    assert (first[b"authorization"], first[b"x-team"]) == (b"Bearer t", b"blue")
    assert second[b"authorization"] == b"Bearer new"


async def test_each_message_is_one_text_frame_without_a_newline(
    autojump_clock: MockClock,
) -> None:
    heard: list[str | bytes] = []

    async def listen(connection: WebSocketConnection) -> None:
        while True:
            heard.append(await connection.get_message())

    async with world(listen) as w, w.transport.open() as link:
        for number in range(3):
            tell(link, f"n/{number}")
        await trio.sleep(1)
    assert heard == [f'{{"jsonrpc":"2.0","method":"n/{n}"}}' for n in range(3)]


async def test_messages_said_before_the_end_are_all_received(
    autojump_clock: MockClock,
) -> None:
    async def talk(connection: WebSocketConnection) -> None:
        for number in range(50):
            await connection.send_message(answer(number))

    async with world(talk) as w, w.transport.open() as link:
        await trio.sleep(5)
        for number in range(50):
            event = await link.receive()
            assert isinstance(event, Received)
            assert event.frame.id == number
        assert "1000 NORMAL_CLOSURE" in (await lost(link)).public


async def test_a_server_that_agrees_to_no_subprotocol_is_spoken_to(
    autojump_clock: MockClock,
) -> None:
    async with world() as w:
        w.server.subprotocol = None
        async with w.transport.open() as link:
            ask(link, "ping", upstream_id=1)
            await answer_to(link, 1)


async def test_leaving_says_goodbye(autojump_clock: MockClock) -> None:
    async with world() as w:
        async with w.transport.open():
            pass
        await trio.sleep(0.1)
        (reason,) = w.server.closed
    assert reason is not None
    assert reason.code == 1000


async def test_leaving_under_cancellation_takes_no_time(
    autojump_clock: MockClock,
) -> None:
    async with world(silent) as w:
        began = trio.current_time()
        with trio.move_on_after(1):
            async with w.transport.open() as link:
                await link.receive()
        assert trio.current_time() - began < 1.1
        await trio.testing.wait_all_tasks_blocked()
        assert w.server.streams[0].peer_has_left


# -- what the server may say ---------------------------------------------------------


@pytest.mark.requirement("C26")
async def test_frames_that_are_no_messages_are_refused_and_skipped(
    autojump_clock: MockClock,
) -> None:
    async def talk(connection: WebSocketConnection) -> None:
        for message in (b"\x00\x01", "no json", "[1]", answer(7)):
            await connection.send_message(message)
        await silent(connection)

    async with world(talk) as w, w.transport.open() as link:
        kinds = [await kind_of_next(link) for _ in range(3)]
        assert kinds == ["binary", "not_json", "not_a_message"]
        assert (await answer_to(link, 7)).id == 7


@pytest.mark.requirement("C26")
async def test_junk_without_end_is_given_up(autojump_clock: MockClock) -> None:
    async def talk(connection: WebSocketConnection) -> None:
        while True:
            await connection.send_message("")

    async with world(talk) as w, w.transport.open() as link:
        assert "sends junk" in (await lost(link)).public


@pytest.mark.requirement("C26")
@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
async def test_a_message_over_the_limit_ends_the_link(
    letter: str, autojump_clock: MockClock
) -> None:
    async def talk(connection: WebSocketConnection) -> None:
        size = LIMIT // len(letter.encode()) + 1
        await connection.send_message(letter * size)
        await silent(connection)

    async with world(talk) as w, w.transport.open() as link:
        error = await lost(link)
    assert isinstance(error, LinkLost)
    assert str(LIMIT) in error.public


@pytest.mark.requirement("C26")
@pytest.mark.parametrize(
    ("head", "rest", "said"),
    [
        (b"\x01\x01x", b"\x00\x01x", "1009 MESSAGE_TOO_BIG"),
        (b"\x01\x00", b"\x00\x00", "too many parts"),
        (b"", b"\x89\x00", "pings without end"),
        (b"\x81\x7f" + (2**40).to_bytes(8), b"x", "1009 MESSAGE_TOO_BIG"),
        (b"\x83\x00", b"", "1002 PROTOCOL_ERROR"),
        (b"\x81\x81maskx", b"", "1002 PROTOCOL_ERROR"),
        (b"\x81\x01\xff", b"", "1007 INVALID_FRAME_PAYLOAD_DATA"),
        (b"\x00\x01x", b"", "1002 PROTOCOL_ERROR"),
        (b"\xc1\x01x", b"", "1002 PROTOCOL_ERROR"),
    ],
)
async def test_hostile_frames_end_the_link(
    head: bytes, rest: bytes, said: str, autojump_clock: MockClock
) -> None:
    async def handler(stream: SimulatedStream) -> None:
        await upgraded(stream)
        await stream.send_all(head)
        for _ in range(200 if rest else 0):
            await stream.send_all(rest * 1000)
        await trio.sleep_forever()

    async with served_by(handler) as w, w.transport.open() as link:
        assert said in (await lost(link)).public


async def test_the_close_reason_is_named_short_and_clean(
    autojump_clock: MockClock,
) -> None:
    async def talk(connection: WebSocketConnection) -> None:
        await connection.aclose(1011, "out of\nmemory \x1b[31m")

    async with world(talk) as w, w.transport.open() as link:
        error = await lost(link)
        assert error.public == (
            "the connection to 'feed' was closed:"
            " 1011 INTERNAL_ERROR, 'out ofmemory [31m'"
        )
        with pytest.raises(LinkLost):
            tell(link, "n")


async def test_a_reset_ends_the_link(autojump_clock: MockClock) -> None:
    async with world(silent) as w, w.transport.open() as link:
        w.network.reset_all()
        assert "1006 ABNORMAL_CLOSURE" in (await lost(link)).public


async def test_a_write_that_finds_the_connection_reset_ends_the_link(
    autojump_clock: MockClock,
) -> None:
    async with world(silent) as w, w.transport.open() as link:
        tell(link, "n")
        w.network.reset_all()
        assert isinstance(await lost(link), LinkLost)


# -- time --------------------------------------------------------------------------


async def test_a_server_that_answers_pings_stays(autojump_clock: MockClock) -> None:
    async with world() as w, w.transport.open() as link:
        await trio.sleep(24 * 3600)
        ask(link, "ping", upstream_id=1)
        await answer_to(link, 1)


@pytest.mark.requirement("C26")
async def test_a_server_that_answers_no_ping_is_lost(
    autojump_clock: MockClock,
) -> None:
    async def handler(stream: SimulatedStream) -> None:
        await upgraded(stream)
        while await stream.receive_some():
            pass

    async with served_by(handler) as w, w.transport.open() as link:
        began = trio.current_time()
        error = await lost(link)
        assert trio.current_time() - began == pytest.approx(30)
    assert error.public == "'feed' did not answer a ping in 10 s"


async def test_a_message_that_arrives_slowly_is_waited_for(
    autojump_clock: MockClock,
) -> None:
    """No pong gets through in the middle of a frame."""

    async def handler(stream: SimulatedStream) -> None:
        await upgraded(stream)
        message = answer(1).encode()
        await stream.send_all(b"\x81" + bytes([len(message)]))
        for octet in message:
            await trio.sleep(5)
            await stream.send_all(bytes([octet]))
        await trio.sleep_forever()

    async with served_by(handler) as w, w.transport.open() as link:
        event = await link.receive()
        assert isinstance(event, Received)


@pytest.mark.requirement("C26")
async def test_a_server_that_does_not_answer_the_close_is_left_soon(
    autojump_clock: MockClock,
) -> None:
    async def handler(stream: SimulatedStream) -> None:
        await upgraded(stream)
        while await stream.receive_some():
            pass

    async with served_by(handler) as w:
        async with w.transport.open():
            began = trio.current_time()
        assert trio.current_time() - began == pytest.approx(2)


async def test_a_server_that_stops_reading_is_given_up(
    autojump_clock: MockClock,
) -> None:
    async with served_by(deaf) as w, w.transport.open() as link:
        began = trio.current_time()
        outgoing = ask(link, "ping", upstream_id=1)
        waiting = ask(link, "ping", upstream_id=2)
        error = await lost(link)
        assert isinstance(error, LinkTimeout)
        assert "read nothing for 30 s" in error.public
        assert trio.current_time() - began == pytest.approx(30)
        assert outgoing.written
        assert not waiting.written  # it certainly never ran


async def test_a_full_queue_refuses_at_once(autojump_clock: MockClock) -> None:
    async with served_by(deaf) as w, w.transport.open() as link:
        for number in range(256):
            ask(link, "ping", upstream_id=number)
        with pytest.raises(LinkBusy):
            ask(link, "ping", upstream_id=256)


# -- the handshake -------------------------------------------------------------------


async def upgraded(stream: SimulatedStream) -> None:
    """Agree, and leave the frames to the test."""
    request = bytes(await stream.receive_some())
    await stream.send_all(agreement(request))


async def deaf(stream: SimulatedStream) -> None:
    await upgraded(stream)
    stream.stop_reading()
    await trio.sleep_forever()


def agreement(request: bytes, *, more: bytes = b"") -> bytes:
    key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return UPGRADE + b"Sec-WebSocket-Accept: " + accept + b"\r\n" + more + b"\r\n"


async def test_a_refused_connection_is_said(autojump_clock: MockClock) -> None:
    async with world() as w:
        w.network.refused.add((HOST, PORT))
        error = await w.opening()
    assert isinstance(error, ConnectFailed)
    assert error.public == "cannot connect to 'feed': Connection refused"


@pytest.mark.requirement("C21")
@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (403, Forbidden)])
@pytest.mark.parametrize("body", [b"", b"Content-Length: 9999999\r\n"])
async def test_a_challenge_is_heard_and_its_body_not_waited_for(
    status: int, kind: type[LinkError], body: bytes, autojump_clock: MockClock
) -> None:
    head = b"HTTP/1.1 %d No\r\nWWW-Authenticate: Bearer x=1\r\n" % status
    async with served_by(says(head + body + b"\r\n")) as w:
        began = trio.current_time()
        error = await w.opening()
        assert trio.current_time() == began
    assert type(error) is kind
    assert getattr(error, "challenge", "") == "Bearer x=1"


@pytest.mark.requirement("C23")
async def test_no_redirect_is_followed(autojump_clock: MockClock) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(307, headers={"Location": "ws://feed.test/other"})

    server = ScriptedServer(script)
    async with served_by(server.handle) as w:
        assert "HTTP status 307" in (await w.opening()).public
    assert server.methods() == ["GET"]


@pytest.mark.requirement("C22")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"SSH-2.0-x\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 101 X\r\n" + b"A: b\r\n" * 20_000, "too large a head"),
        (b"HTTP/1.1 101 X\r\n", "did not answer the handshake within 10 s"),
        (b"", "did not answer the handshake within 10 s"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "HTTP status 100"),
        (b"HTTP/1.1 101 X\r\n\r\n", "handshake with 'feed' failed: "),
        (UPGRADE + b"Sec-WebSocket-Accept: no\r\n\r\n", "failed: Bad accept token"),
        (b"HTTP/1.1 101 X\r\n: \r\n\r\n", "handshake with 'feed' failed: "),
    ],
)
async def test_a_hostile_handshake_fails_in_bounded_time(
    data: bytes, said: str, autojump_clock: MockClock
) -> None:
    async with served_by(says(data)) as w:
        error = await w.opening()
        assert isinstance(error, ConnectFailed)
        assert said in error.public
        assert trio.current_time() <= 10.1


@pytest.mark.parametrize(
    "more", [b"Sec-WebSocket-Protocol: chat\r\n", b"Sec-WebSocket-Extensions: x\r\n"]
)
async def test_what_was_not_offered_is_not_agreed(
    more: bytes, autojump_clock: MockClock
) -> None:
    async def handler(stream: SimulatedStream) -> None:
        request = bytes(await stream.receive_some())
        await stream.send_all(agreement(request, more=more))
        await trio.sleep_forever()

    async with served_by(handler) as w:
        assert "handshake with 'feed' failed" in (await w.opening()).public


async def test_a_server_that_hangs_up_during_the_handshake_is_said(
    autojump_clock: MockClock,
) -> None:
    heard: list[bytes] = []

    async def handler(stream: SimulatedStream) -> None:
        heard.append(bytes(await stream.receive_some()))
        await stream.aclose()

    async with served_by(handler) as w:
        assert "during the handshake" in (await w.opening()).public
    assert heard[0].startswith(b"GET /mcp HTTP/1.1\r\nHost: feed.test\r\n")


@pytest.mark.parametrize("value", ["\u20ac", "a\r\nb: c"])
async def test_a_header_that_cannot_be_sent_is_said(
    value: str, autojump_clock: MockClock
) -> None:
    async with world() as w:
        w.headers = {"X-Price": value}
        assert isinstance(await w.opening(), ConnectFailed)
        assert not w.server.requests


async def test_frames_right_behind_the_handshake_are_read(
    autojump_clock: MockClock,
) -> None:
    async def handler(stream: SimulatedStream) -> None:
        request = bytes(await stream.receive_some())
        message = answer(1).encode()
        frame = b"\x81" + bytes([len(message)]) + message
        await stream.send_all(agreement(request) + frame)
        await trio.sleep_forever()

    async with served_by(handler) as w, w.transport.open() as link:
        assert isinstance(await link.receive(), Received)
