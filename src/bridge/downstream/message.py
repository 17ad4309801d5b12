"""Requests and responses as plain values.

Handlers take a `Request` and return a `Response` or a `StreamResponse`; ASGI is a thin
adapter around them (`bridge.downstream.asgi`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec


class Request:
    """One HTTP request. Header names are lower case; values are latin-1 text.

    ``body()`` reads the whole body within the limits, once: it raises `BodyTooLarge`
    or `BodyTooSlow`. ``disconnected()`` returns when the client has gone.
    """

    __slots__ = (
        "_body",
        "_disconnected",
        "headers",
        "method",
        "path",
        "peer",
        "query",
        "scheme",
    )

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query: str,
        headers: tuple[tuple[str, str], ...],
        peer: str,
        scheme: str,
        body: Callable[[], Awaitable[bytes]],
        disconnected: Callable[[], Awaitable[None]],
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.peer = peer
        self.scheme = scheme
        self._body = body
        self._disconnected = disconnected

    def header(self, name: str) -> str | None:
        """The value of a header that occurs once; None when it is absent.

        Raises `DoubledHeader` when it occurs more often: two values are an attack or a
        mistake, and either reading could be wrong.
        """
        found = [value for key, value in self.headers if key == name]
        if len(found) > 1:
            raise DoubledHeader(name)
        return found[0] if found else None

    async def body(self) -> bytes:
        return await self._body()

    async def disconnected(self) -> None:
        await self._disconnected()


class DoubledHeader(Exception):
    """A header that must be single occurs twice."""


class BodyTooLarge(Exception):
    """The body is over the limit (413)."""


class BodyTooSlow(Exception):
    """The body did not arrive in time (408)."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class StreamResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A streamed answer.

    ``chunks`` is iterated by the adapter in a scope that ends when the client leaves;
    the iterator's clean-up (``aclose``) runs in either case.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    chunks: AsyncIterator[bytes]


Answer = Response | StreamResponse
Handler = Callable[[Request], Awaitable[Answer]]
