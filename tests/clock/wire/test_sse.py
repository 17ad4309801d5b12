from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from bridge.errors import (
    ConnectFailed,
    LinkError,
    LinkLost,
    LinkTimeout,
    RequestRefused,
    Unauthorized,
)
from bridge.http import HttpClients
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.link import FrameRefused, Link, Received
from bridge.wire.probe import ProbeTransport
from bridge.wire.sse import SseTransport
from bridge.wire.streamable_http import StreamableHttpTransport
from kit.links import answer_to, ask, initialize, lost
from kit.network import SimulatedNetwork
from kit.recorded import RecordedLog
from kit.scripted_http import HOST, PORT, URL, Exchange, ScriptedServer


class SseServer:
    """An HTTP+SSE server: what is posted is answered on the stream."""

    def __init__(self) -> None:
        self.endpoint = b"event: endpoint\ndata: /messages?s=1\n\n"
        self.stream: Exchange | None = None
        self.accepted = 202
        self.delay = 0.0
        self.speaking = trio.Lock()
        self.server = ScriptedServer(self.script)

    async def script(self, exchange: Exchange) -> None:
        if exchange.asked.method == "GET":
            await exchange.open_events()
            self.stream = exchange
            await exchange.chunk(self.endpoint)
            await trio.sleep_forever()
        elif exchange.asked.target != "/messages?s=1":
            await exchange.answer(405)
        else:
            await trio.sleep(self.delay)
            await exchange.answer(self.accepted, b"Accepted")
            await self.reply(exchange.asked.message)

    async def reply(self, message: dict[str, object]) -> None:
        if "id" in message and self.accepted == 202:
            await self.say(
                b'data: {"jsonrpc":"2.0","id":%d,"result":'
                b'{"protocolVersion":"2024-11-05"}}\n\n' % message["id"]
            )

    async def say(self, data: bytes) -> None:
        assert self.stream is not None
        async with self.speaking:
            await self.stream.chunk(data)


class World:
    def __init__(self, server: SseServer) -> None:
        self.sse = server
        self.network = SimulatedNetwork()
        self.upstream = HttpUpstream(
            URL,
            name="web",
            clients=HttpClients(self.network),
            headers=lambda: {"Authorization": "Bearer t"},
            log=RecordedLog(),
            frame_bytes=2000,
        )
        self.transport = SseTransport(self.upstream)


@asynccontextmanager
async def world() -> AsyncGenerator[World, None]:
    async with trio.open_nursery() as nursery:
        w = World(SseServer())
        await w.sse.server.serve(w.network, nursery)
        yield w
        nursery.cancel_scope.cancel()


async def opening(transport: SseTransport) -> LinkError:
    """Why the link does not open."""
    with pytest.raises(LinkError) as caught:
        async with transport.open():
            pass
    return caught.value


@pytest.mark.requirement("R60", "R61")
async def test_messages_are_posted_and_answered_on_the_stream(
    autojump_clock: MockClock,
) -> None:
    async with world() as w, w.transport.open() as link:
        await initialize(link)
        outgoing = ask(link, "tools/list", upstream_id=2)
        await answer_to(link, 2)
        assert outgoing.written
        assert {a.headers["authorization"] for a in w.sse.server.asked} == {"Bearer t"}
        assert w.sse.server.methods() == ["GET", "POST", "POST", "POST"]


async def test_posts_leave_eight_at_once(autojump_clock: MockClock) -> None:
    async with world() as w, w.transport.open() as link:
        w.sse.delay = 5
        began = trio.current_time()
        for number in range(2, 18):
            ask(link, "tools/call", upstream_id=number)
        for _ in range(16):
            assert isinstance(await link.receive(), Received)
        assert trio.current_time() - began == pytest.approx(10)


async def test_a_refused_post_fails_its_request_only(autojump_clock: MockClock) -> None:
    async with world() as w, w.transport.open() as link:
        w.sse.accepted = 500
        ask(link, "tools/call", upstream_id=2)
        with pytest.raises(RequestRefused):
            await answer_to(link, 2)
        w.sse.accepted = 202
        ask(link, "ping", upstream_id=3)
        await answer_to(link, 3)


async def test_a_post_nobody_answers_fails_in_time(autojump_clock: MockClock) -> None:
    async with world() as w, w.transport.open() as link:
        w.sse.delay = 1000
        ask(link, "tools/call", upstream_id=2)
        await trio.sleep(29)
        with pytest.raises(LinkTimeout):
            await answer_to(link, 2)


async def test_junk_on_the_stream_is_reported(autojump_clock: MockClock) -> None:
    async with world() as w, w.transport.open() as link:
        await w.sse.say(b": hi\n\nevent: ping\ndata: 1\n\ndata: junk\n\ndata: {}\n\n")
        kinds: list[str] = []
        for _ in range(2):
            event = await link.receive()
            assert isinstance(event, FrameRefused)
            kinds.append(event.kind)
        assert kinds == ["not_json", "not_a_message"]


@pytest.mark.requirement("C24")
@pytest.mark.parametrize(
    "target",
    [
        b"http://evil.test/messages",
        b"https://mcp.test/messages",
        b"//evil.test/m",
        b"http://mcp.test:81/m",
        b"http://mcp.test@evil.test/m",
        b"file:///etc/passwd",
        b"http://[",
        b"http://xn--zzzzzz-.test/m",  # no name can be this
    ],
)
async def test_an_endpoint_elsewhere_is_refused_and_gets_no_token(
    autojump_clock: MockClock, *, target: bytes
) -> None:
    async with world() as w:
        w.sse.endpoint = b"event: endpoint\ndata: " + target + b"\n\n"
        error = await opening(w.transport)
        assert isinstance(error, ConnectFailed)
        assert "another origin" in error.public
        assert w.sse.server.methods() == ["GET"]


@pytest.mark.requirement("C24")
async def test_a_second_endpoint_is_ignored(autojump_clock: MockClock) -> None:
    async with world() as w, w.transport.open() as link:
        await w.sse.say(b"event: endpoint\ndata: http://evil.test/\n\n")
        ask(link, "ping", upstream_id=2)
        await answer_to(link, 2)


@pytest.mark.requirement("C24")
@pytest.mark.parametrize("silence", [b"", b": only a comment\n\n"])
async def test_a_stream_without_an_endpoint_is_given_up_after_ten_seconds(
    autojump_clock: MockClock, *, silence: bytes
) -> None:
    async with world() as w:
        w.sse.endpoint = silence or b":\n"
        began = trio.current_time()
        assert isinstance(await opening(w.transport), ConnectFailed)
        assert trio.current_time() - began == pytest.approx(10)


@pytest.mark.requirement("C24")
async def test_the_end_of_the_stream_is_the_end_of_the_link(
    autojump_clock: MockClock,
) -> None:
    async with world() as w, w.transport.open() as link:
        await w.sse.say(b"")
        assert isinstance(await lost(link), LinkLost)
        with pytest.raises(LinkLost):
            ask(link, "ping", upstream_id=2)


@pytest.mark.requirement("C24")
async def test_an_endless_event_is_the_end_of_the_link(
    autojump_clock: MockClock,
) -> None:
    async with world() as w, w.transport.open() as link:
        await w.sse.say(b"data: " + b"x" * 3000)
        assert "longer than" in (await lost(link)).public


@pytest.mark.requirement("C20", "C21", "C22")
@pytest.mark.parametrize(
    ("status", "media", "kind"),
    [
        (401, "text/plain", Unauthorized),
        (503, "text/plain", RequestRefused),
        (200, "text/html", ConnectFailed),
        (200, "text/event-stream", LinkLost),
    ],
)
async def test_a_stream_that_does_not_open_says_why(
    autojump_clock: MockClock, *, status: int, media: str, kind: type[LinkError]
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, b"", {"Content-Type": media})

    async with world() as w:
        w.sse.server.script = script
        assert type(await opening(w.transport)) is kind


async def test_a_refused_connection_fails_to_connect(autojump_clock: MockClock) -> None:
    async with world() as w:
        w.network.refused.add((HOST, PORT))
        assert isinstance(await opening(w.transport), ConnectFailed)


async def talk(link: Link) -> None:
    await initialize(link)
    ask(link, "ping", upstream_id=2)
    await answer_to(link, 2)
    link.cancel(2)


async def test_an_older_server_is_found_by_its_answer_to_initialize(
    autojump_clock: MockClock,
) -> None:
    async with world() as w:
        probe = ProbeTransport(StreamableHttpTransport(w.upstream), w.transport)
        async with probe.open() as link:
            await talk(link)
        assert w.sse.server.methods()[:3] == ["POST", "GET", "POST"]
        before = len(w.sse.server.asked)
        async with probe.open() as link:
            await talk(link)
        assert w.sse.server.methods()[before] == "GET"


async def test_an_address_of_neither_transport_says_what_it_answered_first(
    autojump_clock: MockClock,
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(404)

    async with world() as w:
        w.sse.server.script = script
        probe = ProbeTransport(StreamableHttpTransport(w.upstream), w.transport)
        async with probe.open() as link:
            with pytest.raises(RequestRefused, match="404"):
                await initialize(link)


async def test_a_settled_verdict_is_dropped_when_it_fails(
    autojump_clock: MockClock,
) -> None:
    async with world() as w:
        probe = ProbeTransport(StreamableHttpTransport(w.upstream), w.transport)
        async with probe.open() as link:
            await talk(link)
        w.network.refused.add((HOST, PORT))
        with pytest.raises(ConnectFailed):
            async with probe.open() as link:
                pass
        w.network.refused.clear()
        before = len(w.sse.server.asked)
        async with probe.open() as link:
            await talk(link)
        assert w.sse.server.methods()[before] == "POST"
