"""Logins of a running bridge, through its own pages."""

from collections.abc import Callable

import msgspec
import pytest
import trio
from trio.testing import MockClock

from bridge.cli.exit import CommandFailed
from bridge.cli.logins import RemoteLogins
from bridge.cli.remote import body_of
from bridge.downstream.oauth_pages import OAuthPages
from bridge.http.fetcher import Fetched
from bridge.observe.status import OAuthStatus
from kit.front import PanelControl
from kit.requests import make_request

URL = "https://id.example/authorize?state=s"
REDIRECT = "http://127.0.0.1:8090/oauth/callback?code=c&state=s"
NAME = "Far Away"
ABSENT = OAuthStatus(name=NAME, state="absent")
PENDING = OAuthStatus(name=NAME, state="login_pending", login_url=URL, logins=1)
VALID = OAuthStatus(name=NAME, state="valid", generation=1, logins=1)
REFUSED = OAuthStatus(name=NAME, state="login_required", last_error="denied", logins=1)

#: What a login goes through: seconds after it was asked for, and what is so then.
Story = list[tuple[float, OAuthStatus]]


class Bridge(PanelControl):
    """A bridge whose logins go as ``story`` says, behind its real pages."""

    def __init__(self, before: OAuthStatus, story: Story) -> None:
        super().__init__()
        self.logins = (before,)
        self._story = story
        self._began: float | None = None
        self._pages = OAuthPages(self)

    def login(self, name: str, *, force: bool) -> bool:
        self._began = trio.current_time()
        return super().login(name, force=force)

    def logout(self, name: str) -> bool:
        self._began = trio.current_time()
        return super().logout(name)

    def oauth(self) -> tuple[OAuthStatus, ...]:
        if self._began is not None:
            passed = trio.current_time() - self._began
            for after, status in self._story:
                if passed >= after:
                    self.logins = (status,)
        return self.logins

    async def ask(
        self, method: str, path: str, *, body: bytes | None = None, deadline: float = 1
    ) -> bytes:
        assert deadline > 0
        request = make_request(path, method=method, body=body or b"")
        answer = await self._pages.handle(request)
        assert answer is not None
        fetched = Fetched(status=answer.status, headers={}, body=answer.body)
        return body_of(fetched, token="")


async def log_in(
    bridge: Bridge, *, force: bool = False, show: Callable[[OAuthStatus], None]
) -> OAuthStatus:
    return await RemoteLogins(bridge).log_in(NAME, force=force, show=show)


@pytest.mark.requirement("R113")
async def test_a_login_is_followed_to_its_end(autojump_clock: MockClock) -> None:
    shown: list[str] = []
    bridge = Bridge(ABSENT, [(1, PENDING), (60, VALID)])
    after = await log_in(bridge, show=lambda s: shown.append(s.login_url))
    assert after == VALID
    assert set(shown) == {URL}
    assert bridge.asked == [f"login {NAME}"]
    assert trio.current_time() < 61


@pytest.mark.parametrize(
    "story",
    [
        [(0.0, VALID)],  # nobody had to be asked
        [(5, VALID)],
        [
            (1, PENDING),
            (2, msgspec.structs.replace(VALID, state="refreshing")),
            (3, VALID),
        ],
    ],
)
async def test_a_login_may_end_before_anybody_saw_it(
    autojump_clock: MockClock, story: Story
) -> None:
    assert await log_in(Bridge(ABSENT, story), show=lambda _: None) == VALID


async def test_a_forced_login_beside_a_good_token_ends_with_the_new_one(
    autojump_clock: MockClock,
) -> None:
    pending = msgspec.structs.replace(PENDING, state="valid", generation=1)
    newer = msgspec.structs.replace(VALID, generation=2)
    bridge = Bridge(
        msgspec.structs.replace(VALID, logins=0), [(2, pending), (9, newer)]
    )
    assert await log_in(bridge, force=True, show=lambda _: None) == newer
    assert bridge.asked == [f"force {NAME}"]


async def test_a_forced_login_that_is_denied_fails_beside_a_good_token(
    autojump_clock: MockClock,
) -> None:
    before = msgspec.structs.replace(VALID, logins=0)
    preflight = msgspec.structs.replace(VALID, logging_in=True)
    pending = msgspec.structs.replace(preflight, login_url=URL)
    denied = msgspec.structs.replace(VALID, last_error="denied")
    bridge = Bridge(before, [(0.0, preflight), (3, pending), (6, denied)])
    with pytest.raises(CommandFailed, match="denied"):
        await log_in(bridge, force=True, show=lambda _: None)
    assert 6 <= trio.current_time() < 7


async def test_a_login_somebody_began_before_is_followed_too(
    autojump_clock: MockClock,
) -> None:
    assert await log_in(Bridge(PENDING, [(9, VALID)]), show=lambda _: None) == VALID


@pytest.mark.parametrize("story", [[(0.0, REFUSED)], [(1, PENDING), (2, REFUSED)]])
async def test_a_failed_login_says_why(autojump_clock: MockClock, story: Story) -> None:
    with pytest.raises(CommandFailed, match="not logged in to 'Far Away': denied"):
        await log_in(Bridge(ABSENT, story), show=lambda _: None)


async def test_a_failure_without_words_points_to_the_log(
    autojump_clock: MockClock,
) -> None:
    silent = msgspec.structs.replace(REFUSED, last_error="")
    with pytest.raises(CommandFailed, match="the log of the bridge says why"):
        await log_in(Bridge(ABSENT, [(1, silent)]), show=lambda _: None)


@pytest.mark.parametrize("said", ["", "no provider"])
async def test_a_login_that_never_begins_is_given_up(
    autojump_clock: MockClock, said: str
) -> None:
    stuck = msgspec.structs.replace(ABSENT, last_error=said)
    with pytest.raises(CommandFailed, match="did not begin within 20 s") as failure:
        await log_in(Bridge(stuck, []), show=lambda _: None)
    assert said in failure.value.lines[0]


@pytest.mark.requirement("R81")
async def test_a_pasted_redirect_reaches_the_bridge(autojump_clock: MockClock) -> None:
    bridge = Bridge(PENDING, [])
    logins = RemoteLogins(bridge)
    assert not await logins.paste(NAME, REDIRECT)
    for bridge.pasted in (True, False):
        assert await logins.paste(NAME, REDIRECT)
    assert bridge.asked == ["code=c&state=s"] * 3


async def test_a_logout_is_over_when_the_tokens_are_gone(
    autojump_clock: MockClock,
) -> None:
    assert await RemoteLogins(Bridge(VALID, [(4, ABSENT)])).log_out(NAME)
    assert 4 <= trio.current_time() < 5
    assert not await RemoteLogins(Bridge(ABSENT, [])).log_out(NAME)


async def test_a_logout_that_does_not_happen_is_told(
    autojump_clock: MockClock,
) -> None:
    with pytest.raises(CommandFailed, match="'Far Away' is not logged out after 30 s"):
        await RemoteLogins(Bridge(VALID, [])).log_out(NAME)


async def test_who_has_no_login_is_told_by_the_bridge(
    autojump_clock: MockClock,
) -> None:
    logins = RemoteLogins(Bridge(ABSENT, []))
    assert "there is no server 'nobody'" in await logins.why_not("nobody")
    assert await logins.why_not(NAME) == "'Far Away' has just appeared; try again"
    assert [each.name for each in await logins.statuses()] == [NAME]
