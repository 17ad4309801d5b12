"""One upstream's flood is its own: another's calls are answered in their usual time.

On the mock clock time does not pass while anybody runs, so a delay is counted in what
it consists of: how much of the flood was taken in before the neighbour was answered.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock

from bridge.actor.mailbox import MailboxFull
from bridge.contract.upstream import Answered
from bridge.errors import Overloaded
from bridge.protocol.frame import Frame, notification, request
from bridge.upstream.news import BULLETINS_AT_ONCE
from bridge.wire.link import FrameRefused, LinkEvent, Received
from kit.upstream import Bench, FakeLink, quiet, running, settle, tool

FLOOD = 2_000
#: So many events of the flood may come before a neighbour's answer: its call takes a
#: few steps of three tasks, and in each step the flooding link brings one event.
BOUND = 40


def flood_of(kind: str) -> list[LinkEvent]:
    match kind:
        case "list_changed":
            frame = notification("notifications/tools/list_changed")
        case "logs":
            params = {"level": "info", "data": "x" * 200}
            frame = notification("notifications/message", params)
        case "progress":
            params = {"progressToken": 1, "progress": 0.5}
            frame = notification("notifications/progress", params)
        case "requests":
            return [
                Received(frame=request("sampling/createMessage", {}, id=n))
                for n in range(FLOOD)
            ]
        case "pings":
            return [Received(frame=request("ping", id=n)) for n in range(FLOOD)]
        case "updates":
            return [
                Received(
                    frame=notification(
                        "notifications/resources/updated", {"uri": f"x://{n}"}
                    )
                )
                for n in range(FLOOD)
            ]
        case "answers":
            return [
                Received(frame=Frame(id=n, result=Raw(b"{}"))) for n in range(FLOOD)
            ]
        case _:
            return [FrameRefused(kind="not_json", size=9)] * FLOOD
    return [Received(frame=frame)] * FLOOD


KINDS = (
    "list_changed",
    "logs",
    "progress",
    "requests",
    "pings",
    "updates",
    "answers",
    "junk",
)


def left(link: FakeLink) -> int:
    """How much of the flood the bridge has not taken in."""
    return link._receive.statistics().current_buffer_used  # pyright: ignore[reportPrivateUsage]


@asynccontextmanager
async def neighbours() -> AsyncGenerator[tuple[Bench, Bench]]:
    wild, good = Bench(config=quiet("wild")), Bench(config=quiet("good"), seed=2)
    good.server.methods["tools/call"] = lambda _params: {"content": []}
    async with running(wild), running(good):
        await wild.ready()
        await good.ready()
        yield wild, good


@pytest.mark.requirement("R127", "R130")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_flood_does_not_delay_a_neighbour(
    autojump_clock: MockClock, kind: str
) -> None:
    async with neighbours() as (wild, good):
        for event in flood_of(kind):
            wild.link.push(event)
        _, outcome = good.call()
        assert isinstance(await outcome.wait(), Answered)
        taken = FLOOD - left(wild.link)
        assert 0 < taken <= BOUND
        await settle()
        assert left(wild.link) == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_flood_of_ten_seconds_reaches_the_router_as_a_trickle(
    autojump_clock: MockClock, kind: str
) -> None:
    async with neighbours() as (wild, _good):
        told, deepest, statuses = 0, 0, len(wild.statuses)
        readings = len(wild.server.heard_of("tools/list"))
        flood = flood_of(kind)
        for _ in range(10):
            for event in flood:
                wild.link.push(event)
            await trio.sleep(1)
            deepest = max(deepest, wild.router.depth)
            told += wild.router.depth
            wild.told_router(object)
        assert deepest <= 11 * BULLETINS_AT_ONCE
        assert told <= {"updates": 110 * BULLETINS_AT_ONCE, "logs": 50 * 10 + 100}.get(
            kind, 12
        )
        assert len(wild.server.heard_of("tools/list")) - readings <= 11
        assert len(wild.statuses) - statuses <= 11  # one a second


async def test_a_neighbour_with_a_full_mailbox_is_overloaded_alone(
    autojump_clock: MockClock,
) -> None:
    async with neighbours() as (wild, good):
        refused = 0
        outcomes = list[object]()
        for _ in range(1000):
            try:
                outcomes.append(wild.call()[1])
            except MailboxFull:
                refused += 1
        assert refused == 1000 - 256
        _, outcome = good.call()
        assert isinstance(await outcome.wait(), Answered)
        await settle()
        for _ in range(256):
            wild.call()
        await settle()
        _, late = wild.call()
        assert "too many calls wait" in (await late.error(Overloaded)).public
        _, outcome = good.call()
        assert isinstance(await outcome.wait(), Answered)


async def test_a_list_of_many_tools_is_read_once_however_often_it_changes(
    autojump_clock: MockClock,
) -> None:
    async with neighbours() as (wild, good):
        wild.server.tools = [tool(f"t{n}") for n in range(5000)]
        began = len(wild.server.heard_of("tools/list"))
        for _ in range(FLOOD):
            wild.link.say(notification("notifications/tools/list_changed"))
        await trio.sleep(3)
        assert len(wild.server.heard_of("tools/list")) - began <= 3
        _, outcome = good.call()
        assert isinstance(await outcome.wait(), Answered)


async def test_a_link_that_takes_nothing_holds_up_nobody(
    autojump_clock: MockClock,
) -> None:
    async with neighbours() as (wild, good):
        wild.link.busy = True
        for event in flood_of("requests"):
            wild.link.push(event)
        outcomes = [wild.call()[1] for _ in range(10)]
        _, outcome = good.call()
        assert isinstance(await outcome.wait(), Answered)
        for held in outcomes:
            await held.error(Overloaded)
