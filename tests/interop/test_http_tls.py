import datetime as dt
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import hypercorn.trio
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypercorn.config import Config

from bridge.errors import ConnectFailed, LinkError, LinkTimeout
from bridge.http import HttpClients
from bridge.system import TrioNetwork
from interop.rig.link_server import free_port

pytestmark = pytest.mark.interop

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Says the HTTP version; ``/slow`` never ends, ``/set`` sets a cookie."""
    while scope["type"] == "lifespan":
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
    headers = [(b"set-cookie", b"a=b")] if scope["path"] == "/set" else []
    if scope["path"] == "/moved":
        headers = [(b"location", b"/here")]
    status = 307 if scope["path"] == "/moved" else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    cookies = dict(scope["headers"]).get(b"cookie", b"none")
    body = f"{scope['http_version']} {scope['path']} ".encode() + cookies
    more = scope["path"] == "/slow"
    await send({"type": "http.response.body", "body": body, "more_body": more})
    while more:
        await trio.sleep(0.01)
        part = {"type": "http.response.body", "body": b"x" * 999, "more_body": True}
        await send(part)


def certify(folder: Path) -> tuple[str, str]:
    """A certificate nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


async def serve(
    nursery: trio.Nursery, folder: Path, protocols: list[str] | None = None
) -> str:
    """A TLS server on loopback; returns its address."""
    config = Config()
    config.bind = [f"127.0.0.1:{free_port()}"]
    config.certfile, config.keyfile = certify(folder)
    config.errorlog = None
    config.alpn_protocols = protocols or ["h2", "http/1.1"]
    # hypercorn's own types name half of their parameters
    run = partial(cast("Any", hypercorn.trio).serve, app, config, mode="asgi")
    bound = cast("list[str]", await nursery.start(run))
    return bound[0].replace("http://", "https://")


@pytest.mark.requirement("R65")
@pytest.mark.parametrize(
    ("protocols", "version"), [(["h2", "http/1.1"], b"2"), (["http/1.1"], b"1.1")]
)
async def test_http2_is_spoken_when_it_is_offered(
    tmp_path: Path, *, protocols: list[str], version: bytes
) -> None:
    async with trio.open_nursery() as nursery:
        url = await serve(nursery, tmp_path, protocols)
        fetched = await HttpClients(TrioNetwork()).fetcher(verify=False).fetch(url)
        assert fetched.body.split()[0] == version
        nursery.cancel_scope.cancel()


@pytest.mark.requirement("R149")
async def test_an_unknown_certificate_is_refused_unless_that_is_asked_for(
    tmp_path: Path,
) -> None:
    async with trio.open_nursery() as nursery:
        url = await serve(nursery, tmp_path)
        clients = HttpClients(TrioNetwork())
        with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await clients.fetcher().fetch(url)
        assert (await clients.fetcher(verify=False).fetch(url)).status == 200
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("protocols", [["h2"], ["http/1.1"]])
async def test_a_body_left_unread_does_not_harm_the_next_exchange(
    tmp_path: Path, *, protocols: list[str]
) -> None:
    async with trio.open_nursery() as nursery:
        url = await serve(nursery, tmp_path, protocols)
        client = HttpClients(TrioNetwork()).client(verify=False)
        for _ in range(3):
            async with client.exchange("GET", f"{url}/slow", headers={}) as answer:
                assert await answer.receive()
            async with client.exchange("GET", f"{url}/ok", headers={}) as answer:
                assert b"/ok" in await answer.read(limit=100)
        await client.aclose()
        nursery.cancel_scope.cancel()


async def test_cookies_are_not_kept_and_redirects_stay_on_the_origin(
    tmp_path: Path,
) -> None:
    async with trio.open_nursery() as nursery:
        url = await serve(nursery, tmp_path)
        client = HttpClients(TrioNetwork()).client(verify=False)
        for path in ("/set", "/moved"):
            async with client.exchange("GET", url + path, headers={}) as answer:
                body = await answer.read(limit=100)
                assert body.endswith(b" none")
        assert b"/here" in body
        await client.aclose()
        nursery.cancel_scope.cancel()


@pytest.mark.requirement("A41")
async def test_a_fetch_is_bounded_in_size_and_time(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        url = await serve(nursery, tmp_path)
        fetcher = HttpClients(TrioNetwork()).fetcher(verify=False)
        with pytest.raises(LinkError, match="larger than 5000 bytes"):
            await fetcher.fetch(f"{url}/slow", max_bytes=5000)
        with pytest.raises(LinkTimeout, match=r"within 0\.3 s"):
            await fetcher.fetch(f"{url}/slow", deadline=0.3)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("url", ["ftp://h/", "nonsense", "http://", "http://h\0/"])
async def test_an_address_that_is_none_is_an_error_of_the_tree(url: str) -> None:
    with pytest.raises(LinkError):
        await HttpClients(TrioNetwork()).fetcher().fetch(url)
