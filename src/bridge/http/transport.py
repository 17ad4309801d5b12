"""The httpx transport: httpcore over the Network port, its errors in our tree."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Generator
from contextlib import contextmanager
from typing import Any, cast

import h2.exceptions
import httpcore
import httpx
import trio

from bridge.errors import ConnectFailed, LinkLost, LinkTimeout
from bridge.http.backend import PortBackend
from bridge.ports import Network

#: An idle connection is dropped before common servers drop it under a request.
_KEEPALIVE_EXPIRY = 20.0
_CLOSE_DEADLINE = 2.0


@contextmanager
def _mapped(origin: str) -> Generator[None, None, None]:
    try:
        yield
    except (
        httpcore.ConnectError,
        httpcore.ConnectTimeout,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise ConnectFailed(f"cannot connect to {origin}: {error}") from error
    except httpcore.TimeoutException as error:
        raise LinkTimeout(f"{origin} did not take the request in time") from error
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        h2.exceptions.H2Error,  # httpcore lets it through while a body is read
    ) as error:
        reason = str(error) or "connection reset"
        raise LinkLost(f"the connection to {origin} broke: {reason}") from error


class _Body(httpx.AsyncByteStream):
    def __init__(
        self, stream: AsyncIterable[bytes], transport: "PortTransport"
    ) -> None:
        self._stream = stream
        self._transport = transport
        self._ended = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        with _mapped(self._transport.origin):
            async for part in self._stream:
                yield part
        self._ended = True

    async def aclose(self) -> None:
        with trio.move_on_after(_CLOSE_DEADLINE, shield=True):
            await cast("httpx.AsyncByteStream", self._stream).aclose()
            if not self._ended:
                # HTTP/2 in httpcore neither resets a stream left unread nor returns
                # its flow window; the server must learn that nobody listens.
                await self._transport.reset()


class PortTransport(httpx.AsyncBaseTransport):
    """One connection, made when it is needed and made again when it broke."""

    def __init__(self, network: Network, context: ssl.SSLContext) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=_KEEPALIVE_EXPIRY,
            http1=True,
            http2=True,
            network_backend=PortBackend(network),
        )
        self.origin = ""  # of the last request, for messages

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        self.origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        with _mapped(self.origin):
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
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(cast("AsyncIterable[bytes]", response.stream), self),
            extensions=cast("dict[str, Any]", response.extensions),  # pyright: ignore[reportUnknownMemberType] - httpcore's own
        )

    async def reset(self) -> None:
        """Close the connection; the next request opens another."""
        await self._pool.aclose()

    async def aclose(self) -> None:
        with trio.move_on_after(_CLOSE_DEADLINE, shield=True):
            await self._pool.aclose()
