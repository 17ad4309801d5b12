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
from bridge.config.model import LeftOut
from bridge.config.server import OAuthConfig, UpstreamConfig
from bridge.contract.login import Attendance, LoginDesk
from bridge.contract.upstream import (
    Forget,
    Poke,
    Reauthorize,
    Rescan,
    UpstreamAddress,
)
from bridge.control import READY_WITHIN, Insight, LiveControl, child_id
from bridge.observe.metrics import Metrics
from bridge.observe.status import KeysStatus, OAuthStatus, UpstreamStatus
from bridge.observe.tree import Node
from kit.front import EPOCH, TestClock
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
        self.keys: KeysStatus | None = None
        self.control = LiveControl(
            board=self.room.board,
            sessions=self.room.sessions,
            supervisor=self.supervisor,
            metrics=self.metrics,
            upstreams=CONFIGURED,
            insight=Insight(
                clock=TestClock(),
                keys=lambda: self.keys,
                mailboxes={"router": self.room.mailbox},
                facts=lambda: {"router": {"table": 1}},
            ),
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
    place.control.publish(UpstreamStatus(name="a", state="connected", epoch=1))
    status = place.control.status()
    assert (status.tools, status.sessions, status.ready) == (1, 1, False)
    assert place.shown("a").state == "connected"


@pytest.mark.requirement("R131")
async def test_every_connection_after_the_first_counts_once_even_after_a_crash(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)

    def publish(state: str, epoch: int) -> int:
        place.control.publish(UpstreamStatus(name="a", state=state, epoch=epoch))
        return place.shown("a").restarts

    assert publish("backoff", 1) == 0  # a link that opened and never served
    assert publish("connected", 2) == 0
    assert publish("connected", 2) == 0
    assert publish("backoff", 2) == 0
    assert publish("backoff", 7) == 0
    assert publish("connected", 8) == 1
    assert publish("connecting", 9) == 1  # another incarnation of its actor
    assert publish("connected", 9) == 2
    assert b'bridge_upstream_reconnections{upstream="a"} 2.0' in place.metrics.text()
    place.control.forget("a")
    assert publish("connected", 1) == 0


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


@pytest.mark.requirement("R138", "E10")
async def test_a_bridge_is_ready_in_bounded_time_whatever_its_upstreams_do(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    assert (place.control.ready, place.control.status().state) == (False, "starting")
    await trio.sleep(READY_WITHIN)
    assert place.control.ready
    assert place.control.status().state == "degraded"  # and says who is missing
    assert "b is connecting: waits for the connection to open" in (
        place.control.status().troubles
    )


@pytest.mark.requirement("R138")
async def test_without_the_issuers_keys_nobody_is_let_in_and_the_status_says_so(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.room.up("b")
    place.keys = KeysStatus(issuer="https://i", state="missing", last_error="refused")
    await wait_all_tasks_blocked()
    status = place.control.status()
    assert (status.ready, status.state) == (False, "unavailable")
    assert "the keys of https://i are missing: refused" in status.troubles
    place.keys = KeysStatus(issuer="https://i", state="stale", last_error="refused")
    assert place.control.ready
    assert place.control.status().state == "degraded"
    place.keys = KeysStatus(issuer="https://i", state="valid")
    assert place.control.status().keys == place.keys


async def test_all_upstreams_down_is_degraded_with_counts_and_reasons(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.room.up("b")
    await wait_all_tasks_blocked()
    for name in ("a", "b", "Not Yet"):
        place.control.publish(
            UpstreamStatus(name=name, state="backoff", reason="refused", retry_at=9)
        )
    status = place.control.status()
    assert (status.ready, status.state) == (True, "degraded")
    assert status.states == {"backoff": 3, "disabled": 1}
    assert status.troubles == tuple(
        f"{name} is backoff: refused" for name in ("a", "b", "Not Yet")
    )
    assert place.shown("a").waits_for == "reconnect in 9 s after: refused"
    place.control.draining = True
    assert place.control.status().state == "draining"


@pytest.mark.requirement("R127", "R138")
async def test_a_connected_server_that_is_left_alone_degrades_the_bridge(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.room.up("b")
    await wait_all_tasks_blocked()
    for name in ("a", "b", "Not Yet"):
        place.control.publish(UpstreamStatus(name=name, state="connected"))
    assert (place.control.status().state, place.control.status().troubles) == (
        "ready",
        (),
    )
    place.control.publish(
        UpstreamStatus(name="a", state="connected", circuit="open", retry_at=9)
    )
    status = place.control.status()
    assert (status.ready, status.state) == (True, "degraded")
    (trouble,) = status.troubles
    assert trouble == (
        "a is connected: waits for a call that tries it in 9 s:"
        " it answered only errors (circuit open)"
    )


@pytest.mark.requirement("R7")
async def test_a_server_left_out_for_its_configuration_is_shown_with_the_reason(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.control.left_out = (LeftOut("bad", "mcpServers.bad.command: missing"),)
    assert place.shown("bad").state == "invalid"
    assert place.shown("bad").reason == "mcpServers.bad.command: missing"
    assert place.control.status().states["invalid"] == 1
    assert not place.control.reconnect("bad")


@pytest.mark.requirement("R136", "D10")
async def test_connected_with_a_dead_token_is_not_called_connected(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.control.publish(UpstreamStatus(name="b", state="connected", epoch=1))
    good = OAuthStatus(name="b", state="valid", serving=True)
    place.control.publish_oauth(good)
    assert place.shown("b").state == "connected"
    place.control.publish_oauth(
        OAuthStatus(
            name="b",
            state="stale",
            refresh_at=EPOCH + trio.current_time() + 20,
            last_error="the provider does not answer",
        )
    )
    shown = place.shown("b")
    assert shown.state == "backoff"
    assert shown.waits_for == (
        "reconnect in 20 s after: its token has expired and is not renewed yet: "
        "the provider does not answer"
    )
    place.control.publish_oauth(OAuthStatus(name="b", state="login_required"))
    assert place.shown("b").state == "auth_required"
    assert place.shown("b").waits_for == "a login: bridge oauth login b"


async def test_an_upstream_whose_actor_crashed_is_not_shown_as_it_was_before(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    place.control.publish(
        UpstreamStatus(name="a", state="connected", epoch=1, in_flight=3)
    )
    place.supervisor.add(ChildSpec(id=child_id("a"), start=crash))
    await wait_all_tasks_blocked()
    shown = place.shown("a")
    assert (shown.state, shown.phase) == ("backoff", "crashed")
    assert shown.in_flight == 0
    assert "RuntimeError" in shown.reason
    assert "reconnect in" in shown.waits_for
    await place.supervisor.stop(within=0)


async def test_the_tree_names_every_part_with_its_mailbox(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    place = Place()
    await place.start(nursery)
    for id in ("router", child_id("a")):  # noqa: A001 - the child's own word
        place.supervisor.add(ChildSpec(id=id, start=serve))
    await wait_all_tasks_blocked()
    place.room.upstreams["a"].mailbox.offer(Rescan(), counted=False)
    tree = place.control.tree()
    parts = {node.name: node for node in _nodes(tree)}
    assert [node.name for node in tree.children] == ["router", "upstreams"]
    assert parts["router"].facts == {"table": 1}
    assert parts["router"].mailbox is not None
    found = parts["a"].mailbox
    assert found is not None
    assert (found.depth, found.bound) == (1, 4)
    assert {"a", "b", "off", "Not Yet"} <= set(parts)
    await place.supervisor.stop(within=0)


def _nodes(node: Node) -> list[Node]:
    return [node, *(below for child in node.children for below in _nodes(child))]


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
    assert not place.control.reconnect("off")
    assert place.control.reconnect("not-yet")  # its actor is about to begin
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
    for name in ("a", "off", "nobody"):
        assert not place.control.login(name, force=False)
        assert not place.control.logout(name)
    assert place.control.login("not-yet", force=False)  # told when its actor begins
    begun = UpstreamAddress(name="Not Yet", mailbox=Mailbox(bound=1))
    place.control.announce(begun)
    assert begun.mailbox.take() == Reauthorize(reason=reason)
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
