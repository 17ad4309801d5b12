"""The downstream side over memory streams, with the real router room behind it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import trio
import trio.testing

from bridge.config.model import AuthConfig, BridgeConfig, LimitsConfig
from bridge.contract.principal import Principal
from bridge.downstream.asgi import AsgiApplication
from bridge.downstream.authority import AuthorityPolicy
from bridge.downstream.forwarded import TrustedProxies
from bridge.downstream.gateway import Gateway, Parts
from bridge.downstream.guard import Admission, Door
from bridge.downstream.message import Request
from bridge.downstream.metadata import ResourceMetadata
from bridge.downstream.request import Reader
from bridge.downstream.server import HttpServer
from bridge.errors import TokenInvalid, TokenMissing
from bridge.observe.status import BridgeStatus, OAuthStatus, UpstreamStatus
from bridge.observe.tree import Node
from kit.browser import Browser, Headers, Reply
from kit.journal import Journal
from kit.routing import RouterRoom, policy, tool

EPOCH = 1_800_000_000.0
ALICE = Principal(issuer="https://issuer", subject="alice", client="app")
BOB = Principal(issuer="https://issuer", subject="bob", client="app")
JSON: Headers = (("content-type", "application/json"),)
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


class TestClock:
    """Epoch time that runs with Trio's."""

    __test__ = False

    def now(self) -> float:
        return EPOCH + trio.current_time()


class TokenDoor:
    """Knows tokens by heart: ``alice``, ``bob``, and what a test adds."""

    def __init__(self) -> None:
        self.admissions = {
            "alice": Admission(principal=ALICE),
            "bob": Admission(principal=BOB),
        }

    async def admit(self, request: Request) -> Admission:
        value = request.header("authorization")
        if value is None:
            raise TokenMissing("no token")
        try:
            return self.admissions[value.removeprefix("Bearer ")]
        except KeyError:
            raise TokenInvalid("unknown token") from None


class PanelControl:
    """Control as a row of switches."""

    def __init__(self) -> None:
        self.ready = True
        self.draining = False
        self.asked: list[str] = []
        self.logins: tuple[OAuthStatus, ...] = ()
        self.pasted: bool | None = None
        self.upstreams: tuple[UpstreamStatus, ...] = (
            UpstreamStatus(
                name="files", state="connected", tags=("home", "disk"), tools=2
            ),
            UpstreamStatus(
                name="web", state="backoff", since=1.0, retry_at=9.0, tags=("home",)
            ),
        )

    def status(self) -> BridgeStatus:
        return BridgeStatus(
            version="1",
            ready=self.ready,
            uptime=1.0,
            sessions=0,
            table_version=1,
            tools=2,
            prompts=0,
            resources=0,
            upstreams=self.upstreams,
        )

    def tree(self) -> Node:
        return Node(name="bridge", kind="bridge", state="ready")

    def reconnect(self, name: str) -> bool:
        self.asked.append(name)
        return any(
            upstream.name == name and upstream.state != "disabled"
            for upstream in self.upstreams
        )

    def rescan(self) -> int:
        return len(self.upstreams)

    def oauth(self) -> tuple[OAuthStatus, ...]:
        return self.logins

    def login(self, name: str, *, force: bool) -> bool:
        self.asked.append(f"{'force' if force else 'login'} {name}")
        return not self.draining

    def logout(self, name: str) -> bool:
        self.asked.append(f"logout {name}")
        return True

    async def paste(self, query: str) -> bool | None:
        await trio.lowlevel.checkpoint()
        self.asked.append(query)
        return self.pasted


class SimulatedSocket:
    """What the server asks of a socket."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def getpeername(self) -> tuple[str, int]:
        return (self._peer, 50_000)

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 8080)


class SimulatedStream(trio.abc.HalfCloseableStream):
    """One end of a pair of memory streams, with a socket's names."""

    def __init__(self, inner: Any, *, peer: str = "127.0.0.1") -> None:
        self._inner = inner
        self.socket = SimulatedSocket(peer)
        self.writes: list[bytes] = []

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._inner.receive_some(max_bytes))

    async def send_eof(self) -> None:
        await self._inner.send_eof()

    async def aclose(self) -> None:
        await self._inner.aclose()


class SimulatedListener(trio.abc.Listener[trio.abc.Stream]):
    """A listener clients connect to by name of nothing at all."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[trio.abc.Stream | OSError](
            100
        )
        self.accepted: list[SimulatedStream] = []
        self.closed = False

    async def accept(self) -> trio.abc.Stream:
        stream = await self._receive.receive()
        if isinstance(stream, OSError):
            raise stream
        return stream

    async def aclose(self) -> None:
        self.closed = True
        await trio.lowlevel.checkpoint()

    def fail(self, error: OSError) -> None:
        """The next accept raises this."""
        self._send.send_nowait(error)

    def connect(self, *, lockstep: bool = False, peer: str = "127.0.0.1") -> Any:
        """The client's end. ``lockstep``: a write waits until it is read."""
        pair = trio.testing.lockstep_stream_pair if lockstep else _memory_pair
        ours, theirs = pair()
        stream = SimulatedStream(theirs, peer=peer)
        self.accepted.append(stream)
        self._send.send_nowait(stream)
        return ours


def _memory_pair() -> tuple[Any, Any]:
    return trio.testing.memory_stream_pair()


class Front:
    """Server, gateway and router room in one; ``start`` it in a nursery."""

    def __init__(
        self,
        *,
        limits: LimitsConfig | None = None,
        bridge: BridgeConfig | None = None,
        room: RouterRoom | None = None,
        handler: Callable[[Request], Awaitable[Any]] | None = None,
        issuer: str = "https://issuer",
        door: Door | None = None,
    ) -> None:
        self.room = room or RouterRoom(
            policy("files", tags=frozenset({"home", "disk"})),
            policy("web", tags=frozenset({"home"})),
        )
        self.journal = Journal()
        self.door = TokenDoor()
        self.control = PanelControl()
        self.listener = SimulatedListener()
        self.bridge = bridge or BridgeConfig(
            limits=limits or LimitsConfig(), auth=AuthConfig(leeway=30.0)
        )
        metadata = ResourceMetadata(
            public_url=self.bridge.public_url,
            listening="127.0.0.1:8080",
            issuer=lambda: issuer,
        )
        self.gateway = Gateway(
            Parts(
                bridge=self.bridge,
                authority=AuthorityPolicy.from_config(
                    self.bridge, bound=[("127.0.0.1", 8080)]
                ),
                door=door or self.door,
                metadata=metadata if issuer else None,
                sessions=self.room.sessions,
                dispatcher=self.room.dispatcher,
                control=self.control,
                knows=self.room.board.knows,
                clock=TestClock(),
            )
        )
        self.server = HttpServer(
            AsgiApplication(
                handler or self.gateway.handle,
                reader=Reader(
                    body_bytes=self.bridge.limits.body_bytes,
                    header_bytes=self.bridge.limits.header_bytes,
                    proxies=TrustedProxies(self.bridge.trusted_proxies),
                ),
                log=self.journal.log,
            ),
            clock=TestClock(),
            log=self.journal.log,
            connections=self.bridge.limits.connections,
        )

    async def start(self, nursery: trio.Nursery) -> None:
        """Serve, with two upstreams of which ``files`` is up."""
        await self.room.start(nursery)
        self.room.up("files", tools=[tool("read"), tool("write")])
        await nursery.start(self.server.serve, [self.listener])
        nursery.start_soon(self.gateway.sweep)
        await trio.sleep(1)  # list changes have been told

    def browser(self, *, lockstep: bool = False, peer: str = "127.0.0.1") -> Browser:
        return Browser(self.listener.connect(lockstep=lockstep, peer=peer))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "alice",
        headers: Headers = (),
        body: object = None,
    ) -> Reply:
        """One request on a connection of its own."""
        browser = self.browser()
        reply = await browser.ask(
            method, path, headers=given(token, headers), body=encoded(body)
        )
        await browser.stream.aclose()
        return reply

    async def open_sse(self, token: str = "alice", path: str = "/sse") -> "SseClient":
        """An HTTP+SSE client, with its stream open and its hands shaken."""
        client = SseClient(self, token)
        await client.open(path)
        return client

    async def open_mcp(self, token: str = "alice", path: str = "/mcp") -> "McpClient":
        """A streamable HTTP client that has shaken hands."""
        client = McpClient(self, token, path)
        reply = await client.post("initialize", HELLO, id=0)
        assert reply.status == 200, reply
        client.session_id = reply.headers["mcp-session-id"]
        assert (await client.post("notifications/initialized")).status == 202
        return client


class SseClient:
    """A client of ``/sse``: one connection for the stream, one per POST."""

    def __init__(self, front: Front, token: str) -> None:
        self.front = front
        self.token = token
        self.stream = front.browser()
        self.endpoint = ""

    async def open(self, path: str) -> None:
        await self.stream.send("GET", path, headers=given(self.token))
        head = await self.stream.head()
        assert head.status == 200, head
        first = await self.stream.block()
        assert first is not None
        kind, _, data = first.partition("\n")
        assert kind == "event: endpoint"
        self.endpoint = data.removeprefix("data: ")
        await self.post("initialize", HELLO, id=0)
        assert (await self.stream.message())["id"] == 0
        await self.post("notifications/initialized")

    async def post(
        self,
        method: str,
        params: object = None,
        *,
        id: int | str | None = None,  # noqa: A002 - the wire's own word
        token: str | None = None,
    ) -> Reply:
        return await self.front.ask(
            "POST",
            self.endpoint,
            token=token or self.token,
            headers=JSON,
            body=frame(method, params, id=id),
        )


class McpClient:
    """A client of ``/mcp``."""

    def __init__(self, front: Front, token: str, path: str) -> None:
        self.front = front
        self.token = token
        self.path = path
        self.session_id = ""

    def headers(self, *more: tuple[str, str]) -> Headers:
        session = [("mcp-session-id", self.session_id)] if self.session_id else []
        return [*JSON, *session, *more]

    async def post(
        self,
        method: str,
        params: object = None,
        *,
        id: int | str | None = None,  # noqa: A002 - the wire's own word
        token: str | None = None,
        headers: Headers = (),
    ) -> Reply:
        return await self.front.ask(
            "POST",
            self.path,
            token=token or self.token,
            headers=self.headers(*headers),
            body=frame(method, params, id=id),
        )

    async def begin(
        self,
        method: str,
        params: object = None,
        *,
        id: int | str,  # noqa: A002
    ) -> Browser:
        """Post a request and leave its answer to be read."""
        browser = self.front.browser()
        await browser.send(
            "POST",
            self.path,
            headers=given(self.token, self.headers()),
            body=encoded(frame(method, params, id=id)),
        )
        return browser

    async def listen(self) -> Browser:
        """Open the session's own stream."""
        browser = self.front.browser()
        await browser.send("GET", self.path, headers=given(self.token, self.headers()))
        head = await browser.head()
        assert head.status == 200, head
        return browser


def frame(method: str, params: object = None, *, id: int | str | None = None) -> object:  # noqa: A002
    """A request, or without an id a notification."""
    members: dict[str, object] = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        members["params"] = params
    if id is not None:
        members["id"] = id
    return members


def given(token: str | None, headers: Headers = ()) -> Headers:
    if token is None:
        return headers
    return [*headers, ("authorization", f"Bearer {token}")]


def encoded(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return b"" if body is None else msgspec.json.encode(body)
