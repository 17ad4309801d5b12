"""Gate 1: every kind of request is checked, whatever the token (A30, A31)."""

from functools import cache

import pytest
import trio
from trio.testing import MockClock

from bridge.config.model import BridgeConfig, LimitsConfig
from bridge.downstream.guard import Guard
from bridge.downstream.message import Request
from bridge.downstream.request import Refused
from bridge.identity.keyset import KeySnapshot
from kit.bad_token import EC, RSA, BadToken
from kit.bad_tokens import bad_tokens, good_tokens
from kit.front import Front
from kit.issuer import NOW, policy, snapshot
from kit.recorded import RecordedLog
from kit.requests import make_request

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
SESSION = "0123456789abcdef0123456789abcdef"
#: Method, path, query: the five kinds of request an MCP client makes.
KINDS = (
    ("GET", "/sse", ""),
    ("POST", "/messages", f"session_id={SESSION}"),
    ("POST", "/mcp", ""),
    ("GET", "/mcp", ""),
    ("DELETE", "/mcp", ""),
)
#: What a good token meets there, without such a session: the next check.
BEYOND = (200, 404, 404, 404, 404)


class FixedClock:
    def now(self) -> float:
        return NOW


class PublishedKeys:
    """A key cache that has all there is; asking anew changes nothing."""

    snapshot = snapshot(RSA, EC)

    async def lookup(self, kid: str | None) -> KeySnapshot:
        await trio.lowlevel.checkpoint()
        del kid
        return self.snapshot


@cache
def bad_ones() -> tuple[BadToken, ...]:
    """Blanks around a header's value are not part of it: HTTP takes them away."""
    return tuple(bad for bad in bad_tokens() if bad.token.strip(" ") == bad.token)


def guarded() -> Front:
    """A front whose door is the real guard."""
    guard = Guard(
        policy=policy(),
        keys=PublishedKeys(),
        clock=FixedClock(),
        log=RecordedLog(),
    )
    limits = LimitsConfig(sessions=1000, sessions_per_principal=1000)
    return Front(bridge=BridgeConfig(limits=limits), door=guard)


def bearing(token: str, *, method: str, path: str, query: str = "") -> Request:
    """A request of somebody who has shaken hands before, or says so."""
    return make_request(
        path,
        ("host", "127.0.0.1:8080"),
        ("mcp-session-id", SESSION),
        ("content-type", "application/json"),
        ("authorization", f"Bearer {token}"),
        method=method,
        query=query,
        body=PING,
    )


@pytest.mark.parametrize(("method", "path", "query"), KINDS)
@pytest.mark.requirement("A30", "A31", "A35", "B5", "R37", "R38", "P1")
async def test_no_bad_token_opens_any_kind_of_request(
    autojump_clock: MockClock, *, method: str, path: str, query: str
) -> None:
    front = guarded()
    bad = bad_ones()
    assert len(bad) >= 300
    for each in bad:
        answer = await front.gateway.handle(
            bearing(each.token, method=method, path=path, query=query)
        )
        assert answer.status == 401, each.name
        challenge = dict(answer.headers)["www-authenticate"]
        assert challenge.startswith("Bearer "), each.name
        assert "/.well-known/oauth-protected-resource/" in challenge, each.name
    assert len(front.room.sessions) == 0


@pytest.mark.parametrize("path", ["/sse", "/messages", "/mcp", "/status", "/metrics"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS", "HEAD", "BREW"])
@pytest.mark.requirement("A31", "B6", "R37")
async def test_a_wrong_method_is_no_way_round_the_door(
    autojump_clock: MockClock, *, method: str, path: str
) -> None:
    answer = await guarded().gateway.handle(bearing("x", method=method, path=path))
    assert answer.status == 401


@pytest.mark.requirement("A31")
async def test_every_good_token_comes_past_the_door(autojump_clock: MockClock) -> None:
    front = guarded()
    for name, token in good_tokens().items():
        seen: list[int] = []
        for method, path, query in KINDS:
            request = bearing(token, method=method, path=path, query=query)
            seen.append(await status_of(front, request))
        assert seen == [*BEYOND], name
    assert len(front.room.sessions) == len(good_tokens())


async def status_of(front: Front, request: Request) -> int:
    try:
        return (await front.gateway.handle(request)).status
    except Refused as error:
        return error.answer.status
