"""The guard: where a token may come from, and what happens with it (A30, A31, R40)."""

from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.access import Entitlement
from bridge.contract.principal import ANONYMOUS, Principal
from bridge.downstream.guard import (
    LOGGED_PER_WINDOW,
    WINDOW,
    Admission,
    Guard,
    NoGuard,
    bearer_of,
)
from bridge.downstream.message import Request
from bridge.errors import (
    GuardError,
    KeysUnavailable,
    ScopeInsufficient,
    TokenInvalid,
    TokenMissing,
)
from bridge.identity.keyset import KeySnapshot
from bridge.identity.policy import TokenPolicy
from bridge.identity.refusal import Reason, TokenRefused
from bridge.observe import catalogue as events
from kit.bad_token import EC, RSA
from kit.bad_tokens import bad_tokens, good_tokens
from kit.issuer import ISSUER, NOW, claims, make_key, mint, policy, snapshot
from kit.recorded import RecordedLog
from kit.requests import make_request

TOKEN = mint(RSA)


class FixedClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time


class FakeKeys:
    """A key cache whose next look at the issuer finds ``fresh``."""

    def __init__(self, known: KeySnapshot, fresh: KeySnapshot | None = None) -> None:
        self.snapshot = known
        self.fresh = fresh
        self.asked: list[str | None] = []

    async def lookup(self, kid: str | None) -> KeySnapshot:
        await trio.lowlevel.checkpoint()
        self.asked.append(kid)
        if self.fresh is None:
            raise KeysUnavailable("no keys")
        return self.fresh


class World:
    def __init__(
        self, keys: FakeKeys | None = None, rules: TokenPolicy | None = None
    ) -> None:
        self.clock = FixedClock()
        self.log = RecordedLog()
        self.keys = keys or FakeKeys(snapshot(RSA, EC), snapshot(RSA, EC))
        self.guard = Guard(
            policy=rules or policy(), keys=self.keys, clock=self.clock, log=self.log
        )

    async def admit(self, token: str = TOKEN) -> Admission:
        return await self.guard.admit(bearing(token))


def bearing(token: str, path: str = "/mcp", method: str = "GET") -> Request:
    return make_request(path, ("authorization", f"Bearer {token}"), method=method)


@pytest.mark.requirement("R40", "A30")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize("blank", [" ", "   "])
def test_the_scheme_counts_in_any_case(scheme: str, blank: str) -> None:
    request = make_request("/sse", ("authorization", f"{scheme}{blank}{TOKEN}"))
    assert bearer_of(request) == TOKEN


@pytest.mark.requirement("A30", "R40")
@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer "),),
        (("authorization", TOKEN),),
        (("authorization", f"Bearer\t{TOKEN}"),),
        (("authorization", f"Bearer:{TOKEN}"),),
        (("authorization", f"Basic {TOKEN}"),),
        (("authorization", f"DPoP {TOKEN}"),),
        (("authorization", f"Token {TOKEN}"),),
        (("authorization", f"MAC {TOKEN}"),),
        (("authorization", f" Bearer {TOKEN}"),),
        (("proxy-authorization", f"Bearer {TOKEN}"),),
        (("x-forwarded-access-token", TOKEN),),
        (("x-authorization", f"Bearer {TOKEN}"),),
        (("cookie", f"access_token={TOKEN}"),),
        (("mcp-session-id", TOKEN),),
    ],
)
async def test_a_token_anywhere_else_is_no_token(
    headers: tuple[tuple[str, str], ...],
) -> None:
    with pytest.raises(TokenMissing):
        await World().guard.admit(make_request("/mcp", *headers))


@pytest.mark.requirement("A30", "R40")
@pytest.mark.parametrize(
    "query",
    [
        f"access_token={TOKEN}",
        "access_token",
        "access_token=",
        f"a=b&access_token={TOKEN}",
        "ACCESS_TOKEN=x",
        "access%5Ftoken=x",
    ],
)
@pytest.mark.parametrize("with_header", [True, False])
def test_a_token_in_the_query_is_refused_whatever_the_header(
    query: str, *, with_header: bool
) -> None:
    headers = (("authorization", f"Bearer {TOKEN}"),) if with_header else ()
    with pytest.raises(TokenInvalid):
        bearer_of(make_request("/sse", *headers, query=query))


def test_other_parameters_are_nobodys_token() -> None:
    request = make_request(
        "/messages", ("authorization", "Bearer t"), query="session_id=1&x=access_token"
    )
    assert bearer_of(request) == "t"


@pytest.mark.requirement("A30")
@pytest.mark.parametrize("second", [f"Bearer {TOKEN}", "Basic abc", ""])
def test_two_authorization_headers_are_refused(second: str) -> None:
    request = make_request(
        "/mcp", ("authorization", f"Bearer {TOKEN}"), ("authorization", second)
    )
    with pytest.raises(TokenRefused) as refused:
        bearer_of(request)
    assert refused.value.reason is Reason.CARRIAGE


@pytest.mark.requirement("R31")
async def test_a_good_token_lets_its_principal_in_until_it_expires() -> None:
    assert await World().admit() == Admission(
        principal=Principal(issuer=ISSUER, subject="user-1", client="client-1"),
        entitlement=Entitlement(frozenset({"mcp:read", "mcp:call"}), claims()),
        expires_at=NOW + 600,
    )


async def test_none_of_the_bad_tokens_gets_in_by_any_kind_of_request() -> None:
    world = World()
    kinds = (
        ("GET", "/sse"),
        ("POST", "/messages"),
        ("POST", "/mcp"),
        ("GET", "/mcp"),
        ("DELETE", "/mcp"),
    )
    admitted: list[str] = []
    for bad in bad_tokens():
        for method, path in kinds:
            try:
                await world.guard.admit(bearing(bad.token, path, method))
            except (TokenInvalid, TokenMissing):
                continue
            admitted.append(bad.name)
    # Blanks around a header's value are not part of it.
    assert set(admitted) == {"' ' after segment 2", "blank in front"}


async def test_all_of_the_good_tokens_get_in() -> None:
    world = World()
    for token in good_tokens().values():
        assert (await world.admit(token)).principal.issuer == ISSUER


@pytest.mark.requirement("A40", "R42")
async def test_an_unknown_key_is_looked_up_once() -> None:
    new = make_key("new")
    world = World(FakeKeys(snapshot(RSA), snapshot(RSA, new)))
    assert (await world.admit(mint(new))).principal.subject == "user-1"
    assert world.keys.asked == ["new"]


@pytest.mark.requirement("A8", "A7")
async def test_a_key_that_stays_unknown_is_refused() -> None:
    world = World()
    with pytest.raises(TokenRefused) as refused:
        await world.admit(mint(make_key("foreign")))
    assert refused.value.reason is Reason.UNKNOWN_KEY
    assert world.keys.asked == ["foreign"]


@pytest.mark.requirement("A8")
async def test_only_an_unknown_key_is_worth_a_look_at_the_issuer() -> None:
    world = World()
    for bad in bad_tokens():
        with suppress(GuardError):
            await world.guard.admit(bearing(bad.token))
    worth_it = [bad for bad in bad_tokens() if bad.reason is Reason.UNKNOWN_KEY]
    assert len(world.keys.asked) == len(worth_it)


@pytest.mark.requirement("A44")
async def test_without_keys_good_tokens_wait_and_bad_ones_are_refused() -> None:
    world = World(FakeKeys(KeySnapshot()))
    with pytest.raises(KeysUnavailable):
        await world.admit()
    with pytest.raises(TokenRefused):
        await world.admit("junk")


@pytest.mark.requirement("R32")
async def test_a_remembered_token_still_expires() -> None:
    world = World()
    await world.admit()
    await world.admit()
    world.clock.time = NOW + 629
    await world.admit()
    world.clock.time = NOW + 630
    with pytest.raises(TokenRefused) as refused:
        await world.admit()
    assert refused.value.reason is Reason.EXPIRED


@pytest.mark.requirement("A40")
async def test_a_remembered_token_stops_with_its_key() -> None:
    world = World()
    await world.admit()
    world.keys.snapshot = world.keys.fresh = snapshot(EC)
    with pytest.raises(TokenRefused):
        await world.admit()


@pytest.mark.requirement("A27")
async def test_a_missing_scope_is_not_a_bad_token() -> None:
    world = World(rules=policy(required_scopes=("admin",)))
    with pytest.raises(ScopeInsufficient):
        await world.admit()
    admitted = await world.admit(mint(RSA, claims(scope="admin")))
    assert admitted.entitlement.scopes == {"admin"}


async def test_without_authentication_everybody_is_anonymous() -> None:
    admitted = await NoGuard().admit(make_request("/mcp"))
    assert admitted == Admission(principal=ANONYMOUS)
    assert admitted.expires_at is None


async def test_a_refusal_is_logged_without_the_token() -> None:
    world = World()
    token = mint(RSA, claims(aud="other", sub="canary-subject"))
    with pytest.raises(TokenRefused):
        await world.admit(token)
    (fields,) = world.log.named(events.GUARD_REFUSED)
    assert fields == {
        "error": "guard.token_invalid",
        "reason": Reason.AUDIENCE.value,
        "peer": "192.0.2.1",
        "path": "/mcp",
        "suppressed": 0,
    }


@pytest.mark.requirement("A8")
async def test_a_flood_of_refusals_is_no_flood_of_lines(
    autojump_clock: MockClock,
) -> None:
    world = World()
    for _ in range(500):
        with pytest.raises(TokenRefused):
            await world.admit("junk")
    assert len(world.log.named(events.GUARD_REFUSED)) == LOGGED_PER_WINDOW
    await trio.sleep(WINDOW)
    with pytest.raises(TokenRefused):
        await world.admit("junk")
    last = world.log.named(events.GUARD_REFUSED)[-1]
    assert last["suppressed"] == 500 - LOGGED_PER_WINDOW
