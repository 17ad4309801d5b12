"""Two clients of one bridge who may see different things, whatever they ask."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from msgspec import Raw
from msgspec.structs import replace
from trio.testing import MockClock

from bridge.contract.access import (
    NO_TOKEN,
    AccessRule,
    Entitlement,
    ToolLevel,
    ToolLimits,
)
from bridge.contract.router import Notified, Reconfigured
from bridge.contract.upstream import Answered, Call, Notify, Subscriptions
from bridge.observe import catalogue as events
from bridge.protocol.frame import Frame, notification, raw
from bridge.router.policy import EVERYTHING, View
from kit.routing import Client, RouterRoom, policy, prompt, resource, template, tool

pytestmark = pytest.mark.requirement("R48")

GIT = policy("git", tags=frozenset({"dev"}))
PAY = policy("pay", tags=frozenset({"dev"}))
OPS = Entitlement(frozenset({"ops"}), {"iat": 10})
LATER = Entitlement(frozenset(), {"iat": 20})
RULES = (
    AccessRule(scopes=frozenset({"ops"}), servers=("*",)),
    AccessRule(servers=("git",)),
)
#: Everything a client can name of a server, and by which method.
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tools/call", {"name": "{0}__get"}),
    ("prompts/get", {"name": "{0}__p"}),
    ("resources/read", {"uri": "{0}://1"}),
    ("resources/read", {"uri": "{0}://by/template"}),
    ("resources/read", {"uri": "{0}-learned://1"}),
    ("resources/subscribe", {"uri": "{0}://1"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "{0}__p"}}),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": "{0}://1"}}),
    (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "{0}://by/{x}"}},
    ),
)
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}


def named(params: dict[str, Any], name: str) -> dict[str, Any]:
    return msgspec.json.decode(
        msgspec.json.encode(params).replace(b"{0}", name.encode())
    )


async def open_room(
    nursery: trio.Nursery, *, access: tuple[AccessRule, ...] = RULES, **more: Any
) -> RouterRoom:
    room = RouterRoom(GIT, PAY, access=access, **more)
    await room.start(nursery)
    for name in ("git", "pay"):
        room.up(
            name,
            tools=[tool("get"), tool("put")],
            prompts=[prompt("p")],
            resources=[resource(f"{name}://1")],
            templates=[template(f"{name}://by/{{x}}")],
        )
    await trio.sleep(1)
    return room


async def listed(client: Client, method: str) -> bytes:
    answer = await client.ask(method)
    assert isinstance(answer.result, Raw), answer
    return bytes(answer.result)


def error_of(frame: Frame) -> bytes:
    assert isinstance(frame.error, Raw), frame
    return bytes(frame.error)


def notices(client: Client) -> set[str]:
    return {str(frame.method) for frame in drained(client)}


def drained(client: Client) -> Iterator[Frame]:
    while not client.quiet:
        yield client.next()


async def test_lists_show_to_each_what_it_may_see(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    operator, guest = await room.client(entitlement=OPS), await room.client()
    for method in LISTS:
        assert b"pay" in await listed(operator, method)
        assert b"git" in await listed(guest, method)
        assert b"pay" not in await listed(guest, method)


@pytest.mark.parametrize(("method", "params"), ASKED)
async def test_what_is_hidden_is_answered_like_what_never_was(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    method: str,
    params: dict[str, Any],
) -> None:
    room = await open_room(nursery)
    guest = await room.client()
    guest.session.learn_owner("pay-learned://1", "pay")
    room.heard("pay")
    await guest.call(method, named(params, "pay"))
    hidden = error_of(guest.next())
    await guest.call(method, named(params, "xyz"))
    assert hidden.replace(b"pay", b"xyz") == error_of(guest.next())
    assert not [m for m in room.heard("pay") if not isinstance(m, Subscriptions)]
    operator = await room.client(entitlement=OPS)
    operator.session.learn_owner("pay-learned://1", "pay")
    await operator.call(method, named(params, "pay"))
    if method == "resources/subscribe":
        assert operator.next().result is not None
    else:
        assert isinstance(room.call_at("pay"), Call)


async def test_the_operator_finds_the_hidden_call_in_the_log(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    guest = await room.client()
    await guest.call("tools/call", {"name": "pay__get"})
    await guest.call("tools/call", {"name": "nothing"})
    await guest.call("tools/call", {"name": 3})
    [said] = room.log.named(events.CALL_WITHHELD)
    assert (said["upstream"], said["name"]) == ("pay", "pay__get")
    assert "not in what this client's token" in str(said["reason"])


@pytest.mark.parametrize(
    "place", [EVERYTHING, View(server="pay"), View(tags=frozenset({"dev"}))]
)
async def test_no_address_leads_around_the_rules(
    nursery: trio.Nursery, autojump_clock: MockClock, place: View
) -> None:
    room = await open_room(nursery)
    guest = await room.client(view=place)
    for method in LISTS:
        assert b"pay" not in await listed(guest, method)
    await guest.call("tools/call", {"name": "pay__get"})
    assert b"unknown tool" in error_of(guest.next())


async def test_a_client_of_single_tools_sees_nothing_else_of_their_server(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    rule = AccessRule(servers=("pay",), tools=("get",))
    room = await open_room(nursery, access=(rule,), forward_logs=True)
    guest = await room.client()
    assert await listed(guest, "tools/list") == (
        b'{"tools":[{"name":"pay__get","inputSchema":{"type":"object"}}]}'
    )
    for method, member in list(LISTS.items())[1:]:
        assert await listed(guest, method) == b'{"%s":[]}' % member.encode()
    await guest.call("tools/call", {"name": "pay__get"})
    assert room.call_at("pay").principal == guest.session.principal
    guest.session.subscriptions.add("pay://1")
    for frame in (
        notification("notifications/resources/updated", {"uri": "pay://1"}),
        notification("notifications/message", {"level": "error", "data": "x"}),
    ):
        room.send(Notified(name="pay", epoch=1, frame=frame))
    await trio.testing.wait_all_tasks_blocked()
    assert guest.quiet


async def test_notifications_reach_only_those_who_see_their_server(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery, forward_logs=True)
    operator, guest = await room.client(entitlement=OPS), await room.client()
    for client in (operator, guest):
        client.session.subscriptions.add("pay://1")
    note = notification("notifications/resources/updated", {"uri": "pay://1"})
    line = notification("notifications/message", {"level": "error", "data": "x"})
    for frame in (note, line):
        room.send(Notified(name="pay", epoch=1, frame=frame))
    await trio.testing.wait_all_tasks_blocked()
    assert [str(frame.method) for frame in drained(operator)] == [
        "notifications/resources/updated",
        "notifications/message",
    ]
    assert guest.quiet


async def test_roots_of_a_client_are_told_only_to_servers_it_sees(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    guest = await room.client()
    await guest.send(notification("notifications/roots/list_changed"))
    assert any(isinstance(m, Notify) for m in room.heard("git"))
    assert room.heard("pay") == []


async def test_a_change_of_a_hidden_server_is_told_to_nobody_else(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    operator, guest = await room.client(entitlement=OPS), await room.client()
    room.up("pay", epoch=2, tools=[tool("other")])
    await trio.sleep(1)
    assert "notifications/tools/list_changed" in notices(operator)
    assert guest.quiet


async def test_a_newer_token_with_fewer_rights_narrows_the_open_session(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    client = await room.client(entitlement=OPS)
    await client.ask("resources/subscribe", {"uri": "pay://1"})
    client.session.learn_owner("pay-learned://1", "pay")
    await trio.testing.wait_all_tasks_blocked()
    assert room.heard("pay") == [Subscriptions(uris=frozenset({"pay://1"}))]
    await client.call("tools/call", {"name": "pay__get"}, id="before")
    before = room.call_at("pay")
    assert room.dispatcher.entitle(client.session, LATER)
    assert notices(client) == {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    }
    for method, params in ASKED:
        await client.call(method, named(params, "pay"))
        error_of(client.next())
    for method in LISTS:
        assert b"pay" not in await listed(client, method)
    await trio.testing.wait_all_tasks_blocked()
    assert room.heard("pay") == [Subscriptions(uris=frozenset())]
    before.reply.resolve(Answered(result=raw({"content": []})))
    assert client.next().id == "before"  # calls in flight are finished


async def test_a_token_with_more_rights_widens_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    client = await room.client(entitlement=Entitlement(frozenset(), {"iat": 1}))
    assert room.dispatcher.entitle(client.session, OPS)
    assert "notifications/tools/list_changed" in notices(client)
    assert b"pay" in await listed(client, "tools/list")


async def test_an_equal_token_changes_nothing_and_says_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    client = await room.client(entitlement=OPS)
    newer = Entitlement(OPS.scopes | {"more"}, {"iat": 11})
    assert room.dispatcher.entitle(client.session, newer)
    assert client.session.entitlement is newer
    assert client.quiet


async def test_an_older_token_is_good_only_for_what_the_newest_allows(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    client = await room.client(entitlement=OPS)
    assert room.dispatcher.entitle(client.session, LATER)
    assert not room.dispatcher.entitle(client.session, OPS)
    assert client.session.entitlement is LATER
    older_but_equal = Entitlement(frozenset({"unused"}), {"iat": 1})
    assert room.dispatcher.entitle(client.session, older_but_equal)
    assert client.session.entitlement is LATER


async def test_a_session_that_has_not_shaken_hands_is_narrowed_in_silence(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    session = room.sessions.open(
        principal=(await room.client()).session.principal,
        view=room.board.view_for(EVERYTHING, OPS),
        transport="sse",
        expires_at=None,
        entitlement=OPS,
    )
    assert room.dispatcher.entitle(session, LATER)
    assert session.outbox.queued == 0
    assert session.view != EVERYTHING


async def test_new_rules_reach_open_sessions_at_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    operator, guest = await room.client(entitlement=OPS), await room.client()
    await operator.ask("resources/subscribe", {"uri": "pay://1"})
    await trio.testing.wait_all_tasks_blocked()
    room.heard("pay")
    swapped = (
        AccessRule(servers=("git",)),
        AccessRule(servers=("pay",), tools=("get",)),
    )
    room.send(Reconfigured(policies=(GIT, PAY), access=swapped))
    await trio.testing.wait_all_tasks_blocked()
    for client in (operator, guest):
        assert "notifications/tools/list_changed" in notices(client)
        assert b"pay__get" in await listed(client, "tools/list")
        assert b"pay" not in await listed(client, "resources/list")
    assert room.heard("pay") == [Subscriptions(uris=frozenset())]
    room.send(Reconfigured(policies=(GIT, PAY)))
    await trio.testing.wait_all_tasks_blocked()
    assert "notifications/prompts/list_changed" in notices(guest)
    assert b"pay" in await listed(guest, "prompts/list")


async def test_a_rule_that_concerns_others_is_not_told(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    guest = await room.client()
    more = (*RULES, AccessRule(scopes=frozenset({"x"}), servers=("pay",)))
    room.send(Reconfigured(policies=(GIT, PAY), access=more))
    await trio.sleep(1)
    assert guest.quiet


@pytest.mark.requirement("R128")
async def test_new_limits_on_tools_reach_open_sessions_at_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery, access=())
    client = await room.client()
    await client.call("tools/call", {"name": "git__put"}, id="before")
    limited = replace(GIT, tool_limits=ToolLimits(read_only=True))
    room.send(Reconfigured(policies=(limited, PAY)))
    await trio.testing.wait_all_tasks_blocked()
    await client.call("tools/call", {"name": "git__put"})
    refused = error_of(client.next())
    await client.call("tools/call", {"name": "git__xyz"})
    assert refused.replace(b"put", b"xyz") == error_of(client.next())
    [said] = room.log.named(events.CALL_WITHHELD)
    assert said["reason"] == "read-only mode, and it writes: its name says 'put'"
    await trio.sleep(1)
    assert notices(client) == {"notifications/tools/list_changed"}
    assert b"git__put" not in await listed(client, "tools/list")
    assert b"pay__put" in await listed(client, "tools/list")
    [told] = room.log.named(events.ROUTER_TOOLS_WITHHELD)
    assert (told["upstream"], told["tools"], told["example"]) == ("git", 1, "put")


@pytest.mark.requirement("R128")
async def test_withheld_tools_are_logged_when_they_change_and_not_again(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery, access=())
    read_only = ToolLimits(read_only=True)
    limited = tuple(replace(each, tool_limits=read_only) for each in (GIT, PAY))
    room.send(Reconfigured(policies=limited))
    await trio.sleep(1)
    room.up("pay", epoch=2, tools=[tool("get"), tool("put"), tool("delete")])
    await trio.sleep(1)
    told = room.log.named(events.ROUTER_TOOLS_WITHHELD)
    said = [(each["upstream"], each["tools"]) for each in told]
    assert said == [("git", 1), ("pay", 1), ("pay", 2)]


@pytest.mark.requirement("R128", "R121")
async def test_limits_hold_though_a_reload_makes_names_clash(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = RouterRoom(GIT, PAY, conflict_resolution="error")
    await room.start(nursery)
    for name in ("git", "pay"):
        room.up(name, tools=[tool("get"), tool("put")])
    client = await room.client()
    await trio.sleep(1)
    notices(client)
    blocked = ToolLevel(name="bridge", block_tools=("put",))
    limits = ToolLimits(levels=(blocked,))
    room.send(
        Reconfigured(
            policies=(
                replace(GIT, tool_namespace="", tool_limits=limits),
                replace(PAY, tool_namespace="", tool_limits=limits),
            ),
            conflict_resolution="error",
        )
    )
    await trio.sleep(1)
    assert room.log.named(events.ROUTER_NAME_CONFLICT)
    assert notices(client) == {"notifications/tools/list_changed"}
    found = await listed(client, "tools/list")
    assert b"git__get" in found
    assert b"__put" not in found


async def test_a_cursor_of_wider_days_is_worth_nothing_more(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery, page_size=1)
    client = await room.client(entitlement=OPS)
    cursors = [""]
    while cursor := msgspec.json.decode(await page(client, cursors[-1])).get(
        "nextCursor"
    ):
        cursors.append(cursor)
    assert len(cursors) == 4
    room.dispatcher.entitle(client.session, LATER)
    list(drained(client))
    for cursor in cursors:
        assert b"pay" not in await page(client, cursor)


async def page(client: Client, cursor: str) -> bytes:
    params = {"cursor": cursor} if cursor else {}
    answer = await client.ask("tools/list", params)
    return bytes(answer.result if isinstance(answer.result, Raw) else b"{}")


async def test_without_a_token_only_rules_for_everybody_count(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = await open_room(nursery)
    anonymous = await room.client(entitlement=NO_TOKEN)
    assert b"git" in await listed(anonymous, "tools/list")
    assert b"pay" not in await listed(anonymous, "tools/list")
