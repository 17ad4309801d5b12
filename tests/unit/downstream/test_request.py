"""Heads, bodies and media types: what is let through, and what is not."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
import trio
from hypercorn.typing import ASGIReceiveEvent, HTTPScope
from trio.testing import MockClock

from bridge.downstream.forwarded import TrustedProxies
from bridge.downstream.message import (
    BodyTooLarge,
    BodyTooSlow,
    DoubledHeader,
    Request,
)
from bridge.downstream.request import (
    BODY_DEADLINE,
    MAX_HEADERS,
    MAX_TARGET,
    ClientGone,
    Reader,
    Refused,
    accepts,
    answer_to,
    require_json,
)

Headers = Sequence[tuple[str, str]]


def part(body: bytes, *, more: bool = False) -> ASGIReceiveEvent:
    return {"type": "http.request", "body": body, "more_body": more}


class Peer:
    """The ASGI side of one request; waits for ever when it has nothing to say."""

    def __init__(self, *messages: ASGIReceiveEvent) -> None:
        self._messages = list(messages)

    async def receive(self) -> ASGIReceiveEvent:
        if not self._messages:
            await trio.sleep_forever()
        return self._messages.pop(0)


def scope_of(headers: Headers = (), **members: Any) -> HTTPScope:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": b"a=b",
        "scheme": "http",
        "headers": [(n.encode(), v.encode("latin-1")) for n, v in headers],
        "client": ("127.0.0.1", 1),
        **members,
    }
    return cast("HTTPScope", scope)


def read(
    headers: Headers = (),
    *messages: ASGIReceiveEvent,
    limit: int = 10,
    proxies: Sequence[str] = (),
    **members: Any,
) -> Request:
    reader = Reader(
        body_bytes=limit, header_bytes=1000, proxies=TrustedProxies(proxies)
    )
    return reader.read(scope_of(headers, **members), Peer(*messages).receive)


def refused(headers: Headers = (), **members: Any) -> int:
    with pytest.raises(Refused) as caught:
        read(headers, **members)
    assert ("connection", "close") in caught.value.answer.headers
    return caught.value.answer.status


def test_a_request_is_what_was_sent() -> None:
    request = read([("Host", "here"), ("X-Name", "caf\xe9")])
    assert (request.method, request.path, request.query) == ("POST", "/mcp", "a=b")
    assert request.headers == (("host", "here"), ("x-name", "caf\xe9"))
    assert (request.peer, request.scheme) == ("127.0.0.1", "http")


def test_a_peer_without_an_address_has_none() -> None:
    assert read(client=None).peer == ""


@pytest.mark.requirement("R155")
def test_a_trusted_proxy_says_who_really_asked() -> None:
    headers = [
        ("host", "inner"),
        ("x-forwarded-host", "outer.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "203.0.113.9"),
    ]
    trusted = read(headers, proxies=["127.0.0.0/8"])
    assert (trusted.peer, trusted.scheme) == ("203.0.113.9", "https")
    assert trusted.header("host") == "outer.example"
    stranger = read(headers)
    assert (stranger.peer, stranger.scheme) == ("127.0.0.1", "http")
    assert stranger.header("host") == "inner"


@pytest.mark.requirement("B6", "R56")
def test_heads_are_bounded_in_count_size_and_target() -> None:
    assert read([("a", "b")] * MAX_HEADERS)
    assert refused([("a", "b")] * (MAX_HEADERS + 1)) == 431
    assert read([("a", "b" * 995)])
    assert refused([("a", "b" * 996)]) == 431
    assert refused(raw_path=b"/" * MAX_TARGET) == 414


@pytest.mark.requirement("B4")
def test_two_lengths_of_one_message_are_refused() -> None:
    assert refused([("content-length", "1"), ("transfer-encoding", "chunked")]) == 400


@pytest.mark.requirement("B3")
@pytest.mark.parametrize("path", ["/a\r\nb", "/a\0", "/a\x7f", "/a\u202eb"])
def test_control_characters_in_an_address_are_refused(path: str) -> None:
    assert refused(path=path) == 400


async def test_a_body_is_put_together_from_its_parts() -> None:
    request = read((), part(b"12", more=True), part(b"", more=True), part(b"3"))
    assert await request.body() == b"123"


@pytest.mark.requirement("B5", "R56")
async def test_a_body_is_bounded_by_what_is_declared_and_by_what_comes() -> None:
    at_limit = read([("content-length", "10")], part(b"x" * 10))
    assert await at_limit.body() == b"x" * 10
    with pytest.raises(BodyTooLarge):
        await read([("content-length", "11")]).body()
    with pytest.raises(BodyTooLarge):
        await read((), part(b"x" * 6, more=True), part(b"x" * 5, more=True)).body()


def test_a_length_that_is_no_number_we_can_hold_is_too_large() -> None:
    with pytest.raises(BodyTooLarge):
        read([("content-length", "9" * 900 + "x")])


@pytest.mark.requirement("B7")
async def test_a_body_that_does_not_come_is_given_up(autojump_clock: MockClock) -> None:
    with pytest.raises(BodyTooSlow):
        await read((), part(b"x", more=True)).body()
    assert trio.current_time() == BODY_DEADLINE


async def test_nobody_waits_for_the_answer_of_a_client_that_left() -> None:
    gone: ASGIReceiveEvent = {"type": "http.disconnect"}
    request = read((), part(b"x", more=True), gone)
    with pytest.raises(ClientGone):
        await request.body()


async def test_a_disconnect_is_seen_behind_what_was_not_read(
    autojump_clock: MockClock,
) -> None:
    request = read((), part(b"x", more=True), part(b"y"), {"type": "http.disconnect"})
    with trio.fail_after(1):
        await request.disconnected()


@pytest.mark.requirement("B6", "B5")
@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ([("content-type", "application/json")], True),
        ([("content-type", "Application/JSON; charset=UTF-8")], True),
        ([("content-type", 'application/json;charset="utf-8"; x=y')], True),
        ([("content-type", "application/json; x=y")], True),
        (
            [("content-type", "application/json"), ("content-encoding", "identity")],
            True,
        ),
        ([("content-type", "application/json"), ("content-encoding", "gzip")], False),
        ([("content-type", "application/json; charset=utf-16")], False),
        ([("content-type", "application/jsonx")], False),
        ([("content-type", "text/plain")], False),
        ([], False),
    ],
)
def test_only_plain_json_is_read(headers: Headers, *, fine: bool) -> None:
    request = read(headers)
    if fine:
        require_json(request)
    else:
        with pytest.raises(Refused) as caught:
            require_json(request)
        assert caught.value.answer.status == 415


@pytest.mark.parametrize(
    ("accept", "fine"),
    [
        ((), True),
        (("*/*",), True),
        (("text/*",), True),
        (("text/event-stream",), True),
        (("application/json, TEXT/event-stream;q=0.1",), True),
        (("application/json", "text/event-stream"), True),
        (("application/json",), False),
        (("text/event-stream;q=0",), False),
        (("text/event-stream;q=0.000",), False),
        (("text/event-streams",), False),
        (("",), False),
    ],
)
def test_a_client_says_which_kinds_it_takes(
    accept: tuple[str, ...], *, fine: bool
) -> None:
    request = read([("accept", value) for value in accept])
    assert accepts(request, "text/event-stream") is fine


def test_each_failure_of_reading_has_its_answer() -> None:
    expected = {BodyTooLarge: 413, BodyTooSlow: 408, DoubledHeader: 400}
    for error, status in expected.items():
        answer = answer_to(error("x"))
        assert answer is not None
        assert answer.status == status
    assert answer_to(RuntimeError()) is None
