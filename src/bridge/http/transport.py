"""The httpx transport: httpcore over the Network port, its errors in our tree."""

import ssl
from collections.abc import AsyncIterable
from typing import cast

import httpcore
import httpx
import trio

from bridge.http.backend import PortBackend
from bridge.http.body import Body, mapped
from bridge.ports import Network

#: An idle connection is dropped before common servers drop it under a request.
_KEEPALIVE_EXPIRY = 20.0
_CLOSE_DEADLINE = 2.0
#: Where a response's `Body` is found: httpx would wrap it into generators.
BODY = "bridge.body"


class PortTransport(httpx.AsyncBaseTransport):
    """One connection, made when it is needed and made again when it broke."""

    def __init__(self, network: Network, context: ssl.SSLContext) -> None:
        self._backend = PortBackend(network)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=_KEEPALIVE_EXPIRY,
            http1=True,
            http2=True,
            network_backend=self._backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        with mapped(origin):
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme,
                        host=url.raw_host,
                        port=url.port,
                        target=url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=cast("httpx.AsyncByteStream", request.stream),
                    extensions=request.extensions,
                )
            )
        body = Body(
            cast("AsyncIterable[bytes]", response.stream),
            origin=origin,
            connection=self,
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=body,
            extensions={BODY: body},
        )

    async def cut(self) -> None:
        await self._backend.cut()

    async def reset(self) -> None:
        await self._pool.aclose()

    async def aclose(self) -> None:
        with trio.move_on_after(_CLOSE_DEADLINE, shield=True):
            await self._pool.aclose()
