from collections.abc import Callable

import pytest
import trio

from bridge.errors import ConnectFailed, LinkError, LinkLost, SessionLost
from bridge.http import HttpClients
from bridge.protocol.frame import Frame, members, raw
from bridge.system import TrioNetwork
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.link import Link, Outgoing, Received, Transport
from bridge.wire.probe import ProbeTransport
from bridge.wire.sse import SseTransport
from bridge.wire.streamable_http import StreamableHttpTransport
from interop.rig.link_server import LinkServer, free_port, link_server
from kit.links import answer_to, ask, initialize, lost, result_of, until
from kit.recorded import RecordedLog

pytestmark = pytest.mark.interop

Opener = Callable[[HttpUpstream], Transport]
WAYS = ["http", "json", "resumable", "sse"]


def upstream(url: str) -> HttpUpstream:
    return HttpUpstream(
        url,
        name="sdk",
        clients=HttpClients(TrioNetwork()),
        headers=dict,
        log=RecordedLog(),
        frame_bytes=2**20,
    )


def transport(server: LinkServer) -> Transport:
    there = upstream(server.url)
    if server.url.endswith("/sse"):
        return SseTransport(there)
    return StreamableHttpTransport(there)


def call(link: Link, name: str, upstream_id: int, **arguments: object) -> None:
    params = {
        "name": name,
        "arguments": arguments,
        "_meta": {"progressToken": upstream_id},
    }
    ask(link, "tools/call", params, upstream_id=upstream_id)


async def call_and_wait(link: Link) -> None:
    call(link, "add", 2, a=1, b=2)
    await answer_to(link, 2)


async def text_of(link: Link, upstream_id: int) -> str:
    return str(result_of(await answer_to(link, upstream_id))["content"][0]["text"])


@pytest.mark.requirement("R60")
@pytest.mark.parametrize("how", WAYS)
async def test_the_sdks_server_is_spoken_to(how: str) -> None:
    async with link_server(how) as server, transport(server).open() as link:
        assert (await initialize(link))["serverInfo"]["name"] == "links"
        ask(link, "tools/list", upstream_id=2)
        tools = result_of(await answer_to(link, 2))["tools"]
        assert "add" in [tool["name"] for tool in tools]
        call(link, "add", 3, a=1, b=2)
        assert await text_of(link, 3) == "3"
        text = "x" * 200_000
        call(link, "echo", 4, text=text)
        assert await text_of(link, 4) == text


@pytest.mark.parametrize("how", ["http", "resumable", "sse"])
async def test_progress_comes_before_the_result(how: str) -> None:
    async with link_server(how) as server, transport(server).open() as link:
        await initialize(link)
        call(link, "count", 5, steps=3)
        methods: list[object] = []
        while not methods or methods[-1] is not None:
            event = await link.receive()
            assert isinstance(event, Received)
            methods.append(event.frame.method if event.frame.is_notification else None)
        assert methods == ["notifications/progress"] * 3 + [None]


@pytest.mark.parametrize("how", ["http", "resumable"])
async def test_a_question_on_a_calls_stream_is_related_and_answered(how: str) -> None:
    async with link_server(how) as server, transport(server).open() as link:
        params: dict[str, object] = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "t", "version": "1"},
        }
        ask(link, "initialize", params, upstream_id=1)
        await answer_to(link, 1)
        link.agreed("2025-11-25")
        link.send(Outgoing(Frame(method="notifications/initialized")))
        call(link, "ask", 2)
        event = await until(
            link, lambda e: isinstance(e, Received) and e.frame.is_request
        )
        assert isinstance(event, Received)
        assert event.related == 2
        assert b"colour" in bytes(members(event.frame.params)["message"])
        answer = raw({"action": "accept", "content": {"name": "blue"}})
        link.send(Outgoing(Frame(id=event.frame.id, result=answer)))
        assert await text_of(link, 2) == "blue"


@pytest.mark.requirement("R67")
async def test_a_stream_the_server_closed_is_resumed() -> None:
    async with link_server("resumable") as server, transport(server).open() as link:
        await initialize(link)
        call(link, "poll", 2)
        assert await text_of(link, 2) == "resumed"


async def test_calls_run_side_by_side() -> None:
    async with link_server("http") as server, transport(server).open() as link:
        await initialize(link)
        began = trio.current_time()
        for number in range(2, 12):
            call(link, "nap", number, seconds=1)
        answered: set[object] = set()
        while len(answered) < 10:
            event = await link.receive()
            assert isinstance(event, Received)
            answered.add(event.frame.id)
        assert trio.current_time() - began < 5


@pytest.mark.requirement("C20")
@pytest.mark.parametrize("how", ["http", "json"])
async def test_a_killed_server_fails_the_call_in_flight(how: str) -> None:
    async with link_server(how) as server, transport(server).open() as link:
        await initialize(link)
        call(link, "nap", 2, seconds=30)
        await trio.sleep(0.5)
        server.kill()
        with pytest.raises(LinkLost):
            await answer_to(link, 2)
        call(link, "add", 3, a=1, b=2)
        with pytest.raises(LinkError) as caught:
            await answer_to(link, 3)
        assert type(caught.value) in (ConnectFailed, LinkLost)


async def test_a_killed_sse_server_loses_the_link() -> None:
    async with link_server("sse") as server, transport(server).open() as link:
        await initialize(link)
        call(link, "nap", 2, seconds=30)
        server.kill()
        assert isinstance(await lost(link), LinkLost)


@pytest.mark.requirement("R67", "C21")
async def test_a_session_ended_by_the_server_fails_the_call_unexecuted() -> None:
    async with link_server("json") as server, transport(server).open() as link:
        await initialize(link)
        headers = {"Mcp-Session-Id": str(vars(link)["_session"])}
        fetcher = HttpClients(TrioNetwork()).fetcher()
        ended = await fetcher.fetch(server.url, method="DELETE", headers=headers)
        assert ended.status == 200
        call(link, "add", 2, a=1, b=2)
        with pytest.raises(SessionLost):
            await answer_to(link, 2)


@pytest.mark.parametrize("how", ["json", "resumable"])
async def test_a_restarted_server_is_reached_by_a_new_link(how: str) -> None:
    async with link_server(how) as server:
        there = transport(server)
        async with there.open() as link:
            await initialize(link)
            server.kill()
            await server.start()
            with pytest.raises(LinkError):
                await call_and_wait(link)
        async with there.open() as link:
            await initialize(link)
            call(link, "add", 2, a=1, b=2)
            assert await text_of(link, 2) == "3"


@pytest.mark.parametrize("how", ["http", "sse"])
async def test_the_probe_finds_the_transport(how: str) -> None:
    async with link_server(how) as server:
        there = upstream(server.url)
        probe = ProbeTransport(StreamableHttpTransport(there), SseTransport(there))
        async with probe.open() as link:
            await initialize(link)
            call(link, "add", 3, a=1, b=2)
            assert await text_of(link, 3) == "3"


@pytest.mark.requirement("C20")
@pytest.mark.parametrize("kind", [StreamableHttpTransport, SseTransport])
async def test_nobody_there_fails_to_connect(kind: Opener) -> None:
    place = f"http://127.0.0.1:{free_port()}"
    said = f"^cannot connect to {place}: Connection refused$"
    with pytest.raises(ConnectFailed, match=said):
        async with kind(upstream(f"{place}/x")).open() as link:
            await initialize(link)
