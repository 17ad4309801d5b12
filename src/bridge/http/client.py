"""One HTTP client: one connection, one exchange at a time."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from bridge.errors import FrameTooLarge, LinkError
from bridge.http.body import Body
from bridge.http.transport import BODY, PortTransport
from bridge.ports import Network

#: Reads wait as long as their caller's own deadline says.
_TIMEOUT = httpx.Timeout(connect=10, write=30, pool=5, read=None)
_REDIRECTS = 3
#: 301 and 302 turn a POST into a GET, 303 everything: only a GET may follow them.
_SAME_METHOD = frozenset({307, 308})
_FOR_GET = frozenset({301, 302, 303, 307, 308})

Headers = Mapping[str, str]


class Answer:
    """An HTTP answer whose body has not been read. Header names match in any case."""

    def __init__(self, response: httpx.Response) -> None:
        self._body: Body = response.extensions[BODY]
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def receive(self) -> bytes:
        """The next part of the body; empty at its end. Raises `LinkError`."""
        return await anext(self._body, b"")

    async def read(self, *, limit: int) -> bytes:
        """The whole body. Raises `FrameTooLarge` as soon as it passes ``limit``."""
        body = bytearray()
        while part := await self.receive():
            if len(body) + len(part) > limit:
                raise FrameTooLarge(f"the answer is larger than {limit} bytes")
            body += part
        return bytes(body)


class HttpClient:
    """Exchanges over one connection. Errors come as `LinkError`."""

    def __init__(
        self, network: Network, *, context: ssl.SSLContext, user_agent: str
    ) -> None:
        self._client = httpx.AsyncClient(
            transport=PortTransport(network, context),
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=_TIMEOUT,
            trust_env=False,
            follow_redirects=False,
        )

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes | AsyncIterable[bytes] | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """One request; its answer with the body unread, closed on exit.

        Redirects are followed within the same origin and with the same method, a few
        of them; any other is the caller's answer. An unread body closes the connection.
        ``content`` in parts needs its ``Content-Length`` in ``headers``.
        Raises `LinkError`: `ConnectFailed` when nothing was sent.
        """
        response = await self._send(method, url, headers=headers, content=content)
        for _ in range(_REDIRECTS):
            target = _redirect(response)
            if target is None:
                break
            await response.aclose()
            response = await self._send(
                method, target, headers=headers, content=content
            )
        try:
            _check_encoding(response)
            yield Answer(response)
        finally:
            await response.aclose()

    async def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes | AsyncIterable[bytes] | None,
    ) -> httpx.Response:
        try:
            whole = content if isinstance(content, bytes) else None
            request = self._client.build_request(
                method, url, headers=dict(headers), content=whole
            )
            request.stream = _Upload(b"" if content is None else content)
            return await self._client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # ValueError: a header that is no header (a control character)
            raise LinkError(
                f"no request can be made of this address or these headers"
                f" ({type(error).__name__})"
            ) from error

    async def aclose(self) -> None:
        await self._client.aclose()


class _Upload(httpx.AsyncByteStream):
    """A request's body. httpx's own are generators that it leaves open when cut."""

    def __init__(self, content: bytes | AsyncIterable[bytes]) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        if isinstance(self._content, bytes):
            return _Whole(self._content)
        return aiter(self._content)


class _Whole:
    """An iterator over one part."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        data, self._data = self._data, b""
        if not data:
            raise StopAsyncIteration
        return data


def _redirect(response: httpx.Response) -> str | None:
    """Where to go next; None when this response is the answer."""
    method = response.request.method
    if response.status_code not in (_FOR_GET if method == "GET" else _SAME_METHOD):
        return None
    location = response.headers.get("location", "")
    return resolve(str(response.request.url), location) if location else None


def resolve(base: str, reference: str) -> str | None:
    """The address ``reference`` names, if it is of the same origin as ``base``.

    None for another scheme, host or port: no token may go there (C23, C24).
    """
    try:
        start = httpx.URL(base)
        target = start.join(reference)
        same = _origin(target) == _origin(start)
    except (httpx.InvalidURL, UnicodeError):  # UnicodeError: a host no name can have
        return None
    return str(target) if same else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or default


def _check_encoding(response: httpx.Response) -> None:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise LinkError("the answer is compressed, which was not asked for")
