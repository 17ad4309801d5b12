import itertools
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from bridge.errors import (
    ConnectFailed,
    Forbidden,
    LinkBusy,
    LinkError,
    LinkLost,
    RequestRefused,
    SessionLost,
    Unauthorized,
)
from bridge.http import HttpClients
from bridge.observe import catalogue as events
from bridge.protocol.frame import Frame, request
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.link import FrameRefused, Link, Outgoing, Received, RequestFailed
from bridge.wire.streamable_http import StreamableHttpTransport
from kit.links import answer_to, ask, initialize, lost, result_of, tell, until
from kit.network import SimulatedNetwork
from kit.recorded import RecordedLog
from kit.scripted_http import HOST, PORT, URL, Exchange, Script, ScriptedServer

INITIALIZED = (
    b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"},"x":1}'
)
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
OTHER_ANSWER = b'{"jsonrpc":"2.0","id":9,"result":{}}'
SESSION = {"Mcp-Session-Id": "s-1"}


def result(upstream_id: object) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"result":{}}' % upstream_id


async def handshake(exchange: Exchange) -> bool:
    """Answers what every session begins with; False: it is the test's business."""
    asked = exchange.asked
    if asked.method == "POST" and asked.message["method"] == "initialize":
        await exchange.json(INITIALIZED, SESSION)
    elif asked.method == "POST" and "id" not in asked.message:
        await exchange.answer(202)
    elif asked.method in ("GET", "DELETE"):
        await exchange.answer(405)
    else:
        return False
    return True


def scripted(call: Script) -> Script:
    """A server whose handshake is ordinary and whose calls go to ``call``."""

    async def script(exchange: Exchange) -> None:
        if not await handshake(exchange):
            await call(exchange)

    return script


async def obedient(exchange: Exchange) -> None:
    await exchange.json(result(exchange.asked.message["id"]))


class World:
    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.network = SimulatedNetwork()
        self.log = RecordedLog()
        self.bearer = "t1"
        self.upstream = HttpUpstream(
            URL,
            name="web",
            clients=HttpClients(self.network),
            headers=lambda: {"Authorization": f"Bearer {self.bearer}"},
            log=self.log,
            frame_bytes=2000,
            max_in_flight=4,
        )
        self.transport = StreamableHttpTransport(self.upstream)


@asynccontextmanager
async def world(script: Script) -> AsyncGenerator[World, None]:
    server = ScriptedServer(script)
    async with trio.open_nursery() as nursery:
        w = World(server)
        await server.serve(w.network, nursery)
        yield w
        nursery.cancel_scope.cancel()


async def test_a_request_taken_back_before_its_body_fails_alone(
    autojump_clock: MockClock,
) -> None:
    async with world(scripted(obedient)) as w, w.transport.open() as link:
        await initialize(link)
        outgoing = Outgoing(request("tools/call", id=2), upstream_id=2)
        link.send(outgoing)
        assert outgoing.revoke()
        failed = await link.receive()
        assert isinstance(failed, RequestFailed)
        assert (failed.upstream_id, outgoing.written) == (2, False)
        ask(link, "tools/call", upstream_id=3)
        assert result_of(await answer_to(link, 3)) == {}


async def refused(link: Link) -> LinkError:
    """Ask request 2 and return the error it fails with."""
    ask(link, "tools/call", upstream_id=2)
    with pytest.raises(LinkError) as caught:
        await answer_to(link, 2)
    return caught.value


@pytest.mark.requirement("R60", "R61")
async def test_a_session_from_handshake_to_farewell(autojump_clock: MockClock) -> None:
    async with world(scripted(obedient)) as w:
        async with w.transport.open() as link:
            await initialize(link)
            outgoing = ask(link, "tools/list", upstream_id=2)
            assert result_of(await answer_to(link, 2)) == {}
            assert outgoing.written
        first, second, *others = w.server.asked
        assert "mcp-session-id" not in first.headers
        assert "mcp-protocol-version" not in first.headers
        assert first.headers["accept"] == "application/json, text/event-stream"
        assert first.headers["accept-encoding"] == "identity"
        assert first.headers["user-agent"].startswith("mcp-trio-bridge/")
        assert second.message["method"] == "notifications/initialized"
        for asked in (second, *others):
            assert asked.headers["mcp-session-id"] == "s-1"
            assert asked.headers["mcp-protocol-version"] == "2025-11-25"
            assert asked.headers["authorization"] == "Bearer t1"
        assert w.server.methods()[-1] == "DELETE"


@pytest.mark.requirement("R106")
async def test_a_new_bearer_is_used_by_the_next_request(
    autojump_clock: MockClock,
) -> None:
    async with world(scripted(obedient)) as w, w.transport.open() as link:
        await initialize(link)
        w.bearer = "t2"
        ask(link, "ping", upstream_id=2)
        await answer_to(link, 2)
        assert w.server.asked[-1].headers["authorization"] == "Bearer t2"


async def test_nothing_overtakes_the_end_of_the_handshake(
    autojump_clock: MockClock,
) -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.asked.method == "POST":
            order.append(str(exchange.asked.message["method"]))
        if "id" not in (exchange.asked.message if exchange.asked.body else {"id": 0}):
            await trio.sleep(5)
            order.append("accepted")
        await scripted(obedient)(exchange)

    order: list[str] = []
    async with world(script) as w, w.transport.open() as link:
        await initialize(link)
        ask(link, "tools/list", upstream_id=2)
        await answer_to(link, 2)
    assert order[1:4] == ["notifications/initialized", "accepted", "tools/list"]


async def test_news_on_the_stream_of_a_call_is_related_to_it(
    autojump_clock: MockClock,
) -> None:
    async def call(exchange: Exchange) -> None:
        await exchange.events(
            b'data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n'
            b"event: other\ndata: x\n\ndata: junk\n\ndata: [1]\n\n"
            b'data: {"jsonrpc":"2.0","id":"q","method":"roots/list"}\n\n'
            b"data: " + result(2) + b"\n\n"
        )

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        ask(link, "tools/call", upstream_id=2)
        got = [await link.receive() for _ in range(5)]
    assert [e.related for e in got if isinstance(e, Received)] == [2, 2, 2]
    kinds = [e.kind for e in got if isinstance(e, FrameRefused)]
    assert kinds == ["not_json", "not_a_message"]


@pytest.mark.requirement("C21")
async def test_401_carries_its_challenge(autojump_clock: MockClock) -> None:
    async def call(exchange: Exchange) -> None:
        await exchange.answer(401, b"no", {"WWW-Authenticate": 'Bearer scope="a"'})

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        error = await refused(link)
    assert isinstance(error, Unauthorized)
    assert error.challenge == 'Bearer scope="a"'


@pytest.mark.requirement("C20", "C21")
@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (403, {"WWW-Authenticate": "Bearer"}, Forbidden),
        (404, {}, SessionLost),
        (500, {}, RequestRefused),
        (503, {"Retry-After": "7"}, RequestRefused),
        (302, {"Location": "http://evil.test/mcp"}, RequestRefused),
        (307, {"Location": "http://evil.test/mcp"}, RequestRefused),
        (307, {"Location": "https://mcp.test/mcp"}, RequestRefused),
        (204, {}, LinkError),
        (202, {}, LinkError),
    ],
)
async def test_a_status_fails_its_request_only(
    autojump_clock: MockClock,
    *,
    status: int,
    headers: dict[str, str],
    kind: type[LinkError],
) -> None:
    async def call(exchange: Exchange) -> None:
        if exchange.asked.message["id"] == 2:
            await exchange.answer(status, b"", headers)
        else:
            await obedient(exchange)

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        error = await refused(link)
        assert type(error) is kind
        if status == 503:
            assert isinstance(error, RequestRefused)
            assert error.retry_after == 7
        ask(link, "ping", upstream_id=3)
        await answer_to(link, 3)


async def test_a_json_rpc_error_in_a_refusal_is_the_answer(
    autojump_clock: MockClock,
) -> None:
    async def call(exchange: Exchange) -> None:
        body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"v"}}'
        await exchange.answer(400, body, {"Content-Type": "application/json"})

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        ask(link, "server/discover", upstream_id=2)
        frame = await answer_to(link, 2)
    assert b"-32022" in bytes(frame.error or b"")


@pytest.mark.requirement("C23")
async def test_a_redirect_within_the_origin_keeps_method_and_body(
    autojump_clock: MockClock,
) -> None:
    async def call(exchange: Exchange) -> None:
        if exchange.asked.target == "/mcp":
            await exchange.answer(307, b"moved", {"Location": "/mcp/"})
        else:
            await obedient(exchange)

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        ask(link, "ping", upstream_id=2)
        await answer_to(link, 2)
        assert w.server.asked[-1].target == "/mcp/"
        assert w.server.asked[-1].method == "POST"


@pytest.mark.requirement("C23")
async def test_a_redirect_loop_ends(autojump_clock: MockClock) -> None:
    async def call(exchange: Exchange) -> None:
        await exchange.answer(307, b"", {"Location": "/mcp"})

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        before = len(w.server.asked)
        assert isinstance(await refused(link), RequestRefused)
        assert len(w.server.asked) - before <= 6


@pytest.mark.requirement("C22")
@pytest.mark.parametrize(
    "raw",
    [
        HTML + b"Content-Length: 2\r\n\r\nhi",
        JSON + b"Content-Length: 0\r\n\r\n",
        JSON + b"Content-Length: 9\r\n\r\n{",
        JSON + b"Content-Length: 99999\r\n\r\n" + b" " * 9999,
        JSON + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
        JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        JSON + b"X: " + b"a" * 2**21 + b"\r\n\r\n",
        b"SMTP ready\r\n\r\n",
        JSON + b"Content-Length: 36\r\n\r\n" + OTHER_ANSWER,
        EVENTS + b"\r\ndata: x",
        EVENTS + b"\r\ndata: " + b"x" * 3000,
        b"",
    ],
    ids=lambda raw: raw[17:90].decode("latin-1"),
)
async def test_a_hostile_answer_fails_its_request_only(
    autojump_clock: MockClock, *, raw: bytes
) -> None:
    async def call(exchange: Exchange) -> None:
        if exchange.asked.message["id"] == 2:
            await exchange.raw(raw)
            await exchange.stream.aclose()
        else:
            await obedient(exchange)

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        await refused(link)
        ask(link, "ping", upstream_id=3)
        await answer_to(link, 3)


@pytest.mark.requirement("C22")
async def test_what_is_wrong_with_a_huge_header_is_said_in_short(
    autojump_clock: MockClock,
) -> None:
    async def call(exchange: Exchange) -> None:
        await exchange.raw(JSON + b"no colon " + b"x" * 60_000 + b"\r\n\r\n")

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        error = await refused(link)
        assert "illegal header line" in error.public
        assert len(error.public) < 400


@pytest.mark.requirement("C25")
@pytest.mark.parametrize("session", ["a b", "x" * 600, "caf\u00e9"])
async def test_an_illegal_session_id_is_refused(
    autojump_clock: MockClock, *, session: str
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json(INITIALIZED, {"Mcp-Session-Id": session})

    async with world(script) as w, w.transport.open() as link:
        with pytest.raises(LinkError, match="illegal session id"):
            await initialize(link)


@pytest.mark.requirement("R67")
async def test_a_call_is_resumed_where_its_stream_ended(
    autojump_clock: MockClock,
) -> None:
    async def script(exchange: Exchange) -> None:
        asked = exchange.asked
        if asked.method == "GET" and "last-event-id" in asked.headers:
            if asked.headers["last-event-id"] == "e1":
                await exchange.events(b": nothing new\nid: e2\ndata:\n\n")
            else:
                await exchange.events(b"data: " + result(2) + b"\n\n")
        elif not await handshake(exchange):
            await exchange.events(b"id: e1\nretry: 3000\ndata:\n\n")

    async with world(script) as w, w.transport.open() as link:
        await initialize(link)
        began = trio.current_time()
        ask(link, "tools/call", upstream_id=2)
        await answer_to(link, 2)
        assert trio.current_time() - began == pytest.approx(6)
    calls = [a for a in w.server.asked if a.body and a.message.get("id") == 2]
    assert len(calls) == 1


@pytest.mark.requirement("R67")
async def test_a_call_that_cannot_be_resumed_is_lost_and_never_sent_again(
    autojump_clock: MockClock,
) -> None:
    async def call(exchange: Exchange) -> None:
        await exchange.events(b"id: e1\ndata:\n\n")

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        assert isinstance(await refused(link), LinkLost)
    calls = [a for a in w.server.asked if a.body and a.message.get("id") == 2]
    assert len(calls) == 1


async def test_a_cancelled_call_closes_its_stream(autojump_clock: MockClock) -> None:
    closed = trio.Event()

    async def call(exchange: Exchange) -> None:
        if exchange.asked.message["id"] == 2:
            await exchange.open_events()
            await exchange.stream.receive_some()
            closed.set()
        else:
            await obedient(exchange)

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        ask(link, "tools/call", upstream_id=2)
        await trio.testing.wait_all_tasks_blocked()
        link.cancel(2)
        link.cancel(77)
        await closed.wait()
        ask(link, "ping", upstream_id=3)
        await answer_to(link, 3)


async def test_a_call_cancelled_before_it_left_is_never_sent(
    autojump_clock: MockClock,
) -> None:
    async with world(scripted(obedient)) as w, w.transport.open() as link:
        await initialize(link)
        outgoing = ask(link, "tools/call", upstream_id=2)
        link.cancel(2)
        ask(link, "ping", upstream_id=3)
        await answer_to(link, 3)
        assert not outgoing.written


async def test_calls_run_side_by_side_and_too_many_are_refused(
    autojump_clock: MockClock,
) -> None:
    async def call(exchange: Exchange) -> None:
        await trio.sleep(10)
        await obedient(exchange)

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        began = trio.current_time()
        for number in range(2, 22):
            ask(link, "tools/call", upstream_id=number)
        for _ in range(20):
            assert isinstance(await link.receive(), Received)
        assert trio.current_time() - began == pytest.approx(10)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(100, 136):
            ask(link, "tools/call", upstream_id=number)
        with pytest.raises(LinkBusy):
            ask(link, "tools/call", upstream_id=136)


@pytest.mark.requirement("C20")
async def test_a_refused_connection_fails_the_request_unsent(
    autojump_clock: MockClock,
) -> None:
    async with world(scripted(obedient)) as w:
        w.network.refused.add((HOST, PORT))
        async with w.transport.open() as link:
            outgoing = ask(link, "initialize", upstream_id=1)
            with pytest.raises(
                ConnectFailed, match=r"cannot connect to http://mcp\.test"
            ):
                await answer_to(link, 1)
            assert not outgoing.written


@pytest.mark.requirement("C20")
async def test_a_reset_fails_the_calls_in_flight(autojump_clock: MockClock) -> None:
    async def call(exchange: Exchange) -> None:
        await trio.sleep_forever()

    async with world(scripted(call)) as w, w.transport.open() as link:
        await initialize(link)
        outgoing = ask(link, "tools/call", upstream_id=2)
        await trio.testing.wait_all_tasks_blocked()
        w.network.reset_all()
        with pytest.raises(LinkLost):
            await answer_to(link, 2)
        assert outgoing.written


async def test_a_refused_end_of_the_handshake_loses_the_link(
    autojump_clock: MockClock,
) -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.asked.body and "id" not in exchange.asked.message:
            await exchange.answer(500)
        else:
            await scripted(obedient)(exchange)

    async with world(script) as w, w.transport.open() as link:
        await initialize(link)
        assert isinstance(await lost(link), RequestRefused)


async def test_a_notification_that_fails_is_logged(autojump_clock: MockClock) -> None:
    async def script(exchange: Exchange) -> None:
        message = exchange.asked.message if exchange.asked.body else {}
        if message.get("method") == "notifications/cancelled":
            await exchange.answer(500)
        elif message.get("method") == "notifications/stuck":
            await trio.sleep_forever()
        else:
            await scripted(obedient)(exchange)

    async with world(script) as w, w.transport.open() as link:
        await initialize(link)
        tell(link, "notifications/cancelled")
        tell(link, "notifications/stuck")
        await trio.sleep(40)
        assert len(w.log.named(events.UPSTREAM_POST_FAILED)) == 2
        ask(link, "ping", upstream_id=3)
        await answer_to(link, 3)


@pytest.mark.requirement("C31")
async def test_many_notifications_that_fail_are_logged_in_part(
    autojump_clock: MockClock,
) -> None:
    async def script(exchange: Exchange) -> None:
        message = exchange.asked.message if exchange.asked.body else {}
        if message.get("method") == "notifications/cancelled":
            await exchange.answer(500)
        else:
            await scripted(obedient)(exchange)

    async with world(script) as w, w.transport.open() as link:
        await initialize(link)
        for _ in range(100):
            tell(link, "notifications/cancelled")
            await trio.sleep(0.01)
        await trio.sleep(60)
        assert len(w.log.named(events.UPSTREAM_POST_FAILED)) == 20
        tell(link, "notifications/cancelled")
        await trio.sleep(1)
        last = w.log.named(events.UPSTREAM_POST_FAILED)[-1]
        assert last["suppressed"] == 80


def listening(serve_stream: Script) -> Script:
    async def script(exchange: Exchange) -> None:
        if exchange.asked.method == "GET":
            await serve_stream(exchange)
        else:
            await scripted(obedient)(exchange)

    return script


def is_notification(event: object) -> bool:
    return isinstance(event, Received) and event.frame.is_notification


@pytest.mark.requirement("R67")
async def test_the_standalone_stream_is_opened_again_and_resumed(
    autojump_clock: MockClock,
) -> None:
    async def stream(exchange: Exchange) -> None:
        number = exchange.asked.headers.get("last-event-id", "0")
        await exchange.events(
            b'id: %d\ndata: {"jsonrpc":"2.0","method":"n%b"}\n\n'
            % (int(number) + 1, number.encode())
        )

    async with world(listening(stream)) as w, w.transport.open() as link:
        await initialize(link)
        for number in range(3):
            event = await until(link, is_notification)
            assert isinstance(event, Received)
            assert event.frame.method == f"n{number}"
            assert event.related is None


@pytest.mark.requirement("C24")
async def test_a_stream_that_closes_at_once_for_ever_is_asked_less_and_less(
    autojump_clock: MockClock,
) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.events(b"")

    async with world(listening(stream)) as w, w.transport.open() as link:
        await initialize(link)
        await trio.sleep(3600)
        assert w.server.methods().count("GET") < 80
        ask(link, "ping", upstream_id=3)
        await answer_to(link, 3)


async def test_a_server_without_a_standalone_stream_is_not_asked_again(
    autojump_clock: MockClock,
) -> None:
    async with world(scripted(obedient)) as w, w.transport.open() as link:
        await initialize(link)
        await trio.sleep(600)
        assert w.server.methods().count("GET") == 1


async def test_a_standalone_stream_of_another_content_type_is_none(
    autojump_clock: MockClock,
) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.json(b"{}")

    async with world(listening(stream)) as w, w.transport.open() as link:
        await initialize(link)
        await trio.sleep(600)
        assert w.server.methods().count("GET") == 1


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_passing_refusal_of_the_standalone_stream_is_waited_out(
    autojump_clock: MockClock, *, status: int
) -> None:
    async def stream(exchange: Exchange) -> None:
        if w.server.methods().count("GET") < 3:
            await exchange.answer(status)
        else:
            await exchange.events(b'data: {"jsonrpc":"2.0","method":"n"}\n\n')

    async with world(listening(stream)) as w, w.transport.open() as link:
        await initialize(link)
        await until(link, is_notification)


async def test_a_standalone_stream_that_asks_for_patience_gets_it(
    autojump_clock: MockClock,
) -> None:
    times = list[float]()

    async def stream(exchange: Exchange) -> None:
        times.append(trio.current_time())
        if len(times) == 1:
            await exchange.answer(503, b"", {"Retry-After": "7"})
        else:
            await exchange.events(b'data: {"jsonrpc":"2.0","method":"n"}\n\n')

    async with world(listening(stream)) as w, w.transport.open() as link:
        await initialize(link)
        await until(link, is_notification)
        assert times[1] - times[0] == pytest.approx(7, abs=0.1)


async def test_streams_that_ended_together_are_not_opened_together(
    autojump_clock: MockClock,
) -> None:
    times = list[float]()

    async def stream(exchange: Exchange) -> None:
        times.append(trio.current_time())
        await exchange.events(b"")

    async with world(listening(stream)) as w:
        w.upstream.rng = random.Random(1)
        async with w.transport.open() as link:
            await initialize(link)
            await trio.sleep(20)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(pauses) > 2
    for pause, least in zip(pauses, (1, 3, 7), strict=False):
        assert least < pause <= least * 1.25


async def test_404_on_the_standalone_stream_loses_the_session(
    autojump_clock: MockClock,
) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.answer(404)

    async with world(listening(stream)) as w:
        async with w.transport.open() as link:
            await initialize(link)
            assert isinstance(await lost(link), SessionLost)
        assert "DELETE" not in w.server.methods()


async def test_an_endless_event_on_the_standalone_stream_is_reported(
    autojump_clock: MockClock,
) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.events(b"data: " + b"x" * 3000)

    async with world(listening(stream)) as w, w.transport.open() as link:
        await initialize(link)
        event = await until(link, lambda e: isinstance(e, FrameRefused))
        assert isinstance(event, FrameRefused)
        assert event.kind == "too_large"


async def test_a_server_that_vanished_loses_the_link(autojump_clock: MockClock) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.open_events()
        await trio.sleep_forever()

    async with world(listening(stream)) as w, w.transport.open() as link:
        await initialize(link)
        await trio.sleep(60)
        w.network.refused.add((HOST, PORT))
        w.network.reset_all()
        assert isinstance(await lost(link), LinkLost)


async def test_a_deaf_server_does_not_hold_up_the_farewell(
    autojump_clock: MockClock,
) -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.asked.method == "DELETE":
            await trio.sleep_forever()
        await scripted(obedient)(exchange)

    async with world(script) as w:
        async with w.transport.open() as link:
            await initialize(link)
            for upstream_id in (2, 3):  # at once: two connections, one says farewell
                ask(link, "tools/list", upstream_id=upstream_id)
            await trio.sleep(1)
            began = trio.current_time()
        assert trio.current_time() - began == pytest.approx(3)
        assert all(stream.has_left for stream in w.network.connections)


async def test_headers_of_a_message_are_asked_for_by_frame(
    autojump_clock: MockClock,
) -> None:
    def message_headers(frame: Frame) -> dict[str, str]:
        return {"Mcp-Method": str(frame.method)}

    async with world(scripted(obedient)) as w:
        transport = StreamableHttpTransport(w.upstream, message_headers=message_headers)
        async with transport.open() as link:
            ask(link, "server/discover", upstream_id=2)
            await answer_to(link, 2)
        assert w.server.asked[0].headers["mcp-method"] == "server/discover"
