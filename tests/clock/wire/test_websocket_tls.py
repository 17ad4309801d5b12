"""wss: the shared TLS context, its verification, and what is offered in it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from bridge.errors import ConnectFailed, LinkError
from bridge.http import HttpClients
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.websocket import WebSocketTransport
from kit.certificates import Certified
from kit.links import answer_to, ask
from kit.network import SimulatedNetwork
from kit.recorded import RecordedLog
from kit.sockets import HOST, SocketServer


class World:
    def __init__(self, certified: Certified) -> None:
        self.certified = certified
        self.network = SimulatedNetwork()
        self.clients = HttpClients(self.network)
        self.server = SocketServer()
        self.server.secure = self.secure
        self.secured: list[trio.SSLStream[trio.abc.Stream]] = []

    def secure(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        context = self.certified.server_context
        secured = trio.SSLStream(
            stream, context, server_side=True, https_compatible=True
        )
        self.secured.append(secured)
        return secured

    def trust(self) -> None:
        self.clients.context().load_verify_locations(cadata=self.certified.pem)

    def transport(self, *, verify: bool = True) -> WebSocketTransport:
        upstream = HttpUpstream(
            f"wss://{HOST}/mcp",
            name="feed",
            clients=self.clients,
            headers=dict,
            log=RecordedLog(),
            frame_bytes=2000,
            verify=verify,
        )
        return WebSocketTransport(upstream, network=self.network)

    async def opening(self) -> LinkError:
        with pytest.raises(LinkError) as caught:
            async with self.transport().open():
                pass
        return caught.value


@asynccontextmanager
async def world(folder: Path, host: str = HOST) -> AsyncGenerator[World, None]:
    async with trio.open_nursery() as nursery:
        w = World(Certified(host, folder))
        await w.server.serve(w.network, nursery, port=443)
        yield w
        nursery.cancel_scope.cancel()


async def test_a_certified_server_is_spoken_to(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with world(tmp_path) as w:
        w.trust()
        async with w.transport().open() as link:
            ask(link, "ping", upstream_id=1)
            await answer_to(link, 1)


@pytest.mark.requirement("C20")
async def test_a_certificate_nobody_vouches_for_is_refused(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with world(tmp_path) as w:
        error = await w.opening()
    assert isinstance(error, ConnectFailed)
    assert "CERTIFICATE_VERIFY_FAILED" in error.public
    assert not w.server.requests


async def test_a_certificate_of_another_name_is_refused(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with world(tmp_path, "other.test") as w:
        w.trust()
        assert "Hostname mismatch" in (await w.opening()).public


async def test_verification_is_switched_off_per_server(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with world(tmp_path, "other.test") as w:
        async with w.transport(verify=False).open() as link:
            ask(link, "ping", upstream_id=1)
            await answer_to(link, 1)
        assert isinstance(await w.opening(), ConnectFailed)


async def test_http2_is_never_agreed_though_http_clients_offer_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """They share the context: a server that prefers h2 would then speak it."""
    async with world(tmp_path) as w:
        w.trust()
        w.clients.context().set_alpn_protocols(["http/1.1", "h2"])  # as httpcore does
        w.certified.server_context.set_alpn_protocols(["h2", "http/1.1"])
        async with w.transport().open() as link:
            ask(link, "ping", upstream_id=1)
            await answer_to(link, 1)
        assert w.secured[0].selected_alpn_protocol() == "http/1.1"


async def test_a_server_that_hangs_in_the_tls_handshake_is_given_up(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with world(tmp_path) as w:

        async def hang(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        w.network.forget((HOST, 443))
        async with trio.open_nursery() as nursery:
            await w.network.serve(nursery, (HOST, 443), handler=hang)
            assert "within 10 s" in (await w.opening()).public
            nursery.cancel_scope.cancel()


async def test_a_server_without_tls_is_said(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with world(tmp_path) as w:
        w.server.secure = lambda stream: stream
        assert "no secure connection to 'feed'" in (await w.opening()).public
