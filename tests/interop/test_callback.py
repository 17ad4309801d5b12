"""The login listener on real sockets: raw requests, real ports, two desks."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from bridge.downstream.callback import CONNECTIONS, GRACE, CallbackDesk
from bridge.errors import CallbackUnavailable
from bridge.system import SystemClock, TrioNetwork
from kit.journal import Journal
from kit.people import Person

pytestmark = pytest.mark.interop
STATE = "5" * 32
QUERY = f"code=c&state={STATE}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(
    port: int, *, hosts: tuple[str, ...] = ("127.0.0.1",)
) -> AsyncGenerator[CallbackDesk, None]:
    desk = CallbackDesk(
        network=TrioNetwork(),
        clock=SystemClock(),
        log=Journal().log,
        port=port,
        hosts=hosts,
    )
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(desk.run, stopping)
        yield desk
        stopping.set()


async def said_to(port: int, sent: bytes) -> bytes:
    """What is answered to raw bytes, up to the connection's end."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(sent)
        said = b""
        with trio.fail_after(20):
            while part := await stream.receive_some(65536):
                said += part
        return said


def request(port: int, target: str, *, method: str = "GET", more: str = "") -> bytes:
    return (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n".encode()
    )


@pytest.mark.requirement("R85", "R86", "D8")
async def test_a_login_on_a_real_port() -> None:
    port = free_port()
    async with running(port, hosts=("localhost",)) as desk:
        async with desk.attend(STATE) as attendance, trio.open_nursery() as nursery:
            person = Person(TrioNetwork())
            nursery.start_soon(person, f"{desk.redirect_uri('localhost')}?{QUERY}")
            assert (await attendance.redirected())["code"] == "c"
            attendance.answer(success=True)
        assert "Login complete" in person.shown
        await trio.sleep(GRACE + 0.5)
        with pytest.raises(OSError, match="failed"):
            await trio.open_tcp_stream("127.0.0.1", port)
        async with desk.attend(STATE):  # the same port again, at once
            assert desk.listening


@pytest.mark.requirement("R85", "D8")
async def test_no_other_address_of_this_machine_is_listened_on() -> None:
    port = free_port()
    async with running(port) as desk, desk.attend(STATE):
        for address in ("127.0.0.2", "::1"):
            with pytest.raises(OSError, match="failed"):
                await trio.open_tcp_stream(address, port)


@pytest.mark.requirement("R87")
async def test_a_port_that_somebody_has_is_named() -> None:
    port = free_port()
    async with running(port) as bridge, running(port) as command:
        async with bridge.attend(STATE):
            with pytest.raises(CallbackUnavailable, match=str(port)):
                async with command.attend("other"):
                    raise AssertionError("it must not listen")
        await trio.sleep(GRACE + 0.5)
        async with command.attend("other"):
            assert command.listening


@pytest.mark.requirement("D8", "R93")
async def test_raw_bytes_of_strangers_get_a_refusal_and_end_nothing() -> None:
    port = free_port()
    good = f"/oauth/callback?{QUERY}"
    length = "Content-Length: 3\r\n"
    sent = {
        request(port, "/"): b"404",
        request(port, "/oauth/callback?state=x"): b"400",
        request(port, good, method="POST", more=length) + b"a=b": b"405",
        request(1, good): b"400",
        request(port, good, more="Host: evil.test\r\n"): b"400",
        f"GET {good} HTTP/1.1\r\n\r\n".encode(): b"400",
        request(port, good, more=f"X: {'x' * 20_000}\r\n"): b"431",
        b"\x16\x03\x01\x02\x00\x01junk\r\n\r\n": b"400",
        request(port, good, more=length + "Transfer-Encoding: chunked\r\n"): b"400",
    }
    async with running(port) as desk, desk.attend(STATE) as attendance:
        for raw, status in sent.items():
            said = await said_to(port, raw)
            assert said.split()[1:2] == [status], (raw[:80], said[:200])
            assert b"evil" not in said
        with trio.move_on_after(0.1) as waited:
            await attendance.redirected()
        assert waited.cancelled_caught
        attendance.answer(success=True)
        page = await said_to(port, request(port, good))
    assert page.startswith(b"HTTP/1.1 200")
    assert b"content-security-policy: default-src 'none'" in page.lower()


@pytest.mark.requirement("D8")
async def test_a_crowd_of_silent_connections_is_bounded() -> None:
    port = free_port()
    async with running(port) as desk, desk.attend(STATE) as attendance:
        attendance.answer(success=True)
        crowd = [
            await trio.open_tcp_stream("127.0.0.1", port)
            for _ in range(CONNECTIONS + 4)
        ]
        page = await said_to(port, request(port, f"/oauth/callback?{QUERY}"))
        for stream in crowd:
            await stream.aclose()
    assert page.startswith(b"HTTP/1.1 200")
