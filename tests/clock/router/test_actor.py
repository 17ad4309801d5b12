"""What upstreams say becomes the namespace, and clients hear of real changes."""

import msgspec
import pytest
import trio

from bridge.actor.mailbox import Mailbox
from bridge.contract.catalog import Catalog
from bridge.contract.router import (
    CatalogChanged,
    Notified,
    Reconfigured,
    SubscriptionsChanged,
    UpstreamDown,
)
from bridge.contract.upstream import (
    Announce,
    LogLevel,
    Subscriptions,
    UpstreamAddress,
    UpstreamState,
)
from bridge.observe import catalogue as events
from bridge.protocol.frame import notification
from bridge.router.policy import View
from kit.routing import Client, RouterRoom, names, policy, resource, tool

TOOLS = "notifications/tools/list_changed"


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


def listed(room: RouterRoom, view: View | None = None) -> list[str]:
    return names(room.dispatcher.listing(view or View(), "tools"))


def down(
    room: RouterRoom,
    name: str,
    *,
    epoch: int = 1,
    state: UpstreamState = UpstreamState.BACKOFF,
) -> None:
    room.send(
        UpstreamDown(
            address=room.upstreams[name], epoch=epoch, state=state, reason="lost"
        )
    )


def notices(client: Client) -> list[str]:
    found: list[str] = []
    while not client.quiet:
        found.append(str(client.next().method))
    return found


@pytest.fixture
async def room(nursery: trio.Nursery, autojump_clock: object) -> RouterRoom:
    made = RouterRoom(policy("a"), policy("b", tags=frozenset({"web"})))
    await made.start(nursery)
    made.up("a", tools=[tool("x")])
    await trio.sleep(1)  # what happened before anybody came is told to nobody
    return made


@pytest.mark.requirement("R126")
async def test_an_upstream_that_joins_is_listed_and_told(
    room: RouterRoom, autojump_clock: object
) -> None:
    client = await room.client()
    room.up("b", tools=[tool("y")], resources=[resource("demo://1")])
    await trio.sleep(0.3)
    assert listed(room) == ["a__x", "b__y"]
    assert notices(client) == [TOOLS, "notifications/resources/list_changed"]


@pytest.mark.requirement("R126")
async def test_changes_within_a_moment_are_told_once(
    room: RouterRoom, autojump_clock: object
) -> None:
    client = await room.client()
    room.up("b", tools=[tool("y")])
    await trio.sleep(0.1)
    room.send(CatalogChanged(name="b", epoch=1, catalog=Catalog(tools=(tool("z"),))))
    await trio.sleep(1)
    assert notices(client) == [TOOLS]
    assert listed(room) == ["a__x", "b__z"]


async def test_the_same_catalog_again_is_no_change(
    room: RouterRoom, autojump_clock: object
) -> None:
    client = await room.client()
    version = room.board.whole.version
    room.send(CatalogChanged(name="a", epoch=1, catalog=Catalog(tools=(tool("x"),))))
    await trio.sleep(1)
    assert client.quiet
    assert room.board.whole.version == version


async def test_a_change_that_was_taken_back_is_not_told(
    room: RouterRoom, autojump_clock: object
) -> None:
    client = await room.client()
    for tools in ((tool("z"),), (tool("x"),)):
        room.send(CatalogChanged(name="a", epoch=1, catalog=Catalog(tools=tools)))
    await trio.sleep(1)
    assert client.quiet


async def test_a_change_outside_a_clients_view_is_not_told_to_it(
    room: RouterRoom,
    autojump_clock: object,
) -> None:
    inside = await room.client(view=View(tags=frozenset({"web"})))
    outside = await room.client(view=View(server="a"))
    room.up("b", tools=[tool("y")])
    await trio.sleep(1)
    assert notices(inside) == [TOOLS]
    assert outside.quiet


async def test_a_client_that_has_not_said_initialized_is_told_nothing(
    room: RouterRoom,
    autojump_clock: object,
) -> None:
    client = await room.client()
    client.session.initialized = False
    room.up("b", tools=[tool("y")])
    await trio.sleep(1)
    assert client.quiet


async def test_news_of_an_older_connection_are_dropped(
    room: RouterRoom, autojump_clock: object
) -> None:
    room.up("a", epoch=5, tools=[tool("new")])
    await settle()
    room.up("a", epoch=4, tools=[tool("old")])
    down(room, "a", epoch=4)
    room.send(CatalogChanged(name="a", epoch=4, catalog=Catalog()))
    await settle()
    assert listed(room) == ["a__new"]
    assert room.board.presences["a"].up


async def test_an_absent_upstream_stays_listed_until_it_is_stale(
    room: RouterRoom,
    autojump_clock: object,
) -> None:
    client = await room.client()
    down(room, "a")
    await trio.sleep(100)
    down(room, "a")
    await trio.sleep(790)
    assert listed(room) == ["a__x"]
    assert client.quiet
    await trio.sleep(20)
    assert listed(room) == []
    assert notices(client) == [TOOLS]


@pytest.mark.requirement("R126")
async def test_a_return_is_told_but_a_flapping_upstream_only_now_and_then(
    room: RouterRoom,
    autojump_clock: object,
) -> None:
    client = await room.client()
    for epoch in range(2, 12):
        down(room, "a", epoch=epoch)
        room.up("a", epoch=epoch, tools=[tool("x")])
        await trio.sleep(1)
    assert notices(client) == [TOOLS]
    await trio.sleep(30)
    down(room, "a", epoch=20)
    room.up("a", epoch=21, tools=[tool("x")])
    await trio.sleep(1)
    assert notices(client) == [TOOLS]


@pytest.mark.requirement("R121")
async def test_under_error_a_conflict_keeps_the_last_good_table(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    room = RouterRoom(policy("a", ""), policy("b", ""), conflict_resolution="error")
    await room.start(nursery)
    room.up("a", tools=[tool("x")])
    room.up("b", tools=[tool("x")])
    await settle()
    assert listed(room) == ["x"]
    [said] = room.log.named(events.ROUTER_NAME_CONFLICT)
    assert "offered by a, b" in str(said["name"])


@pytest.mark.requirement("C34")
async def test_a_conflict_is_reported_once(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    room = RouterRoom(policy("a", ""), policy("b", ""))
    await room.start(nursery)
    room.up("a", tools=[tool("x")])
    room.up("b", tools=[tool("x")])
    await settle()
    room.up("b", epoch=2, tools=[tool("x"), tool("y")])
    await settle()
    [said] = room.log.named(events.ROUTER_NAME_CONFLICT)
    assert said["upstreams"] == ["a", "b"]


async def test_a_reconfiguration_drops_who_is_not_in_it(
    room: RouterRoom, autojump_clock: object
) -> None:
    room.send(Reconfigured(policies=(policy("b"),)))
    await settle()
    assert listed(room) == []
    assert room.board.knows(View(server="b"))
    assert not room.board.knows(View(server="a"))


@pytest.mark.requirement("R138")
async def test_a_first_list_waits_for_upstreams_that_are_starting_but_not_for_ever(
    room: RouterRoom,
    autojump_clock: object,
) -> None:
    client = await room.client()
    began = trio.current_time()
    await client.ask("tools/list")
    assert trio.current_time() - began == pytest.approx(3)
    down(room, "b", state=UpstreamState.CONNECTING)
    await settle()
    assert room.board.starting == {"b"}
    down(room, "b")
    await settle()
    assert room.board.starting == frozenset()
    began = trio.current_time()
    await client.ask("tools/list")
    assert trio.current_time() == began


async def test_a_list_is_answered_as_soon_as_the_last_upstream_has_settled(
    room: RouterRoom, nursery: trio.Nursery, autojump_clock: object
) -> None:
    client = await room.client()
    no_params: dict[str, object] = {}
    nursery.start_soon(client.call, "tools/list", no_params)
    await trio.sleep(1)
    room.up("b", tools=[tool("y")])
    await settle()
    answer = client.next().result
    assert isinstance(answer, msgspec.Raw)
    result = msgspec.json.decode(answer)
    assert [t["name"] for t in result["tools"]] == ["a__x", "b__y"]


@pytest.mark.requirement("R125")
async def test_an_updated_resource_is_told_to_its_subscribers_only(
    room: RouterRoom,
    autojump_clock: object,
) -> None:
    room.up("a", resources=[resource("demo://1")])
    await settle()
    subscriber, other = await room.client(), await room.client()
    await subscriber.ask("resources/subscribe", {"uri": "demo://1"})
    updated = notification("notifications/resources/updated", {"uri": "demo://1"})
    room.send(Notified(name="a", epoch=1, frame=updated))
    room.send(Notified(name="a", epoch=9, frame=updated))
    room.send(Notified(name="b", epoch=1, frame=updated))
    await settle()
    assert notices(subscriber) == ["notifications/resources/updated"]
    assert other.quiet


async def test_a_finished_elicitation_is_told_to_who_was_asked(
    room: RouterRoom,
    autojump_clock: object,
) -> None:
    asked, other = await room.client(), await room.client()
    asked.session.remember_elicitation("e1")
    done = notification("notifications/elicitation/complete", {"elicitationId": "e1"})
    room.send(Notified(name="a", epoch=1, frame=done))
    await settle()
    assert notices(asked) == ["notifications/elicitation/complete"]
    assert other.quiet


@pytest.mark.parametrize("params", [[], {"uri": 5}, {}])
async def test_a_malformed_notification_is_of_no_concern(
    room: RouterRoom, autojump_clock: object, params: object
) -> None:
    client = await room.client()
    for method in ("resources/updated", "elicitation/complete", "odd"):
        frame = notification(f"notifications/{method}", params)
        room.send(Notified(name="a", epoch=1, frame=frame))
    await settle()
    assert client.quiet


@pytest.mark.parametrize("forward", [True, False])
async def test_logs_of_no_call_are_forwarded_only_when_configured(
    nursery: trio.Nursery,
    autojump_clock: object,
    forward: bool,  # noqa: FBT001
) -> None:
    room = RouterRoom(policy("a"), policy("b"), forward_logs=forward)
    await room.start(nursery)
    room.up("a")
    await settle()
    client = await room.client()
    elsewhere = await room.client(view=View(server="b"))
    message = notification("notifications/message", {"level": "error", "data": "d"})
    room.send(Notified(name="a", epoch=1, frame=message))
    await settle()
    assert (notices(client) == ["notifications/message"]) is forward
    assert elsewhere.quiet


async def test_a_restarted_router_asks_everybody_to_announce_themselves(
    room: RouterRoom, nursery: trio.Nursery, autojump_clock: object
) -> None:
    room.heard("a")
    nursery.start_soon(room.actor.run, trio.Event())
    await settle()
    assert room.heard("a") == [Announce()]
    assert listed(room) == ["a__x"]


async def test_an_upstream_that_ended_needs_no_message(
    room: RouterRoom, autojump_clock: object
) -> None:
    room.upstreams["a"].mailbox.seal()
    client = await room.client()
    await client.ask("logging/setLevel", {"level": "info"})
    await settle()
    assert listed(room) == ["a__x"]


async def test_views_that_nobody_asks_for_any_more_make_room(
    room: RouterRoom, autojump_clock: object
) -> None:
    for number in range(80):
        room.board.table(View(tags=frozenset({str(number)})))
    assert listed(room) == ["a__x"]


async def test_a_down_from_the_start_is_known_without_names(
    room: RouterRoom, autojump_clock: object
) -> None:
    down(room, "b", state=UpstreamState.FAILED)
    await settle()
    assert room.board.presences["b"].catalog is None
    assert listed(room) == ["a__x"]


async def test_the_last_words_of_a_removed_upstream_are_dropped(
    room: RouterRoom, autojump_clock: object
) -> None:
    room.send(Reconfigured(policies=(policy("b"),)))
    down(room, "a", epoch=9)
    room.up("a", epoch=9, tools=[tool("x")])
    await settle()
    assert "a" not in room.board.presences
    assert listed(room) == []


async def test_a_router_that_is_told_to_stop_does(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    room = RouterRoom(policy("a"))
    stopping = trio.Event()
    stopping.set()
    await room.actor.run(stopping)


async def test_wishes_are_told_to_connected_upstreams_only(
    room: RouterRoom, autojump_clock: object
) -> None:
    client = await room.client()
    down(room, "b")
    await client.ask("logging/setLevel", {"level": "info"})
    client.session.subscriptions.add("nobody://owns")
    room.send(SubscriptionsChanged())
    await settle()
    assert room.heard("b") == []
    assert room.heard("a") == [LogLevel(level="info")]


async def test_a_new_incarnation_counts_from_the_beginning_again(
    room: RouterRoom, autojump_clock: object
) -> None:
    room.up("a", epoch=5, tools=[tool("x")])
    await settle()
    newer = UpstreamAddress(name="a", mailbox=Mailbox(bound=1))
    room.upstreams["a"] = newer
    down(room, "a", epoch=0, state=UpstreamState.BACKOFF)
    await settle()
    assert room.board.presences["a"].address is newer
    assert room.board.presences["a"].state is UpstreamState.BACKOFF
    assert listed(room) == ["a__x"]


async def test_a_subscription_given_up_during_an_absence_is_taken_back(
    room: RouterRoom, autojump_clock: object
) -> None:
    room.up("a", resources=[resource("demo://1")])
    await settle()
    client = await room.client()
    await client.ask("resources/subscribe", {"uri": "demo://1"})
    await settle()
    assert room.heard("a") == [Subscriptions(uris=frozenset({"demo://1"}))]
    down(room, "a")
    await client.ask("resources/unsubscribe", {"uri": "demo://1"})
    await settle()
    assert room.heard("a") == []
    room.up("a", epoch=2, resources=[resource("demo://1")])
    await settle()
    assert room.heard("a") == [Subscriptions(uris=frozenset())]
