"""What a running bridge says of itself, and what it can be told."""

from contextlib import AbstractAsyncContextManager
from random import Random

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.actor.child import ChildContext, ChildSpec
from bridge.actor.mailbox import Mailbox
from bridge.actor.restart import RestartBudget, RestartPolicy
from bridge.actor.supervisor import Supervisor
from bridge.config.server import OAuthConfig, UpstreamConfig
from bridge.contract.login import Attendance, LoginDesk
from bridge.contract.upstream import (
    Forget,
    Poke,
    Reauthorize,
    Rescan,
    UpstreamAddress,
)
from bridge.control import LiveControl, child_id
from bridge.observe.metrics import Metrics
from bridge.observe.status import OAuthStatus, UpstreamStatus
from kit.journal import Journal
from kit.routing import RouterRoom, policy, tool

CONFIGURED = (
    UpstreamConfig(name="a", command="serve", tags=("x",)),
    UpstreamConfig(
        name="b",
        url="https://h.example/mcp",
        verify_ssl=False,
        oauth=OAuthConfig(enabled=True),
    ),
    UpstreamConfig(name="off", command="serve", enabled=False),
    UpstreamConfig(
        name="Not Yet", url="https://n.example/mcp", oauth=OAuthConfig(enabled=True)
    ),
)


class Place:
    """A router room, a supervisor and the control over both."""

    def __init__(self, *, desk: LoginDesk | None = None) -> None:
        self.room = RouterRoom(policy("a"), policy("b"))
        self.supervisor = Supervisor(log=Journal().log, rng=Random(1))
        self.metrics = Metrics()
        self.control = LiveControl(
            board=self.room.board,
            sessions=self.room.sessions,
            supervisor=self.supervisor,
            metrics=self.metrics,
            upstreams=CONFIGURED,
            desk=desk,
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


@pytest.mark.requirement("R112")
async def test_logins_are_those_of_the_servers_that_log_in_as_they_last_said(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    assert [(s.name, s.state) for s in place.control.oauth()] == [
        ("b", "absent"),
        ("Not Yet", "absent"),
    ]
    place.control.publish_oauth(OAuthStatus(name="b", state="valid"))
    assert [s.state for s in place.control.oauth()] == ["valid", "absent"]


@pytest.mark.requirement("R112")
async def test_login_and_logout_are_told_to_the_upstream(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.supervisor.add(ChildSpec(id=child_id("b"), start=serve))
    await wait_all_tasks_blocked()
    place.control.announce(place.room.upstreams["b"])
    assert place.control.login("b", force=True)
    assert place.control.logout("b")
    reason = "asked by an operator"
    assert place.room.heard("b") == [
        Reauthorize(reason=reason, force=True),
        Forget(reason=reason),
    ]
    for name in ("a", "off", "Not Yet", "not-yet", "nobody"):
        assert not place.control.login(name, force=False)
        assert not place.control.logout(name)
    await place.supervisor.stop(within=0)


@pytest.mark.requirement("R112")
async def test_what_an_ended_upstream_was_told_is_heard_by_its_next_incarnation(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.supervisor.add(ChildSpec(id=child_id("b"), start=serve))
    await wait_all_tasks_blocked()
    place.control.announce(place.room.upstreams["b"])
    place.room.upstreams["b"].mailbox.seal()
    assert place.control.logout("b")
    for expected in (Forget(reason="asked by an operator"), None):
        newer = UpstreamAddress(name="b", mailbox=Mailbox(bound=1))
        place.control.announce(newer)
        assert newer.mailbox.take() == expected
    await place.supervisor.stop(within=0)


class Desk:
    """A login desk that knows one redirect."""

    def redirect_uri(self, host: str) -> str:
        raise NotImplementedError

    def attend(self, state: str) -> AbstractAsyncContextManager[Attendance]:
        raise NotImplementedError

    async def deliver(self, query: str) -> bool | None:
        await trio.lowlevel.checkpoint()
        return True if query == "state=known" else None


@pytest.mark.requirement("R81")
async def test_a_pasted_redirect_goes_to_the_desk_of_the_logins(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    control = Place(desk=Desk()).control
    assert await control.paste("state=known") is True
    assert await control.paste("state=other") is None
    assert await Place().control.paste("state=known") is None
