"""Pure: the HTTP side of a WebSocket: what we ask, and what the answer means."""

import re
from collections.abc import Mapping

import httpx
import msgspec

from bridge import __version__
from bridge.errors import ConnectFailed, LinkError, RequestRefused
from bridge.wire import answers

_SWITCHING = 101
#: Some servers end their lines with a bare newline.
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?![^ \r\n])")
#: Said by the handshake itself; a configured value would break it.
_OURS = frozenset({"host", "connection", "upgrade", "user-agent"})


class SocketAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a WebSocket is, in the words of its handshake."""

    host: str
    port: int
    secure: bool
    netloc: str
    target: str


def address_of(url: str, *, name: str) -> SocketAddress:
    """The parts of a ws:// or wss:// address. Raises `ConnectFailed`."""
    try:
        parsed = httpx.URL(url)
        netloc = parsed.netloc.decode("ascii")
        netloc.encode("idna")  # as the handshake will: a label has its bound
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ConnectFailed(f"'{name}' has an address nobody can be asked at") from (
            error
        )
    secure = parsed.scheme == "wss"
    return SocketAddress(
        host=parsed.raw_host.decode("ascii").strip("[]"),
        port=parsed.port or (443 if secure else 80),
        secure=secure,
        netloc=netloc,
        target=parsed.raw_path.decode("ascii"),
    )


def handshake_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """What the handshake carries beside its own. Raises UnicodeError."""
    product = (b"User-Agent", f"mcp-trio-bridge/{__version__}".encode())
    return [
        product,
        *(
            (name.encode("ascii"), value.encode("latin-1"))
            for name, value in headers.items()
            if name.lower() not in _OURS
            and not name.lower().startswith("sec-websocket-")
        ),
    ]


def end_of_head(data: bytes | bytearray) -> int:
    """Where what follows the head begins; 0 while the head is not whole."""
    found = _END.search(data)
    return found.end() if found else 0


def refusal(head: bytes, *, name: str) -> LinkError | None:
    """The error an answer to the handshake stands for; None when it is agreed.

    The body is never read: a server that refuses owes us no more than its headers,
    and some end a body only with the connection.
    """
    found = _STATUS.match(head)
    if found is None:
        return ConnectFailed(f"'{name}' does not speak HTTP")
    status = int(found[1])
    if status == _SWITCHING:
        return None
    error = answers.refusal(status, _headers(head), name=name)
    match error:
        case None:
            return ConnectFailed(
                f"'{name}' answered with HTTP status {status}"
                " where a WebSocket was expected"
            )
        case RequestRefused():  # redirects among them: none is followed
            return ConnectFailed(error.public, retry_after=error.retry_after)
        case _:
            return error


def _headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in head.decode("latin-1").splitlines()[1:]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
