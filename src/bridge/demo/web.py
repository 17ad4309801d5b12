"""Serves one small handler on a free port of loopback, until it is cancelled."""

from collections.abc import Callable

import trio

from bridge.downstream.answer import refusal
from bridge.downstream.asgi import AsgiApplication
from bridge.downstream.authority import AuthorityPolicy, parse_authority
from bridge.downstream.forwarded import TrustedProxies
from bridge.downstream.front import bound_to
from bridge.downstream.message import Answer, Handler, Request
from bridge.downstream.request import Reader
from bridge.downstream.server import HttpServer
from bridge.errors import OriginRefused
from bridge.observe.logging import Log
from bridge.ports import Ports

LOOPBACK = "127.0.0.1"
_CONNECTIONS = 64
_BODY = 2**20
_HEAD = 16 * 2**10


async def serve_handler(
    make: Callable[[str], Handler],
    ports: Ports,
    log: Log,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the handler that ``make`` builds of its own base address. Reports that."""
    listeners = await ports.network.listen(LOOPBACK, 0)
    host, port = bound_to(listeners[0], (LOOPBACK, 0))
    url = f"http://{host}:{port}"
    server = HttpServer(
        AsgiApplication(
            _for_this_host_only(make(url), f"{host}:{port}"),
            reader=Reader(
                body_bytes=_BODY, header_bytes=_HEAD, proxies=TrustedProxies(())
            ),
            log=log,
        ),
        clock=ports.clock,
        log=log,
        connections=_CONNECTIONS,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, listeners)
        task_status.started(url)


def _for_this_host_only(handler: Handler, host: str) -> Handler:
    """No page in a browser reaches it under another name (DNS rebinding)."""
    authority = parse_authority(host)
    assert authority is not None
    policy = AuthorityPolicy(hosts=frozenset({authority}), origins=frozenset())

    async def handle(request: Request) -> Answer:
        try:
            policy.check(
                hosts=[value for name, value in request.headers if name == "host"],
                origins=[value for name, value in request.headers if name == "origin"],
            )
        except OriginRefused as error:
            return refusal(403, "forbidden", error.public)
        return await handler(request)

    return handle
