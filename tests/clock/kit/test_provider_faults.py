"""Faults of the simulated provider, as a client meets them."""

from collections.abc import Awaitable, Callable

import h11
import pytest
import trio
from trio.testing import MockClock

from bridge.errors import LinkError, LinkTimeout
from bridge.http import Fetched, HttpClients
from kit import provider_faults as faults
from kit.oauth_scene import Scene, scene
from kit.provider_rules import Rules

LOST = (trio.BrokenResourceError, h11.RemoteProtocolError)


def metadata_of(s: Scene) -> Callable[[], Awaitable[Fetched]]:
    """Asks for the metadata as the bridge does."""
    fetcher = HttpClients(s.network).fetcher()
    url = f"{s.provider.issuer}/.well-known/oauth-authorization-server"
    return lambda: fetcher.fetch(url)


async def test_faults_come_once_or_until_they_are_healed(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        ask = metadata_of(s)
        s.provider.faults.once("metadata", faults.answering(500), faults.honest)
        s.provider.faults.always("metadata", faults.html())
        assert (await ask()).status == 500
        assert b"issuer" in (await ask()).body
        assert b"<html>" in (await ask()).body
        assert b"<html>" in (await ask()).body
        s.provider.faults.heal("metadata")
        assert b"issuer" in (await ask()).body
        assert s.provider.counts.requests["metadata"] == 5


async def test_a_redirect_names_another_address(autojump_clock: MockClock) -> None:
    async with scene() as s:
        elsewhere = "http://127.0.0.1:9/elsewhere"
        s.provider.faults.once("metadata", faults.redirecting(elsewhere))
        answer = await metadata_of(s)()
        assert (answer.status, answer.headers["location"]) == (302, elsewhere)


async def test_too_much_and_too_late_and_never(autojump_clock: MockClock) -> None:
    async with scene() as s:
        ask = metadata_of(s)
        s.provider.faults.once(
            "metadata", faults.huge(), faults.slow(9), faults.slow(11), faults.silent
        )
        with pytest.raises(LinkError, match="larger"):
            await ask()
        assert (await ask()).status == 200
        for _ in range(2):
            with pytest.raises(LinkTimeout):
                await ask()


async def test_a_client_that_comes_back_too_soon_is_noticed(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.log_in()
        s.provider.faults.once("token", *[faults.too_many(30)] * 2)
        reply = await s.client.refresh()
        assert (reply.status, reply.headers["retry-after"]) == (429, "30")
        await trio.sleep(30)
        assert (await s.client.refresh()).status == 429
        assert s.broken == []
        await trio.sleep(29)
        assert (await s.client.refresh()).status == 200
        assert s.broken == ["retry_after"]


async def test_an_ordered_refusal_changes_nothing(autojump_clock: MockClock) -> None:
    async with scene() as s:
        await s.client.log_in()
        s.provider.faults.once("token", faults.refusing("invalid_grant"))
        assert (await s.client.refresh()).json == {"error": "invalid_grant"}
        assert (await s.client.refresh()).status == 200
        assert s.broken == []


async def test_a_cut_before_the_work_leaves_the_token_unused(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.log_in()
        s.provider.faults.once("token", faults.cut)
        with pytest.raises(LOST):
            await s.client.refresh()
        assert s.provider.counts.refreshes == 0
        assert (await s.client.refresh()).status == 200


@pytest.mark.parametrize("fault", [faults.answer_lost, faults.half_an_answer])
@pytest.mark.parametrize("grace", [0.0, 60.0])
async def test_a_lost_answer_is_nobodys_fault_but_may_cost_the_login(
    autojump_clock: MockClock, fault: faults.Fault, grace: float
) -> None:
    async with scene(Rules(grace=grace)) as s:
        await s.client.log_in()
        s.provider.faults.once("token", fault)
        with pytest.raises(LOST):
            await s.client.refresh()
        await trio.sleep(1)
        assert (await s.client.refresh()).status == (200 if grace else 400)
        assert s.broken == []


async def test_an_answer_nobody_waited_for_is_lost(autojump_clock: MockClock) -> None:
    async with scene() as s:
        await s.client.log_in()
        s.provider.faults.once(
            "token", faults.late(20), faults.late(5), faults.slow(20)
        )
        with trio.move_on_after(10):
            await s.client.refresh()
        assert s.provider.counts.refreshes == 1
        assert (await s.client.refresh()).status == 400
        assert s.broken == []
        with trio.move_on_after(10):
            await s.client.refresh()
        assert s.provider.counts.requests["token"] == 4


async def test_a_client_that_leaves_while_the_answer_travels_has_lost_it(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.log_in()
        s.network.latency = 2
        with trio.move_on_after(5):  # connected at 2, asked at 4, answered at 6
            await s.client.refresh()
        await trio.sleep(5)
        assert s.provider.counts.refreshes == 1
        assert (await s.client.refresh()).status == 400
        assert s.broken == []


async def test_two_refreshes_at_once_are_noticed(autojump_clock: MockClock) -> None:
    async with scene(Rules(grace=60)) as s:
        await s.client.log_in()
        s.provider.faults.always("token", faults.slow(1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.client.refresh)
            nursery.start_soon(s.client.refresh)
        assert s.broken == ["refresh.twice"]
        s.provider.breaches.clear()
        await s.client.refresh()
        assert s.broken == []
