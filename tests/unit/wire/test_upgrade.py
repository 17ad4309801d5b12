import pytest

from bridge.errors import ConnectFailed, Forbidden, LinkError, Unauthorized
from bridge.wire.upgrade import address_of, end_of_head, handshake_headers, refusal


def refused(head: bytes) -> LinkError:
    error = refusal(head + b"\r\n\r\n", name="feed")
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (
            "ws://h.example.com",
            ("h.example.com", 80, False, "h.example.com", "/"),
        ),
        ("wss://h:443/a?x=1", ("h", 443, True, "h", "/a?x=1")),
        ("wss://h:8443/a", ("h", 8443, True, "h:8443", "/a")),
        ("ws://[::1]:90/mcp", ("::1", 90, False, "[::1]:90", "/mcp")),
        ("wss://h/ä b", ("h", 443, True, "h", "/%C3%A4%20b")),
    ],
)
def test_an_address_is_taken_apart(url: str, parts: tuple[object, ...]) -> None:
    a = address_of(url, name="feed")
    assert (a.host, a.port, a.secure, a.netloc, a.target) == parts


@pytest.mark.parametrize("url", [f"wss://{'h' * 60}:8443", "wss://h:x/"])
def test_an_address_the_handshake_cannot_carry_is_refused(url: str) -> None:
    with pytest.raises(ConnectFailed, match="'feed' has an address"):
        address_of(url, name="feed")


def test_the_headers_of_the_handshake_itself_are_not_overwritten() -> None:
    given = {
        "Sec-WebSocket-Protocol": "chat",
        "Host": "elsewhere",
        "Upgrade": "h2c",
        "authorization": "Bearer t",
        "x-name": "é",
    }
    (agent, *rest) = handshake_headers(given)
    assert agent[1].startswith(b"mcp-trio-bridge/")
    assert rest == [(b"authorization", b"Bearer t"), (b"x-name", b"\xe9")]


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"HTTP/1.1 101 X\r\nA: b\r\n\r\n\x81", 24),
        (b"HTTP/1.1 101 X\nA: b\n\nmore", 21),
        (b"HTTP/1.1 101 X\r\nA: b\r\n", 0),
        (b"", 0),
    ],
)
def test_the_head_ends_with_an_empty_line(data: bytes, end: int) -> None:
    assert end_of_head(data) == end


def test_101_is_agreed() -> None:
    assert refusal(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", name="feed") is None


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (403, Forbidden)])
def test_a_refusal_carries_its_challenges(
    status: int, kind: type[Unauthorized | Forbidden]
) -> None:
    head = (
        b"HTTP/1.1 %d No\r\nWWW-Authenticate: Bearer a=1\r\n"
        b'www-authenticate:Basic realm="x"' % status
    )
    error = refused(head)
    assert isinstance(error, kind)
    assert error.challenge == 'Bearer a=1, Basic realm="x"'


@pytest.mark.requirement("C20", "C23")
@pytest.mark.parametrize("status", [302, 307, 404, 426, 429, 500, 503])
def test_another_status_is_named_and_its_patience_kept(status: int) -> None:
    error = refused(
        b"HTTP/1.1 %d\r\nRetry-After: 7\r\nLocation: ws://elsewhere/" % status
    )
    assert isinstance(error, ConnectFailed)
    assert error.public == f"'feed' answered with HTTP status {status}"
    assert error.retry_after == 7


@pytest.mark.parametrize("status", [200, 204])
def test_success_without_a_websocket_is_none(status: int) -> None:
    error = refused(b"HTTP/1.1 %d OK" % status)
    assert isinstance(error, ConnectFailed)
    assert "where a WebSocket was expected" in error.public


@pytest.mark.parametrize("head", [b"SSH-2.0-x", b"HTTP/2 101", b"HTTP/1.1 1011 x"])
def test_what_is_no_http_is_said_to_be_none(head: bytes) -> None:
    assert "does not speak HTTP" in refused(head).public
