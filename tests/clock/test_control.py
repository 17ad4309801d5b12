"""What a running bridge says of itself, and what it can be told."""

from random import Random

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.actor.child import ChildContext, ChildSpec
from bridge.actor.mailbox import Mailbox
from bridge.actor.restart import RestartBudget, RestartPolicy
from bridge.actor.supervisor import Supervisor
from bridge.config.server import UpstreamConfig
from bridge.contract.upstream import Poke, Rescan, UpstreamAddress
from bridge.control import LiveControl, child_id
from bridge.observe.metrics import Metrics
from bridge.observe.status import UpstreamStatus
from kit.journal import Journal
from kit.routing import RouterRoom, policy, tool

CONFIGURED = (
    UpstreamConfig(name="a", command="serve", tags=("x",)),
    UpstreamConfig(name="b", url="https://h.example/mcp", verify_ssl=False),
    UpstreamConfig(name="off", command="serve", enabled=False),
)


class Place:
    """A router room, a supervisor and the control over both."""

    def __init__(self) -> None:
        self.room = RouterRoom(policy("a"), policy("b"))
        self.supervisor = Supervisor(log=Journal().log, rng=Random(1))
        self.metrics = Metrics()
        self.control = LiveControl(
            board=self.room.board,
            sessions=self.room.sessions,
            supervisor=self.supervisor,
            metrics=self.metrics,
            upstreams=CONFIGURED,
        )

    async def start(self, nursery: trio.Nursery) -> None:
        await nursery.start(self.supervisor.run)
        await self.room.start(nursery)
        self.room.up("a", tools=[tool("t")])
        await wait_all_tasks_blocked()
        self.control.announce(self.room.upstreams["a"])
        self.room.heard("a")

    def shown(self, name: str) -> UpstreamStatus:
        [found] = [u for u in self.control.status().upstreams if u.name == name]
        return found


async def serve(context: ChildContext) -> None:
    await context.stopping.wait()


async def crash(context: ChildContext) -> None:
    raise RuntimeError(context.id)


@pytest.mark.requirement("R54", "R136")
async def test_before_an_upstream_speaks_its_configuration_is_shown(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    assert place.shown("a").state == "connecting"
    assert (place.shown("a").transport, place.shown("a").tags) == ("stdio", ("x",))
    assert (place.shown("b").transport, place.shown("b").tls_verified) == (
        "auto",
        False,
    )
    assert place.shown("off").state == "disabled"


@pytest.mark.requirement("R54")
async def test_the_status_counts_what_is_listed_and_who_is_there(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    await place.room.client()
    place.control.publish(UpstreamStatus(name="a", state="connected", restarts=2))
    status = place.control.status()
    assert (status.tools, status.sessions, status.ready) == (1, 1, False)
    assert place.shown("a").state == "connected"
    assert b'bridge_upstream_reconnections{upstream="a"} 2.0' in place.metrics.text()


async def test_a_bridge_is_ready_when_every_upstream_has_settled_until_it_drains(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    assert not place.control.ready
    place.room.up("b")
    await wait_all_tasks_blocked()
    assert place.control.ready
    place.control.draining = True
    assert not place.control.ready


@pytest.mark.requirement("R52")
async def test_a_rescan_goes_to_the_connected_upstreams(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    assert place.control.rescan() == 1
    assert place.room.heard("a") == [Rescan()]


@pytest.mark.requirement("R52")
async def test_a_reconnect_is_told_to_the_upstream_by_either_name(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.supervisor.add(ChildSpec(id=child_id("a"), start=serve))
    await wait_all_tasks_blocked()
    assert place.control.reconnect("a")
    [poke] = place.room.heard("a")
    assert isinstance(poke, Poke)
    assert poke.reconnect
    assert not place.control.reconnect("nobody")
    place.room.upstreams["a"].mailbox.seal()
    assert place.control.reconnect("a")  # its next incarnation connects anyway
    await place.supervisor.stop(within=0)


@pytest.mark.requirement("R52", "R130")
async def test_a_quarantined_upstream_is_shown_as_failed_and_can_be_brought_back(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    budget = RestartPolicy(budget=RestartBudget(intensity=0, period=60))
    place.supervisor.add(ChildSpec(id=child_id("a"), start=crash, restart=budget))
    await wait_all_tasks_blocked()
    shown = place.shown("a")
    assert (shown.state, shown.phase) == ("failed", "quarantined")
    assert "reconnect it" in shown.reason
    assert place.control.reconnect("a")
    assert place.room.heard("a") == []  # revived, not poked
    await place.supervisor.stop(within=0)


async def test_an_address_of_a_new_incarnation_replaces_the_old_one(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.supervisor.add(ChildSpec(id=child_id("a"), start=serve))
    await wait_all_tasks_blocked()
    newer = UpstreamAddress(name="a", mailbox=Mailbox(bound=1))
    place.control.announce(newer)
    assert place.control.reconnect("a")
    assert place.room.heard("a") == []
    assert isinstance(newer.mailbox.take(), Poke)
    await place.supervisor.stop(within=0)
