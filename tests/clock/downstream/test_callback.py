"""The login listener: opened by need, blind to strangers, honest to its person."""

import errno
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
import trio.lowlevel
import trio.testing
from trio.testing import MockClock

from bridge.contract.login import Attendance, LoginDesk
from bridge.downstream.callback import CONNECTIONS, GRACE, QUIET, CallbackDesk
from bridge.downstream.pending_login import EXCHANGE
from bridge.errors import CallbackUnavailable
from bridge.observe import catalogue as events
from kit.browser import Browser, Headers, Reply
from kit.front import TestClock
from kit.journal import Journal
from kit.network import SimulatedListener, SimulatedNetwork
from kit.people import Person

PORT = 8090
HERE = ("127.0.0.1", PORT)
STATE, OTHER = "5" * 32, "a" * 32
CODE = "the-secret-code"
GOOD = f"code={CODE}&state={STATE}"


class Place:
    """A desk on a network of its own, with its log."""

    def __init__(
        self,
        nursery: trio.Nursery,
        *,
        hosts: Sequence[str] = ("127.0.0.1",),
        network: SimulatedNetwork | None = None,
        port: int = PORT,
    ) -> None:
        self.network = network or SimulatedNetwork()
        self.nursery = nursery
        self.journal = Journal()
        self.stopping = trio.Event()
        self.desk = CallbackDesk(
            network=self.network,
            clock=TestClock(),
            log=self.journal.log,
            port=port,
            hosts=hosts,
        )
        self.person = Person(self.network)

    async def start(self) -> "Place":
        await self.nursery.start(self.desk.run, self.stopping)
        return self

    async def ask(
        self,
        target: str,
        *,
        method: str = "GET",
        host: str = "127.0.0.1:8090",
        headers: Headers = (),
    ) -> Reply:
        """One request to 127.0.0.1 on a connection of its own."""
        async with await self.network.connect(*HERE) as stream:
            return await Browser(stream, host=host).ask(method, target, headers=headers)

    async def come_back(self, query: str = GOOD) -> Reply:
        return await self.ask(f"/oauth/callback?{query}")

    async def is_open(self, host: str = "127.0.0.1") -> bool:
        try:
            stream = await self.network.connect(host, PORT)
        except ConnectionRefusedError:
            return False
        await stream.aclose()
        return True

    @property
    def refused(self) -> list[dict[str, object]]:
        return self.journal.of(events.OAUTH_CALLBACK_REFUSED)


@pytest.fixture
async def place(nursery: trio.Nursery, autojump_clock: MockClock) -> Place:
    return await Place(nursery).start()


class Visit:
    """A request on its way, and the page it gets."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.over = trio.Event()

    async def page(self) -> Reply:
        await self.over.wait()
        assert self.reply is not None
        return self.reply


def visit(place: Place, query: str = GOOD) -> Visit:
    made = Visit()

    async def go() -> None:
        made.reply = await place.come_back(query)
        made.over.set()

    place.nursery.start_soon(go)
    return made


@asynccontextmanager
async def logged_in(place: Place, state: str = STATE) -> AsyncGenerator[Attendance]:
    async with place.desk.attend(state) as attendance:
        yield attendance
        attendance.answer(success=True)


# --- when and where it listens ---


@pytest.mark.requirement("R85", "R86")
async def test_the_redirect_address_is_on_loopback(
    place: Place, autojump_clock: MockClock
) -> None:
    desk: LoginDesk = place.desk
    assert desk.redirect_uri("127.0.0.1") == "http://127.0.0.1:8090/oauth/callback"
    assert desk.redirect_uri("localhost") == "http://localhost:8090/oauth/callback"


@pytest.mark.requirement("R87", "D8")
async def test_it_listens_only_while_a_login_is_pending(
    place: Place, autojump_clock: MockClock
) -> None:
    assert not await place.is_open()
    for _ in range(2):
        async with logged_in(place):
            assert place.desk.listening
            assert await place.is_open()
        await trio.sleep(GRACE + 0.1)
        assert not place.desk.listening
        assert not await place.is_open()
    await trio.sleep(5)
    opened = events.OAUTH_CALLBACK_OPENED.name
    assert place.journal.names == [opened, events.OAUTH_CALLBACK_CLOSED.name] * 2


async def test_a_free_port_is_kept_for_the_next_login(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    place = await Place(nursery, port=0).start()
    async with logged_in(place):
        chosen = place.desk.redirect_uri("127.0.0.1")
        assert ":0/" not in chosen
    await trio.sleep(GRACE + 0.1)
    async with logged_in(place):
        assert place.desk.redirect_uri("127.0.0.1") == chosen


async def test_logins_that_overlap_share_the_listener(
    place: Place, autojump_clock: MockClock
) -> None:
    async with logged_in(place):
        async with logged_in(place, OTHER):
            pass
        await trio.sleep(10 * GRACE)
        assert await place.is_open()
    async with logged_in(place):  # before the grace is over
        await trio.sleep(10 * GRACE)
        assert await place.is_open()
    assert len(place.journal.of(events.OAUTH_CALLBACK_OPENED)) == 1


async def test_a_login_that_begins_as_the_listener_ends_gets_a_new_one(
    place: Place, autojump_clock: MockClock
) -> None:
    async with logged_in(place):
        pass
    autojump_clock.jump(GRACE)
    async with logged_in(place) as attendance:
        came = visit(place)
        assert (await attendance.redirected())["code"] == CODE
    assert (await came.page()).status == 200
    await trio.sleep(5 * GRACE)
    assert not await place.is_open()
    assert len(place.journal.of(events.OAUTH_CALLBACK_OPENED)) == 2


async def test_a_login_before_the_desk_runs_waits_for_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    place = Place(nursery)
    with trio.move_on_after(5) as scope:
        async with logged_in(place):
            raise AssertionError("nobody serves it")
    assert scope.cancelled_caught
    await place.start()
    async with logged_in(place):
        assert await place.is_open()


async def test_with_the_bridge_the_listener_stops_at_once(
    place: Place, autojump_clock: MockClock
) -> None:
    async with logged_in(place):
        place.stopping.set()
        await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()
        assert not place.desk.listening
        assert not await place.is_open()
        again = trio.Event()
        await place.nursery.start(place.desk.run, again)
    async with logged_in(place):
        assert await place.is_open()


async def test_a_login_given_up_while_it_opens_leaves_nothing_open(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    class Hasty(SimulatedNetwork):
        scope = trio.CancelScope()

        async def listen(self, host: str, port: int) -> Sequence[SimulatedListener]:
            listeners = await super().listen(host, port)
            if host == "::1":
                self.scope.cancel()
            return listeners

    network = Hasty()
    hosts = ("127.0.0.1", "localhost")
    place = await Place(nursery, network=network, hosts=hosts).start()
    with network.scope:
        async with logged_in(place):
            await trio.sleep_forever()
    await trio.sleep(0.1)
    assert not place.desk.listening
    assert not await place.is_open()
    assert not await place.is_open("::1")
    async with logged_in(place):
        assert await place.is_open()


class Partial(SimulatedNetwork):
    """Says ``error`` to whoever wants to listen on ::1."""

    def __init__(self, error: int) -> None:
        super().__init__()
        self.error = error

    async def listen(self, host: str, port: int) -> Sequence[SimulatedListener]:
        if host == "::1":
            raise OSError(self.error, "not here")
        return await super().listen(host, port)


@pytest.mark.requirement("R86")
async def test_for_localhost_both_loopback_addresses_are_served(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    place = await Place(nursery, hosts=("127.0.0.1", "localhost")).start()
    async with place.desk.attend(STATE) as attendance:
        stream = await place.network.connect("::1", PORT)
        browser = Browser(stream, host="[::1]:8090")
        await browser.send("GET", f"/oauth/callback?{GOOD}")
        assert (await attendance.redirected())["code"] == CODE
        attendance.answer(success=True)
    assert (await browser.whole()).status == 200


@pytest.mark.parametrize("error", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
async def test_a_machine_without_ipv6_does_with_the_other(
    nursery: trio.Nursery, autojump_clock: MockClock, error: int
) -> None:
    place = await Place(nursery, hosts=("localhost",), network=Partial(error)).start()
    async with logged_in(place):
        assert await place.is_open()


async def test_a_stranger_on_the_other_loopback_address_is_no_place_for_codes(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    network = Partial(errno.EADDRINUSE)
    place = await Place(nursery, hosts=("localhost",), network=network).start()
    with pytest.raises(CallbackUnavailable, match="::1"):
        async with logged_in(place):
            raise AssertionError("it must not listen")
    assert not await place.is_open()


@pytest.mark.requirement("R87", "R159")
async def test_a_taken_port_is_named_and_tried_again_with_the_next_login(
    place: Place,
    autojump_clock: MockClock,
) -> None:
    (stranger,) = await place.network.listen(*HERE)
    with pytest.raises(CallbackUnavailable) as caught:
        async with logged_in(place):
            raise AssertionError("it must not listen")
    assert "port 8090" in caught.value.public
    assert "in use" in caught.value.public
    assert "bridge.oauth_port" in caught.value.asked
    assert "bridge.oauth_port" in caught.value.advice
    await stranger.aclose()
    async with logged_in(place):
        assert await place.is_open()


@pytest.mark.requirement("R87")
async def test_of_two_processes_the_second_gets_the_error(
    place: Place, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    other = await Place(nursery, network=place.network).start()
    async with logged_in(place):
        with pytest.raises(CallbackUnavailable, match="8090"):
            async with logged_in(other, OTHER):
                raise AssertionError("it must not listen")


# --- what it takes, and what it says ---


@pytest.mark.requirement("R93", "R85")
@pytest.mark.parametrize(
    ("success", "status", "title"),
    [(True, 200, "Login complete"), (False, 400, "Login failed")],
)
async def test_the_page_waits_for_the_exchange(
    place: Place, autojump_clock: MockClock, *, success: bool, status: int, title: str
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
    place: Place,
    autojump_clock: MockClock,
) -> None:
    place.network.latency = GRACE * 1.5
    async with logged_in(place) as attendance:
        came = visit(place)
        await attendance.redirected()
    assert (await came.page()).status == 200


@pytest.mark.requirement("R93")
async def test_a_login_that_ends_by_an_error_is_shown_as_failed(
    place: Place, autojump_clock: MockClock
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
    place: Place, autojump_clock: MockClock
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
    place: Place,
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
    place: Place, autojump_clock: MockClock, method: str, target: str, status: int
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
    place: Place, autojump_clock: MockClock, host: str
) -> None:
    async with logged_in(place) as attendance:
        page = await place.ask(f"/oauth/callback?{GOOD}", host=host)
        assert page.status == 400
        came = visit(place)
        await attendance.redirected()
    assert (await came.page()).status == 200


@pytest.mark.parametrize("host", ["localhost:8090", "LocalHost:8090", "[::1]:8090"])
async def test_every_name_of_loopback_is_taken(
    place: Place, autojump_clock: MockClock, host: str
) -> None:
    async with place.desk.attend(STATE) as attendance:
        attendance.answer(success=True)
        page = await place.ask(f"/oauth/callback?{GOOD}", host=host)
    assert page.status == 200


async def test_on_the_port_of_http_the_host_names_none(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    place = await Place(nursery, port=80).start()
    async with place.desk.attend(STATE) as attendance:
        attendance.answer(success=True)
        reply = await place.person(f"http://localhost/oauth/callback?{GOOD}")
    assert reply.status == 200


@pytest.mark.requirement("D8")
async def test_an_answer_by_form_is_told_that_it_is_not_supported(
    place: Place, autojump_clock: MockClock
) -> None:
    async with logged_in(place):
        page = await place.ask("/oauth/callback", method="POST")
    assert page.status == 405
    assert page.headers["allow"] == "GET"
    assert "form_post" in page.body.decode()


@pytest.mark.requirement("D1", "R83")
async def test_a_state_is_taken_once(place: Place, autojump_clock: MockClock) -> None:
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
    place: Place,
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
    place: Place, autojump_clock: MockClock
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
    place: Place,
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
    place: Place, autojump_clock: MockClock
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
    place: Place, autojump_clock: MockClock, *, success: bool
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
    place: Place,
    autojump_clock: MockClock,
) -> None:
    async with place.desk.attend(STATE) as attendance:
        attendance.answer(success=True)
        assert await place.desk.deliver(GOOD)
        assert await place.desk.deliver(f"code=evil&state={STATE}")
        assert (await attendance.redirected())["code"] == CODE


async def test_a_pasted_redirect_without_an_end_is_no_success(
    place: Place, autojump_clock: MockClock
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
    place: Place, autojump_clock: MockClock, query: str
) -> None:
    async with logged_in(place) as attendance:
        assert await place.desk.deliver(query) is None
        came = visit(place)
        await attendance.redirected()
    assert (await came.page()).status == 200
    assert await place.desk.deliver(GOOD) is None  # over
