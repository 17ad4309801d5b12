"""From an ASGI scope to a `Request`: what the HTTP engine leaves open is closed here.

Heads are bounded in size and count, a message has one length only, bodies are plain
JSON within a size and a time limit.
"""

from collections.abc import Sequence
from functools import lru_cache

import trio
from hypercorn.typing import ASGIReceiveCallable, HTTPScope

from bridge.downstream.answer import refusal
from bridge.downstream.forwarded import TrustedProxies
from bridge.downstream.message import (
    BodyTooLarge,
    BodyTooSlow,
    DoubledHeader,
    Request,
    Response,
)

#: Far above what any client sends, far below what would cost us anything.
MAX_HEADERS = 100
MAX_TARGET = 8 * 2**10
#: A body is at most a few megabytes; a peer that needs longer is stuck or hostile.
BODY_DEADLINE = 30.0

CLOSE = (("connection", "close"),)


class Refused(Exception):
    """The request cannot be served; ``answer`` says why."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


class ClientGone(Exception):
    """The client left before its request was whole: nobody waits for an answer."""


class Reader:
    """Builds requests within fixed limits."""

    def __init__(
        self, *, body_bytes: int, header_bytes: int, proxies: TrustedProxies
    ) -> None:
        self._body_bytes = body_bytes
        self._header_bytes = header_bytes
        self._proxies = proxies

    def read(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> Request:
        """The request of a scope. Raises `Refused` for a head that is not acceptable.

        Behind a trusted proxy the Host, scheme and peer are those the proxy saw.
        """
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
        )
        target = len(scope["raw_path"]) + len(scope["query_string"])
        self._check_sizes(headers, target)
        _check_framing(headers)
        _check_path(scope["path"])
        client = scope["client"]
        seen = self._proxies.see(
            peer=client[0] if client else "", scheme=scope["scheme"], headers=headers
        )
        others = tuple(pair for pair in headers if pair[0] != "host")
        body = Body(receive, declared=_declared(headers), limit=self._body_bytes)
        return Request(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=(*(("host", host) for host in seen.hosts), *others),
            peer=seen.peer,
            scheme=seen.scheme,
            body=body.read,
            disconnected=body.disconnected,
        )

    def _check_sizes(self, headers: Sequence[tuple[str, str]], target: int) -> None:
        if target > MAX_TARGET:
            raise _bad(414, "target_too_long", "the address is too long")
        size = sum(len(name) + len(value) + 4 for name, value in headers)
        if len(headers) > MAX_HEADERS or size > self._header_bytes:
            raise _bad(431, "header_too_large", "the request's header is too large")


class Body:
    """One request's body, and the news that its client has gone."""

    def __init__(
        self, receive: ASGIReceiveCallable, *, declared: int | None, limit: int
    ) -> None:
        self._receive = receive
        self._declared = declared
        self._limit = limit

    async def read(self) -> bytes:
        """All of it. Raises `BodyTooLarge` (at once when the declared length says so),
        `BodyTooSlow`, or `ClientGone`."""
        if self._declared is not None and self._declared > self._limit:
            raise BodyTooLarge
        with trio.move_on_after(BODY_DEADLINE):
            return await self._collect()
        raise BodyTooSlow

    async def disconnected(self) -> None:
        """Return when the client has gone; what it still sends is thrown away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _collect(self) -> bytes:
        # One growing buffer: a list of a million one-byte parts would cost forty times
        # what was sent.
        whole = bytearray()
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGone
            whole += message["body"]
            if len(whole) > self._limit:
                raise BodyTooLarge
            if not message["more_body"]:
                return bytes(whole)


def require_json(request: Request) -> None:
    """Raises `Refused` (415) unless the body is plain JSON."""
    coding = (request.header("content-encoding") or "identity").strip().lower()
    if coding != "identity":
        raise _bad(415, "content_coding", "compressed bodies are not accepted")
    media_type, _, parameters = (request.header("content-type") or "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise _bad(415, "content_type", "the body must be application/json")
    if not _is_utf8(parameters):
        raise _bad(415, "charset", "the body must be UTF-8")


def accepts(request: Request, media_type: str) -> bool:
    """Whether the client takes ``media_type`` (RFC 9110 section 12.5.1, without
    preferences: every type named counts, but for a weight of zero)."""
    values = [value for name, value in request.headers if name == "accept"]
    return not values or any(_allows(value, media_type) for value in values)


@lru_cache(maxsize=256)  # a client sends the same one with every request
def _allows(accept: str, media_type: str) -> bool:
    wanted = {media_type, media_type.partition("/")[0] + "/*", "*/*"}
    return any(_media_range(part) in wanted for part in accept.split(","))


def _media_range(part: str) -> str:
    media_range, *parameters = [piece.strip().lower() for piece in part.split(";")]
    weights = [p[2:] for p in parameters if p.startswith("q=")]
    return "" if any(w.rstrip("0") in ("", ".", "0.") for w in weights) else media_range


def _is_utf8(parameters: str) -> bool:
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return value.strip().strip('"') in {"utf-8", "utf8", "us-ascii"}
    return True


def _check_framing(headers: Sequence[tuple[str, str]]) -> None:
    """Two ways to find a message's end are one too many (request smuggling)."""
    names = {name for name, _ in headers}
    if {"content-length", "transfer-encoding"} <= names:
        raise _bad(400, "framing", "Content-Length and Transfer-Encoding together")


def _check_path(path: str) -> None:
    """Control characters have no place in an address of ours (B3)."""
    if not path.isprintable():
        raise _bad(400, "bad_path", "the address has unprintable characters")


def _declared(headers: Sequence[tuple[str, str]]) -> int | None:
    values = [value for name, value in headers if name == "content-length"]
    if not values:
        return None
    try:
        # The engine has checked that it is digits; their number it has not.
        return int(values[0])
    except ValueError:
        raise BodyTooLarge from None


def _bad(status: int, error: str, message: str) -> Refused:
    return Refused(refusal(status, error, message, headers=CLOSE))


def answer_to(error: Exception) -> Response | None:
    """The answer to what reading a request raised; None: not one of these."""
    match error:
        case Refused():
            return error.answer
        case BodyTooLarge():
            return refusal(
                413, "body_too_large", "the body is too large", headers=CLOSE
            )
        case BodyTooSlow():
            return refusal(
                408, "body_too_slow", "the body came too slowly", headers=CLOSE
            )
        case DoubledHeader():
            return refusal(400, "doubled_header", f"more than one {error}")
        case _:
            return None
