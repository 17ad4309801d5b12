"""Upstreams come, go and follow each other, and no call notices."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.actor.mailbox import Mailbox
from bridge.actor.supervisor import Supervisor
from bridge.config.server import UpstreamConfig
from bridge.contract.catalog import Catalog
from bridge.contract.router import (
    Reconfigured,
    Succeeded,
    UpstreamDown,
    UpstreamUp,
)
from bridge.contract.upstream import (
    Drain,
    UpstreamAddress,
    UpstreamMessage,
    UpstreamState,
)
from bridge.fleet import SUCCESSION_PATIENCE, Fleet, Publish, PublishLogin
from bridge.observe import catalogue as events
from bridge.observe.status import OAuthStatus, UpstreamStatus
from kit.journal import Journal
from kit.routing import RouterRoom, policy, tool

WITHIN = 30.0
UP = UpstreamState.CONNECTED
DOWN = UpstreamState.BACKOFF


class Scripted:
    """An upstream's actor that connects when it is told to and drains as long."""

    def __init__(
        self,
        room: RouterRoom,
        config: UpstreamConfig,
        *,
        edition: int,
        epochs: Iterator[int],
        publish: Publish,
        publish_login: PublishLogin,
    ) -> None:
        self.config = config
        self.login = publish_login
        self.drained = trio.Event()
        self.told: Drain | None = None
        self.ended = False
        self._room = room
        self._epochs = epochs
        self._publish = publish
        self._crash = trio.Event()
        box: Mailbox[UpstreamMessage] = Mailbox(bound=4)
        self.address = UpstreamAddress(name=config.name, mailbox=box, edition=edition)

    async def run(self, stopping: trio.Event) -> None:
        self.down(UpstreamState.CONNECTING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._heed, stopping)
            nursery.start_soon(self._crashing)
            while self.told is None:
                message = await self.address.mailbox.receive()
                if isinstance(message, Drain):
                    self.told = message
            with trio.move_on_at(self.told.deadline):
                await self.drained.wait()
            nursery.cancel_scope.cancel()
        self.ended = True

    async def _heed(self, stopping: trio.Event) -> None:
        await stopping.wait()
        if self.told is None:
            self.address.mailbox.offer(Drain(deadline=trio.current_time()))

    async def _crashing(self) -> None:
        await self._crash.wait()
        self.address.mailbox.seal()
        raise RuntimeError("a bug")

    def crash(self) -> None:
        self._crash.set()

    def up(self) -> None:
        self._say(UP)
        self._room.send(
            UpstreamUp(
                address=self.address,
                epoch=next(self._epochs),
                catalog=Catalog(tools=(tool(f"x{self.address.edition}"),)),
            )
        )

    def down(self, state: UpstreamState = DOWN) -> None:
        self._say(state)
        self._room.send(
            UpstreamDown(
                address=self.address, epoch=next(self._epochs), state=state, reason="no"
            )
        )

    def _say(self, state: UpstreamState) -> None:
        self._publish(UpstreamStatus(name=self.config.name, state=state.value))


class Register:
    """What the rest of the bridge hears."""

    def __init__(self) -> None:
        self.addresses: dict[str, UpstreamAddress] = {}
        self.statuses: list[tuple[str, str]] = []
        self.logins: list[OAuthStatus] = []
        self.forgotten: list[str] = []

    def said_of(self, name: str) -> list[str]:
        return [state for of, state in self.statuses if of == name]

    def announce(self, address: UpstreamAddress) -> None:
        self.addresses[address.name] = address

    def publish(self, status: UpstreamStatus) -> None:
        self.statuses.append((status.name, status.state))

    def publish_oauth(self, status: OAuthStatus) -> None:
        self.logins.append(status)

    def forget(self, name: str) -> None:
        self.forgotten.append(name)


class Place:
    """A fleet of scripted upstreams over a real router and a real supervisor."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.room = RouterRoom()
        self.register = Register()
        self.actors: list[Scripted] = []
        self.supervisor = Supervisor(log=self.journal.log, rng=Random(1))
        self.fleet = Fleet(
            supervisor=self.supervisor,
            to_router=self.room.mailbox,
            registry=self.register,
            build=self._build,
            log=self.journal.log,
            within=WITHIN,
        )

    def _build(self, config: UpstreamConfig, **parts: Any) -> Scripted:
        actor = Scripted(self.room, config, **parts)
        self.actors.append(actor)
        return actor

    async def configure(self, *upstreams: UpstreamConfig) -> None:
        policies = tuple(policy(each.name) for each in upstreams if each.enabled)
        self.room.send(Reconfigured(policies=policies))
        self.fleet.configure(upstreams)
        await wait_all_tasks_blocked()

    def actor(self, name: str = "a", edition: int = 0) -> Scripted:
        """The latest incarnation of an edition."""
        found = {(a.config.name, a.address.edition): a for a in self.actors}
        return found[name, edition]

    @property
    def serving(self) -> UpstreamAddress:
        """Where calls to ``a`` go now."""
        return self.room.board.presences["a"].address

    @property
    def children(self) -> list[str]:
        return [child.id for child in self.supervisor.status]


def upstream(
    name: str = "a", *, args: str = "", enabled: bool = True
) -> UpstreamConfig:
    return UpstreamConfig(
        name=name, command="serve", args=tuple(args), enabled=enabled, timeout=60
    )


@pytest.fixture
async def place(nursery: trio.Nursery, autojump_clock: object) -> Place:
    place = Place()
    await nursery.start(place.supervisor.run)
    await place.room.start(nursery)
    await place.configure(upstream(), upstream("b"))
    for actor in place.actors:
        actor.up()
    await wait_all_tasks_blocked()
    return place


@pytest.mark.requirement("R140")
async def test_an_unchanged_upstream_is_not_touched(
    place: Place, autojump_clock: object
) -> None:
    a, b = place.actor("a"), place.actor("b")
    await place.configure(upstream("c"), upstream("b"), upstream())
    assert [a.told, b.told] == [None, None]
    assert sorted(actor.config.name for actor in place.actors) == ["a", "b", "c"]
    assert place.serving is a.address


@pytest.mark.requirement("R140")
async def test_a_successor_takes_over_once_it_is_connected_and_then_the_old_one_drains(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream(args="n"), upstream("b"))
    old, new = place.actor(), place.actor(edition=1)
    await trio.sleep(5)
    assert place.serving is old.address
    assert old.told is None
    assert place.register.said_of("a") == ["connecting", "connected"]
    new.up()
    await wait_all_tasks_blocked()
    assert place.serving is new.address
    assert place.register.said_of("a")[2:] == ["connected"]
    assert old.told is not None
    assert old.told.deadline == 5 + 300  # as long as a call may take
    [said] = place.journal.of(events.UPSTREAM_REPLACED)
    assert (said["connected"], said["seconds"]) == (True, 5.0)
    await trio.sleep(200)
    assert not old.ended
    old.drained.set()
    await wait_all_tasks_blocked()
    assert place.children == ["upstream:b", "upstream:a#2"]
    assert place.register.forgotten == []


async def test_a_successor_that_cannot_connect_takes_over_all_the_same_in_the_end(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream(args="n"), upstream("b"))
    old, new = place.actor(), place.actor(edition=1)
    new.down()
    await trio.sleep(SUCCESSION_PATIENCE - 1)
    assert place.serving is old.address
    await trio.sleep(2)
    assert place.serving is new.address
    assert not place.room.board.presences["a"].up
    assert old.told is not None
    assert place.register.statuses[-1] == ("a", "backoff")
    [said] = place.journal.of(events.UPSTREAM_REPLACED)
    assert said["connected"] is False


@pytest.mark.parametrize("how", ["goes down", "crashes"])
async def test_nobody_waits_for_a_predecessor_that_is_gone(
    place: Place, how: str, autojump_clock: object
) -> None:
    await place.configure(upstream(args="n"), upstream("b"))
    old, new = place.actor(), place.actor(edition=1)
    if how == "goes down":
        old.down()
    else:
        old.down()
        old.crash()
    await wait_all_tasks_blocked()
    assert place.serving is new.address
    assert place.room.board.presences["a"].catalog is not None  # still listed
    old.drained.set()
    await trio.sleep(1)
    assert "upstream:a" not in place.children


async def test_the_last_words_of_a_predecessor_change_nothing(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream(args="n"), upstream("b"))
    old, new = place.actor(), place.actor(edition=1)
    new.up()
    await wait_all_tasks_blocked()
    old.down(UpstreamState.DISCONNECTED)
    old.login(OAuthStatus(name="a", state="absent"))
    await wait_all_tasks_blocked()
    assert place.room.board.presences["a"].up
    assert place.serving is new.address
    assert place.register.statuses[-1] == ("a", "connected")
    assert place.register.logins == []
    new.login(OAuthStatus(name="a", state="valid"))
    assert [each.state for each in place.register.logins] == ["valid"]


async def test_a_further_edit_overtakes_a_successor_that_waits(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream(args="n"), upstream("b"))
    await place.configure(upstream(args="nn"), upstream("b"))
    old, second, third = (place.actor(edition=n) for n in range(3))
    await trio.sleep(1)
    assert second.ended
    assert not old.ended
    third.up()
    await wait_all_tasks_blocked()
    assert place.serving is third.address
    assert place.register.addresses["a"] is third.address


async def test_an_edit_taken_back_before_it_took_effect_still_ends_well(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream(args="n"), upstream("b"))
    await place.configure(upstream(), upstream("b"))
    old, second, third = (place.actor(edition=n) for n in range(3))
    third.up()
    await trio.sleep(1)
    assert second.ended
    assert place.serving is third.address
    assert old.told is not None


async def test_a_further_edit_cuts_no_call_of_a_successor_that_serves_already(
    place: Place, autojump_clock: object
) -> None:
    room, fleet = place.room, place.fleet
    await place.configure(upstream(args="n"), upstream("b"))
    old, second = (place.actor(edition=n) for n in range(2))
    second.up()  # the router sends it calls from now on; the hand-over is under way
    room.send(Reconfigured(policies=(policy("a"), policy("b"))))
    fleet.configure([upstream(args="nn"), upstream("b")])
    await trio.sleep(1)
    assert place.serving is second.address
    assert second.told is None
    assert old.told is not None
    place.actor(edition=2).up()
    await trio.sleep(1)
    assert second.told is not None
    assert second.told.deadline > trio.current_time() + 60  # its calls go on


async def test_a_successor_that_connects_after_it_was_overtaken_gets_no_call(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream(args="n"), upstream("b"))
    old, second = (place.actor(edition=n) for n in range(2))
    place.fleet.configure([upstream(args="nn"), upstream("b")])
    second.up()  # it has not heard yet that it must leave
    await trio.sleep(1)
    assert second.ended
    assert place.serving is old.address
    assert place.room.board.presences["a"].up
    place.actor(edition=2).up()
    await trio.sleep(1)
    assert place.serving is place.actor(edition=2).address
    assert old.told is not None


async def test_what_connects_after_its_name_was_taken_away_gets_no_call_of_the_next(
    place: Place, autojump_clock: object
) -> None:
    room, fleet = place.room, place.fleet
    await place.configure(upstream("b"), upstream("c"))
    late = place.actor("c")
    late.drained.set()
    for names in (["b"], ["b", "c"]):
        room.send(Reconfigured(policies=tuple(policy(name) for name in names)))
        fleet.configure([upstream(name) for name in names])
    late.up()  # it has not heard yet that it must leave
    await trio.sleep(1)
    assert late.ended
    assert not room.board.presences["c"].up
    again = place.actor("c", edition=1)
    again.up()
    await trio.sleep(1)
    assert room.board.presences["c"].address is again.address
    assert room.board.presences["c"].up


async def test_a_name_that_comes_back_long_after_it_was_removed_is_served(
    place: Place, autojump_clock: object
) -> None:
    place.actor().drained.set()
    await place.configure(upstream("b"))
    await trio.sleep(WITHIN)
    assert place.children == ["upstream:b"]
    await place.configure(upstream(), upstream("b"))  # its editions count anew
    again = place.actor()
    again.up()
    await trio.sleep(1)
    assert place.serving is again.address
    assert place.room.board.presences["a"].up


async def test_two_edits_at_once_start_only_the_last(
    place: Place, autojump_clock: object
) -> None:
    for args in ("n", "nn"):
        place.fleet.configure([upstream(args=args), upstream("b")])
    await wait_all_tasks_blocked()
    assert [actor.address.edition for actor in place.actors] == [0, 0, 2]
    place.actor(edition=2).up()
    await trio.sleep(1)
    assert place.serving is place.actor(edition=2).address


async def test_a_succession_to_a_name_nobody_has_any_more_changes_nothing(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream("b"))
    place.room.send(Succeeded(address=place.actor(edition=0).address))
    await trio.sleep(1)
    assert [*place.room.board.presences] == ["b"]


async def test_a_name_that_comes_back_may_change_as_often_as_before(
    place: Place, autojump_clock: object
) -> None:
    for _ in range(3):
        await place.configure(upstream(args="n"), upstream("b"))
        await place.configure(upstream("b"))
        for actor in place.actors:
            actor.drained.set()
        await trio.sleep(1)
        await place.configure(upstream(), upstream("b"))
        place.actor().up()
        await trio.sleep(1)
    await trio.sleep(2 * SUCCESSION_PATIENCE)
    assert place.journal.of(events.CHILD_CRASHED) == []
    assert sorted(place.children) == ["upstream:a", "upstream:b"]


@pytest.mark.parametrize("gone", [(), (upstream(enabled=False),)])
async def test_a_removed_upstream_leaves_the_table_first_and_finishes_its_calls(
    place: Place, gone: tuple[UpstreamConfig, ...], autojump_clock: object
) -> None:
    await place.configure(*gone, upstream("b"))
    old = place.actor()
    assert "a" not in place.room.board.presences
    assert old.told is not None
    assert old.told.deadline == trio.current_time() + WITHIN
    await trio.sleep(WITHIN - 1)
    assert not old.ended
    assert place.register.forgotten == []
    await trio.sleep(2)
    assert old.ended
    assert place.register.forgotten == ["a"]
    assert place.children == ["upstream:b"]


async def test_removed_with_its_successor_both_leave(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream(args="n"), upstream("b"))
    await place.configure(upstream("b"))
    await trio.sleep(WITHIN + 1)
    assert [place.actor(edition=n).ended for n in range(2)] == [True, True]
    assert not place.actor("b").ended
    assert place.children == ["upstream:b"]
    assert place.register.forgotten == ["a"]


async def test_a_name_that_comes_back_while_its_old_actor_drains_is_a_new_edition(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream("b"))
    await place.configure(upstream(), upstream("b"))
    old, new = place.actor(), place.actor(edition=1)
    assert new.address.edition == 1
    new.up()
    await trio.sleep(WITHIN + 1)
    assert old.ended
    assert place.serving is new.address
    assert place.register.forgotten == []


async def test_a_crash_during_the_drain_is_the_end_of_it(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream("b"))
    place.actor().crash()
    await trio.sleep(10)
    assert place.children == ["upstream:b"]
    assert len(place.actors) == 2


async def test_an_upstream_that_rests_between_two_crashes_is_removed_at_once(
    place: Place, autojump_clock: object
) -> None:
    place.actor().crash()
    await wait_all_tasks_blocked()
    await place.configure(upstream("b"))
    await wait_all_tasks_blocked()
    assert place.children == ["upstream:b"]


async def test_a_stop_in_the_middle_of_a_succession_ends_both(
    place: Place, autojump_clock: object
) -> None:
    await place.configure(upstream(args="n"), upstream("b"))
    began = trio.current_time()
    await place.supervisor.stop(within=WITHIN)
    assert trio.current_time() - began < 1
    assert all(actor.ended for actor in place.actors)
    assert not place.journal.of(events.CHILD_CRASHED)


async def test_a_reload_while_the_bridge_stops_starts_no_errand(
    place: Place, nursery: trio.Nursery, autojump_clock: object
) -> None:
    stop: Callable[[], Any] = place.supervisor.stop
    nursery.start_soon(stop)
    await wait_all_tasks_blocked()
    place.fleet.configure((upstream("b"),))
    await trio.sleep(20)
    assert all(actor.ended for actor in place.actors)
    assert sorted(place.children) == ["upstream:a", "upstream:b"]
