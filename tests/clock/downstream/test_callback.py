"""The login listener: blind to strangers, honest to its person."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from bridge.downstream.callback import CONNECTIONS, GRACE, QUIET
from bridge.downstream.pending_login import EXCHANGE
from kit.callback import (
    CODE,
    GOOD,
    HERE,
    OTHER,
    STATE,
    CallbackPlace,
    Visit,
    logged_in,
    visit,
)


@pytest.fixture
async def place(nursery: trio.Nursery, autojump_clock: MockClock) -> CallbackPlace:
    return await CallbackPlace(nursery).start()


@pytest.mark.requirement("R93", "R85")
@pytest.mark.parametrize(
    ("success", "status", "title"),
    [(True, 200, "Login complete"), (False, 400, "Login failed")],
)
async def test_the_page_waits_for_the_exchange(
    place: CallbackPlace,
    autojump_clock: MockClock,
    *,
    success: bool,
    status: int,
    title: str,
) -> None:
    async with place.desk.attend(STATE) as attendance:
        came = visit(place, f"{GOOD}&iss=https%3A%2F%2Fidp.test")
        assert await attendance.redirected() == {
            "code": CODE,
            "state": STATE,
            "iss": "https://idp.test",
        }
        await trio.sleep(20)
        assert not came.over.is_set()
        attendance.answer(success=success)
        attendance.answer(success=not success)  # comes too late to count
        page = await came.page()
    assert page.status == status
    assert title in page.body.decode()


async def test_the_page_reaches_its_browser_after_the_login_is_over(
    place: CallbackPlace,
    autojump_clock: MockClock,
) -> None:
    place.network.latency = GRACE * 1.5
    async with logged_in(place) as attendance:
        came = visit(place)
        await attendance.redirected()
    assert (await came.page()).status == 200


@pytest.mark.requirement("R93")
async def test_a_login_that_ends_by_an_error_is_shown_as_failed(
    place: CallbackPlace, autojump_clock: MockClock
) -> None:
    async def log_in() -> None:
        async with place.desk.attend(STATE) as attendance:
            nonlocal came
            came = visit(place, f"error=access_denied&state={STATE}")
            raise LookupError((await attendance.redirected())["error"])

    came = Visit()
    with pytest.raises(LookupError, match="access_denied"):
        await log_in()
    assert "Login failed" in (await came.page()).body.decode()


async def test_a_slow_exchange_is_not_called_a_success(
    place: CallbackPlace, autojump_clock: MockClock
) -> None:
    async with logged_in(place) as attendance:
        came = visit(place)
        await attendance.redirected()
        began = trio.current_time()
        page = await came.page()
        assert trio.current_time() - began == pytest.approx(EXCHANGE, abs=1)
        assert page.status == 202
        assert "not finished" in page.body.decode()


@pytest.mark.requirement("R93", "D8")
async def test_pages_say_nothing_of_the_request_and_cannot_be_used_by_others(
    place: CallbackPlace,
    autojump_clock: MockClock,
) -> None:
    bait = "<script>alert(1)</script>"
    async with logged_in(place) as attendance:
        came = visit(place, f"error={bait}&error_description={bait}&state={STATE}")
        await attendance.redirected()
        attendance.answer(success=False)
        shown = [
            await came.page(),
            await place.come_back(f"state={bait}"),
            await place.come_back(f"error={bait}"),
            await place.ask(f"/{bait}"),
        ]
    for page in shown:
        text = page.body.decode()
        assert "script" not in text
        assert STATE not in text
        assert "location" not in page.headers
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"


FORGED = [
    *(("GET", f"/oauth/callback?{query}", 400) for query in ("", "x", "state", "&")),
    ("GET", "/oauth/callback", 400),
    ("GET", f"/oauth/callback?code=x&state={OTHER}", 400),
    ("GET", "/oauth/callback?code=x&state=", 400),
    ("GET", "/oauth/callback?code=x", 400),
    ("GET", f"/oauth/callback?code=x&state={STATE[:-1]}", 400),
    ("GET", f"/oauth/callback?code=x&state={STATE}0", 400),
    ("GET", f"/oauth/callback?code=x&State={STATE}", 400),
    ("GET", f"/oauth/callback?{GOOD}&state={STATE}", 400),
    ("GET", f"/oauth/callback?{GOOD}&state={OTHER}", 400),
    ("GET", f"/oauth/callback?{GOOD}&code=evil", 400),
    ("GET", f"/oauth/callback?{GOOD}&iss=a&iss=b", 400),
    ("GET", f"/oauth/callback?{GOOD}&x=%FF", 400),
    ("GET", f"/oauth/callback?{GOOD}" + "&x=" * 40, 400),
    ("GET", f"/oauth/callback?{GOOD}&x={'a' * 9000}", 414),
    ("GET", f"/?{GOOD}", 404),
    ("GET", f"/oauth/callback/?{GOOD}", 404),
    ("GET", f"/OAuth/callback?{GOOD}", 404),
    ("GET", f"/oauth/../oauth/callback?{GOOD}", 404),
    ("GET", "/favicon.ico", 404),
    *(
        (method, f"/oauth/callback?{GOOD}", 405)
        for method in ("POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")
    ),
]


@pytest.mark.requirement("D1", "D8")
@pytest.mark.parametrize(("method", "target", "status"), FORGED)
async def test_a_forged_request_does_not_end_the_wait(
    place: CallbackPlace,
    autojump_clock: MockClock,
    method: str,
    target: str,
    status: int,
) -> None:
    async with logged_in(place) as attendance:
        assert (await place.ask(target, method=method)).status == status
        came = visit(place)
        assert (await attendance.redirected())["code"] == CODE
    assert (await came.page()).status == 200


@pytest.mark.requirement("D8")
@pytest.mark.parametrize(
    "host",
    [
        *("evil.test:8090", "evil.test", "127.0.0.1", "localhost", "127.0.0.1:80"),
        *("127.0.0.1:8090:1", "127.0.0.1:8090@evil.test", "[::1]", "::1:8090"),
        *("localhost.evil.test:8090", "10.0.0.1:8090", "0.0.0.0:8090"),
    ],
)
async def test_a_page_that_points_its_own_name_here_is_refused(
    place: CallbackPlace, autojump_clock: MockClock, host: str
) -> None:
    async with logged_in(place) as attendance:
        page = await place.ask(f"/oauth/callback?{GOOD}", host=host)
        assert page.status == 400
        came = visit(place)
        await attendance.redirected()
    assert (await came.page()).status == 200


@pytest.mark.parametrize("host", ["localhost:8090", "LocalHost:8090", "[::1]:8090"])
async def test_every_name_of_loopback_is_taken(
    place: CallbackPlace, autojump_clock: MockClock, host: str
) -> None:
    async with place.desk.attend(STATE) as attendance:
        attendance.answer(success=True)
        page = await place.ask(f"/oauth/callback?{GOOD}", host=host)
    assert page.status == 200


async def test_on_the_port_of_http_the_host_names_none(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    place = await CallbackPlace(nursery, port=80).start()
    async with place.desk.attend(STATE) as attendance:
        attendance.answer(success=True)
        reply = await place.person(f"http://localhost/oauth/callback?{GOOD}")
    assert reply.status == 200


@pytest.mark.requirement("D8")
async def test_an_answer_by_form_is_told_that_it_is_not_supported(
    place: CallbackPlace, autojump_clock: MockClock
) -> None:
    async with logged_in(place):
        page = await place.ask("/oauth/callback", method="POST")
    assert page.status == 405
    assert page.headers["allow"] == "GET"
    assert "form_post" in page.body.decode()


@pytest.mark.requirement("D1", "R83")
async def test_a_state_is_taken_once(
    place: CallbackPlace, autojump_clock: MockClock
) -> None:
    async with logged_in(place) as attendance:
        came = visit(place)
        await attendance.redirected()
        twice = await place.come_back(f"code=evil&state={STATE}")
        assert (await attendance.redirected())["code"] == CODE
    late = await place.come_back()
    assert (await came.page()).status == 200
    for page in (twice, late):
        assert page.status == 400
        assert "Already used" in page.body.decode()
    assert [entry["reason"] for entry in place.refused] == ["used state"]


@pytest.mark.requirement("R94")
async def test_a_login_that_timed_out_is_over_and_can_be_started_again(
    place: CallbackPlace,
    autojump_clock: MockClock,
) -> None:
    with trio.move_on_after(300) as waited:
        async with place.desk.attend(STATE) as attendance:
            await attendance.redirected()
    assert waited.cancelled_caught
    assert (await place.come_back()).status == 400  # within the grace
    await trio.sleep(GRACE + 0.1)
    assert not await place.is_open()
    async with logged_in(place) as attendance:
        came = visit(place)
        await attendance.redirected()
    assert (await came.page()).status == 200


@pytest.mark.requirement("R83")
async def test_two_logins_at_once_each_get_their_own_redirect(
    place: CallbackPlace, autojump_clock: MockClock
) -> None:
    async with logged_in(place) as one, logged_in(place, OTHER) as two:
        second = visit(place, f"code=two&state={OTHER}")
        assert (await two.redirected())["code"] == "two"
        two.answer(success=False)
        first = visit(place, f"code=one&state={STATE}")
        assert (await one.redirected())["code"] == "one"
    assert (await first.page()).status == 200
    assert (await second.page()).status == 400


@pytest.mark.requirement("D8")
async def test_a_flood_of_forged_requests_is_logged_in_a_few_lines(
    place: CallbackPlace,
    autojump_clock: MockClock,
) -> None:
    async with logged_in(place):
        for _ in range(51):
            await place.come_back("code=x&state=y")
        await trio.sleep(QUIET)
        await place.ask("/elsewhere?secret")
    assert place.refused == [
        {"reason": "unknown state", "suppressed": 0},
        {"reason": "path", "suppressed": 50},
    ]
    assert CODE not in str(place.journal.entries)


@pytest.mark.requirement("D8")
async def test_silent_connections_do_not_keep_the_browser_out(
    place: CallbackPlace, autojump_clock: MockClock
) -> None:
    async with logged_in(place) as attendance:
        silent = [await place.network.connect(*HERE) for _ in range(CONNECTIONS + 8)]
        with trio.fail_after(60):
            came = visit(place)
            await attendance.redirected()
        for stream in silent:
            await stream.aclose()
    assert (await came.page()).status == 200


# --- redirects brought by hand ---


@pytest.mark.parametrize("success", [True, False])
async def test_a_pasted_redirect_ends_its_login(
    place: CallbackPlace, autojump_clock: MockClock, *, success: bool
) -> None:
    ended: list[bool | None] = []

    async def paste() -> None:
        ended.append(await place.desk.deliver(GOOD))

    async with place.desk.attend(STATE) as attendance:
        place.nursery.start_soon(paste)
        assert (await attendance.redirected())["code"] == CODE
        assert ended == []
        attendance.answer(success=success)
    await trio.testing.wait_all_tasks_blocked()
    assert ended == [success]


async def test_a_redirect_pasted_twice_counts_once_and_ends_the_same(
    place: CallbackPlace,
    autojump_clock: MockClock,
) -> None:
    async with place.desk.attend(STATE) as attendance:
        attendance.answer(success=True)
        assert await place.desk.deliver(GOOD)
        assert await place.desk.deliver(f"code=evil&state={STATE}")
        assert (await attendance.redirected())["code"] == CODE


async def test_a_pasted_redirect_without_an_end_is_no_success(
    place: CallbackPlace, autojump_clock: MockClock
) -> None:
    async with place.desk.attend(STATE):
        began = trio.current_time()
        assert await place.desk.deliver(GOOD) is False
        assert trio.current_time() - began == pytest.approx(EXCHANGE)


@pytest.mark.parametrize(
    "query",
    [
        *("", "x", f"state={OTHER}", f"{GOOD}&state={STATE}", "state=\ud800"),
        *(f"{GOOD}&x=%FF", f"code={CODE}"),
    ],
)
async def test_what_belongs_to_no_login_is_not_taken(
    place: CallbackPlace, autojump_clock: MockClock, query: str
) -> None:
    async with logged_in(place) as attendance:
        assert await place.desk.deliver(query) is None
        came = visit(place)
        await attendance.redirected()
    assert (await came.page()).status == 200
    assert await place.desk.deliver(GOOD) is None  # over
