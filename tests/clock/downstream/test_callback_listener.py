"""When and where the login listener listens: by need, on loopback."""

import errno
from collections.abc import Sequence

import pytest
import trio
import trio.lowlevel
import trio.testing
from trio.testing import MockClock

from bridge.contract.login import LoginDesk
from bridge.downstream.callback import GRACE
from bridge.errors import CallbackUnavailable
from bridge.observe import catalogue as events
from kit.browser import Browser
from kit.callback import (
    CODE,
    GOOD,
    HERE,
    OTHER,
    PORT,
    STATE,
    CallbackPlace,
    logged_in,
    visit,
)
from kit.network import SimulatedListener, SimulatedNetwork


@pytest.fixture
async def place(nursery: trio.Nursery, autojump_clock: MockClock) -> CallbackPlace:
    return await CallbackPlace(nursery).start()


@pytest.mark.requirement("R85", "R86")
async def test_the_redirect_address_is_on_loopback(
    place: CallbackPlace, autojump_clock: MockClock
) -> None:
    desk: LoginDesk = place.desk
    assert desk.redirect_uri("127.0.0.1") == "http://127.0.0.1:8090/oauth/callback"
    assert desk.redirect_uri("localhost") == "http://localhost:8090/oauth/callback"


@pytest.mark.requirement("R87", "D8")
async def test_it_listens_only_while_a_login_is_pending(
    place: CallbackPlace, autojump_clock: MockClock
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
    place = await CallbackPlace(nursery, port=0).start()
    async with logged_in(place):
        chosen = place.desk.redirect_uri("127.0.0.1")
        assert ":0/" not in chosen
    await trio.sleep(GRACE + 0.1)
    async with logged_in(place):
        assert place.desk.redirect_uri("127.0.0.1") == chosen


async def test_logins_that_overlap_share_the_listener(
    place: CallbackPlace, autojump_clock: MockClock
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
    place: CallbackPlace, autojump_clock: MockClock
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
    place = CallbackPlace(nursery)
    with trio.move_on_after(5) as scope:
        async with logged_in(place):
            raise AssertionError("nobody serves it")
    assert scope.cancelled_caught
    await place.start()
    async with logged_in(place):
        assert await place.is_open()


async def test_with_the_bridge_the_listener_stops_at_once(
    place: CallbackPlace, autojump_clock: MockClock
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
    place = await CallbackPlace(nursery, network=network, hosts=hosts).start()
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
    place = await CallbackPlace(nursery, hosts=("127.0.0.1", "localhost")).start()
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
    place = await CallbackPlace(
        nursery, hosts=("localhost",), network=Partial(error)
    ).start()
    async with logged_in(place):
        assert await place.is_open()


async def test_a_stranger_on_the_other_loopback_address_is_no_place_for_codes(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    network = Partial(errno.EADDRINUSE)
    place = await CallbackPlace(nursery, hosts=("localhost",), network=network).start()
    with pytest.raises(CallbackUnavailable, match="::1"):
        async with logged_in(place):
            raise AssertionError("it must not listen")
    assert not await place.is_open()


@pytest.mark.requirement("R87", "R159")
async def test_a_taken_port_is_named_and_tried_again_with_the_next_login(
    place: CallbackPlace,
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
    place: CallbackPlace, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    other = await CallbackPlace(nursery, network=place.network).start()
    async with logged_in(place):
        with pytest.raises(CallbackUnavailable, match="8090"):
            async with logged_in(other, OTHER):
                raise AssertionError("it must not listen")
