"""Frames of clients: answered here, or routed to an upstream and back."""

import msgspec
import pytest
import trio
from msgspec import Raw, UnsetType

from bridge.contract.principal import Principal
from bridge.contract.upstream import (
    Answer,
    Answered,
    Cancel,
    LogLevel,
    Notify,
    Progress,
    Question,
    Related,
    Subscriptions,
)
from bridge.errors import Overloaded, UpstreamLost
from bridge.observe import catalogue as events
from bridge.protocol.frame import Frame, members, notification, raw
from bridge.router.dispatch import SessionBusy
from bridge.router.outbox import Outbox
from bridge.router.policy import View
from kit.routing import (
    Client,
    RouterRoom,
    policy,
    prompt,
    resource,
    template,
    tool,
)

ANN = Principal(issuer="i", subject="ann")


def body(given: Raw | UnsetType) -> bytes:
    assert isinstance(given, Raw)
    return bytes(given)


def result_of(frame: Frame) -> dict[str, object]:
    assert isinstance(frame.result, Raw), frame
    return msgspec.json.decode(frame.result)


def code_of(frame: Frame) -> int:
    assert isinstance(frame.error, Raw), frame
    return msgspec.json.decode(frame.error)["code"]


async def one_upstream(
    nursery: trio.Nursery, room: RouterRoom | None = None
) -> RouterRoom:
    room = room or RouterRoom(policy("a"))
    await room.start(nursery)
    room.up(
        "a",
        tools=[tool("echo"), tool("slow")],
        prompts=[prompt("p")],
        resources=[resource("demo://1")],
        templates=[template("demo://{id}/x")],
    )
    await trio.testing.wait_all_tasks_blocked()
    return room


async def calling(client: Client, **params: object) -> None:
    await client.call("tools/call", {"name": "a__echo", **params})


async def test_nothing_but_ping_is_answered_before_initialize(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    session = room.sessions.open(
        principal=ANN, view=View(), transport="sse", expires_at=None
    )
    client = Client(room, session)
    assert result_of(await client.ask("ping")) == {}
    assert code_of(await client.ask("tools/list")) == -32600
    assert "protocolVersion" in result_of(await client.hello({}))
    assert code_of(await client.hello({})) == -32600


async def test_an_unknown_method_is_not_found(nursery: trio.Nursery) -> None:
    client = await (await one_upstream(nursery)).client()
    assert code_of(await client.ask("server/discover")) == -32601


@pytest.mark.requirement("R120", "R122", "B9")
async def test_a_call_reaches_its_upstream_under_its_own_name_and_comes_back(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client(principal=ANN)
    await client.call(
        "tools/call",
        {
            "name": "a__echo",
            "arguments": {"big": 12345678901234567890, "name": "a__echo"},
            "_meta": {
                "vendor/x": 1,
                "progressToken": "t",
                "io.modelcontextprotocol/clientInfo": {},
            },
            "task": {"ttl": 1},
        },
        id="",
    )
    call = room.call_at("a")
    assert msgspec.json.decode(body(call.frame.params)) == {
        "name": "echo",
        "arguments": {"big": 12345678901234567890, "name": "a__echo"},
        "_meta": {"vendor/x": 1},
    }
    assert call.wants_progress
    assert call.principal == ANN
    call.reply.resolve(Answered(result=Raw(b'{"content":[],"x":1}')))
    answer = client.next()
    assert answer.id == ""
    assert body(answer.result) == b'{"content":[],"x":1}'
    assert client.session.in_flight == {}
    [line] = room.log.named(events.CALL_FINISHED)
    assert line["outcome"] == "ok"
    assert line["tool"] == "a__echo"


@pytest.mark.requirement("R122")
@pytest.mark.parametrize(
    ("method", "params", "at_upstream"),
    [
        ("prompts/get", {"name": "a__p"}, {"name": "p"}),
        ("resources/read", {"uri": "demo://1"}, {"uri": "demo://1"}),
        ("resources/read", {"uri": "demo://7/x"}, {"uri": "demo://7/x"}),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "a__p"}, "argument": {}},
            {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {}},
        ),
        (
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": "demo://{id}/x"}, "argument": {}},
            {"ref": {"type": "ref/resource", "uri": "demo://{id}/x"}, "argument": {}},
        ),
    ],
)
async def test_everything_that_is_listed_can_be_asked_for(
    nursery: trio.Nursery,
    method: str,
    params: dict[str, object],
    at_upstream: dict[str, object],
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await client.call(method, params)
    assert msgspec.json.decode(body(room.call_at("a").frame.params)) == at_upstream


@pytest.mark.requirement("R124")
@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/call", {"name": "echo"}, -32602),
        ("tools/call", {"name": 5}, -32602),
        ("tools/call", [], -32602),
        ("tools/call", {"name": "a__echo", "_meta": 5}, -32602),
        ("prompts/get", {"name": "a__echo"}, -32602),
        ("resources/read", {"uri": "demo://none"}, -32002),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}}, -32602),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "x"}}, -32602),
        ("completion/complete", {"ref": 5}, -32602),
        ("completion/complete", {}, -32602),
        ("resources/subscribe", {"uri": "demo://none"}, -32602),
        ("logging/setLevel", {"level": "loud"}, -32602),
        ("tools/list", {"cursor": "x"}, -32602),
    ],
)
async def test_what_names_nothing_gets_one_error(
    nursery: trio.Nursery, method: str, params: object, code: int
) -> None:
    client = await (await one_upstream(nursery)).client()
    assert code_of(await client.ask(method, params)) == code
    assert client.quiet


async def test_an_id_in_flight_cannot_be_used_again(nursery: trio.Nursery) -> None:
    client = await (await one_upstream(nursery)).client()
    await calling(client)
    await calling(client)
    assert code_of(client.next()) == -32600
    assert len(client.session.in_flight) == 1


async def test_a_session_has_a_bound_on_its_calls(nursery: trio.Nursery) -> None:
    room = await one_upstream(nursery, RouterRoom(policy("a"), calls_per_session=1))
    client = await room.client()
    await calling(client)
    with pytest.raises(SessionBusy):
        await client.call("tools/call", {"name": "a__echo"}, id="c2")


async def test_a_principal_has_its_calls_per_second(nursery: trio.Nursery) -> None:
    room = await one_upstream(nursery, RouterRoom(policy("a"), rate_limit=1.0))
    client = await room.client()
    await client.call("tools/call", {"name": "a__echo"}, id="c1")
    await client.call("tools/call", {"name": "a__echo"}, id="c2")
    refused = client.next()
    assert refused.id == "c2"
    assert b"routing.rate_limited" in body(refused.result)
    assert b"retryAfterMs" in body(refused.result)
    assert await client.ask("ping", {})  # what costs no server a call is not counted
    assert list(client.session.in_flight) == ["c1"]


@pytest.mark.requirement("R127")
async def test_a_full_mailbox_is_an_answer_at_once(nursery: trio.Nursery) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    for number in range(5):
        await client.call("tools/call", {"name": "a__echo"}, id=number)
    answer = client.next()
    assert answer.id == 4
    assert b"too many calls waiting" in body(answer.result)
    assert len(client.session.in_flight) == 4


async def test_a_sealed_mailbox_is_an_upstream_that_restarts(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    room.upstreams["a"].mailbox.seal()
    await calling(client)
    assert b"was not executed" in body(client.next().result)
    assert client.session.in_flight == {}


async def test_a_lost_upstream_is_one_error_result(nursery: trio.Nursery) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await calling(client)
    reply = room.call_at("a").reply
    assert reply.resolve(UpstreamLost("it may have run", upstream="a", written=True))
    assert not reply.resolve(Answered(result=Raw(b"{}")))
    assert result_of(client.next())["isError"] is True
    assert client.quiet


@pytest.mark.requirement("R125")
async def test_progress_carries_the_clients_own_token(nursery: trio.Nursery) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await calling(client, _meta={"progressToken": 7})
    call = room.call_at("a")
    call.reply.tell(Progress(params=members(raw({"progressToken": 1, "progress": 5}))))
    told = client.next()
    assert told.method == "notifications/progress"
    assert msgspec.json.decode(body(told.params)) == {"progressToken": 7, "progress": 5}


async def test_progress_nobody_asked_for_is_dropped(nursery: trio.Nursery) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await calling(client)
    room.call_at("a").reply.tell(Progress(params={}))
    assert client.quiet


@pytest.mark.requirement("R125")
async def test_a_log_message_passes_at_or_above_the_level_the_client_set(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await client.ask("logging/setLevel", {"level": "warning"})
    await calling(client)
    [call] = [m for m in room.heard("a") if hasattr(m, "reply")]
    for level in ("info", "error", "odd"):
        frame = notification("notifications/message", {"level": level, "data": 1})
        call.reply.tell(Related(frame=frame))  # type: ignore[union-attr]
    assert b'"error"' in body(client.next().params)
    assert b'"odd"' in body(client.next().params)
    assert client.quiet


@pytest.mark.requirement("P2")
async def test_a_call_that_outlasts_the_bridge_is_answered_and_says_it_may_have_run(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await calling(client)
    call = room.call_at("a")
    room.dispatcher.end_calls("the bridge stopped")
    answer = client.next()
    assert answer.id == "c1"
    assert b'"executed":"unknown"' in msgspec.json.encode(result_of(answer)["_meta"])
    assert client.quiet
    assert room.heard("a") == [
        Cancel(call_id=call.call_id, reason="the bridge stopped")
    ]
    assert not call.reply.resolve(Answered(result=Raw(b"{}")))
    assert room.dispatcher.in_flight == 0


@pytest.mark.requirement("R125")
async def test_a_cancel_reaches_the_upstream_and_nobody_is_answered(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await calling(client)
    call = room.call_at("a")
    gone = notification("notifications/cancelled", {"requestId": "c1", "reason": "x"})
    await client.send(gone)
    await client.send(gone)
    assert room.heard("a") == [Cancel(call_id=call.call_id, reason="x")]
    assert not call.reply.resolve(Answered(result=Raw(b"{}")))
    assert client.quiet
    assert client.session.in_flight == {}


@pytest.mark.requirement("B10")
@pytest.mark.parametrize(
    "frame",
    [
        notification("notifications/cancelled", {"requestId": "none"}),
        notification("notifications/cancelled", {"requestId": 1.5}),
        notification("notifications/cancelled", {}),
        notification("notifications/cancelled", []),
        notification("notifications/unknown"),
        Frame(id="b-9", result=Raw(b"{}")),
        Frame(id=4, error=Raw(b"{}")),
    ],
)
async def test_stray_frames_change_nothing(nursery: trio.Nursery, frame: Frame) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await calling(client)
    room.heard("a")
    await client.send(frame)
    assert room.heard("a") == []
    assert len(client.session.in_flight) == 1
    assert client.quiet


async def test_a_cancelled_call_on_a_stream_of_its_own_ends_that_stream(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client(transport="mcp")
    sink = Outbox(max_frames=8, max_bytes=1000)
    await client.send(
        Frame(id=1, method="tools/call", params=raw({"name": "a__echo"})), sink=sink
    )
    await client.send(notification("notifications/cancelled", {"requestId": 1}))
    assert sink.reason == "cancelled"


# --- questions of the upstream ---


async def asked(
    room: RouterRoom, client: Client, frame: Frame, *, sink: Outbox | None = None
) -> list[Raw]:
    """Ask the client of a call; what the upstream is told at once."""
    await client.send(
        Frame(id="c1", method="tools/call", params=raw({"name": "a__echo"})), sink=sink
    )
    refusals: list[Raw] = []
    room.call_at("a").reply.tell(
        Question(
            epoch=1,
            upstream_id=55,
            frame=frame,
            address=room.upstreams["a"],
            refuse=refusals.append,
        )
    )
    return refusals


SAMPLING = Frame(method="sampling/createMessage", params=raw({"messages": []}))
ROOTS = Frame(method="roots/list")


def eliciting(**params: object) -> Frame:
    return Frame(method="elicitation/create", params=raw(params))


@pytest.mark.requirement("R125", "C32")
@pytest.mark.parametrize("frame", [SAMPLING, ROOTS, eliciting(message="m")])
async def test_a_question_reaches_the_client_of_the_call_and_its_answer_goes_back(
    nursery: trio.Nursery, frame: Frame
) -> None:
    room = await one_upstream(nursery)
    client = await room.client(
        capabilities={"sampling": {}, "roots": {}, "elicitation": {}}
    )
    other = await room.client(capabilities={"sampling": {}})
    await asked(room, client, frame)
    question = client.next()
    assert question.method == frame.method
    assert question.params == frame.params
    assert isinstance(question.id, str)
    await other.send(Frame(id=question.id, result=raw({"stolen": 1})))
    await client.send(Frame(id=question.id, result=raw({"fine": 1})))
    assert room.heard("a") == [
        Answer(epoch=1, upstream_id=55, result=Raw(b'{"fine":1}'))
    ]
    assert other.quiet
    assert client.session.asked == {}


@pytest.mark.requirement("C32")
@pytest.mark.parametrize(
    ("capabilities", "frame", "code"),
    [
        ({}, SAMPLING, -32601),
        ({"sampling": {}}, ROOTS, -32601),
        ({"elicitation": {}}, eliciting(mode="url"), -32602),
        ({"elicitation": {"url": {}}}, eliciting(message="form"), -32602),
        ({"sampling": {}}, Frame(method="odd/request"), -32601),
    ],
)
async def test_a_question_the_client_cannot_answer_is_refused_at_once(
    nursery: trio.Nursery, capabilities: dict[str, object], frame: Frame, code: int
) -> None:
    room = await one_upstream(nursery)
    client = await room.client(capabilities=capabilities)
    [refusal] = await asked(room, client, frame)
    assert msgspec.json.decode(refusal)["code"] == code
    assert client.quiet


async def test_a_question_takes_the_sessions_stream_when_the_calls_own_has_gone(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client(transport="mcp", capabilities={"roots": {}})
    gone = Outbox(max_frames=8, max_bytes=1000)
    gone.close("client left")
    [refusal] = await asked(room, client, ROOTS, sink=gone)
    assert b"no_stream" in bytes(refusal)
    client.session.in_flight.clear()
    client.session.streaming = True
    await asked(room, client, ROOTS, sink=gone)
    assert client.next().method == "roots/list"


async def test_questions_without_end_are_refused(nursery: trio.Nursery) -> None:
    room = await one_upstream(nursery)
    client = await room.client(capabilities={"roots": {}})
    await asked(room, client, ROOTS)
    reply = client.session.in_flight["c1"].reply
    refusals: list[Raw] = []
    for number in range(64):
        reply.tell(
            Question(
                epoch=1,
                upstream_id=number,
                frame=ROOTS,
                address=room.upstreams["a"],
                refuse=refusals.append,
            )
        )
    assert len(client.session.asked) == 64
    assert len(refusals) == 1


async def test_the_end_of_a_call_withdraws_its_questions(nursery: trio.Nursery) -> None:
    room = await one_upstream(nursery)
    client = await room.client(capabilities={"roots": {}})
    await asked(room, client, ROOTS)
    question = client.next()
    client.session.in_flight["c1"].reply.resolve(Answered(result=Raw(b"{}")))
    withdrawn = client.next()
    assert withdrawn.method == "notifications/cancelled"
    assert members(withdrawn.params)["requestId"] == raw(question.id)
    assert client.next().id == "c1"
    assert client.session.asked == {}


async def test_changed_roots_are_told_to_the_upstreams_of_the_view(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery, RouterRoom(policy("a"), policy("b")))
    client = await room.client(view=View(server="a"))
    room.up("b")
    await trio.testing.wait_all_tasks_blocked()
    room.heard("a")
    await client.send(notification("notifications/roots/list_changed"))
    assert [type(m) for m in room.heard("a")] == [Notify]
    assert room.heard("b") == []


# --- sessions ---


@pytest.mark.requirement("B14")
async def test_a_session_that_ends_cancels_its_calls_and_answers_its_questions(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client(capabilities={"roots": {}})
    await asked(room, client, ROOTS)
    mine = next(iter(client.session.asked.values()))
    stray = msgspec.structs.replace(mine, call_id=999)
    client.session.asked["stray"] = stray
    room.sessions.close(client.session, "client left")
    room.sessions.close(client.session, "again")
    kinds = [type(m) for m in room.heard("a")]
    assert Cancel in kinds
    assert Answer in kinds
    assert client.session.in_flight == {}
    assert client.session.asked == {}
    assert len(room.sessions) == 0
    assert len(room.log.named(events.SESSION_CLOSED)) == 1


@pytest.mark.requirement("R46", "A32")
async def test_a_session_of_another_principal_does_not_exist(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client(principal=ANN)
    session_id = client.session.session_id
    assert room.sessions.find(session_id, ANN) is client.session
    mallory = Principal(issuer="i", subject="mallory")
    assert room.sessions.find(session_id, mallory) is None
    assert room.sessions.find("none", ANN) is None


@pytest.mark.requirement("R56")
async def test_sessions_are_bounded_in_total_and_per_principal(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(
        nursery, RouterRoom(policy("a"), sessions=3, per_principal=2)
    )
    first = await room.client(principal=ANN)
    await room.client(principal=ANN)
    with pytest.raises(Overloaded, match="this client"):
        await room.client(principal=ANN)
    await room.client()
    with pytest.raises(Overloaded, match="no room"):
        await room.client()
    room.sessions.close(first.session, "left")
    await room.client(principal=ANN)


async def test_a_session_that_overflowed_is_reported_as_such(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery, RouterRoom(policy("a"), outbox_frames=1))
    client = await room.client()
    await client.call("tools/call", {"name": "a__echo"})
    call = room.call_at("a")
    for number in range(2):
        await client.send(Frame(id=number, method="ping"))
    assert client.session.closed.is_set()
    assert [type(message) for message in room.heard("a")] == [Cancel]
    assert not call.reply.open
    room.sessions.close(client.session, "stream ended")
    [line] = room.log.named(events.SESSION_OVERFLOWED)
    assert line["queued"] == 1
    [line] = room.log.named(events.SESSION_CLOSED)
    assert line["reason"] == "overflow"


async def test_the_newest_token_seen_says_how_long_a_session_lives(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    session = room.sessions.open(
        principal=ANN, view=View(), transport="sse", expires_at=100.0
    )
    session.extend(300.0)
    session.extend(200.0)
    session.extend(None)
    assert session.expires_at == 300.0


# --- subscriptions, levels, learned owners ---


@pytest.mark.requirement("R125")
async def test_a_subscription_is_counted_over_all_sessions(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    one, two = await room.client(), await room.client()
    for client in (one, two):
        await client.ask("resources/subscribe", {"uri": "demo://1"})
    await trio.testing.wait_all_tasks_blocked()
    assert room.heard("a") == [Subscriptions(uris=frozenset({"demo://1"}))]
    await one.ask("resources/unsubscribe", {"uri": "demo://1"})
    await trio.testing.wait_all_tasks_blocked()
    assert room.heard("a") == []
    room.sessions.close(two.session, "left")
    await trio.testing.wait_all_tasks_blocked()
    assert room.heard("a") == [Subscriptions(uris=frozenset())]


async def test_the_most_talkative_level_goes_to_the_upstreams(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    one, two = await room.client(), await room.client()
    await one.ask("logging/setLevel", {"level": "error"})
    await two.ask("logging/setLevel", {"level": "info"})
    await trio.testing.wait_all_tasks_blocked()
    assert room.heard("a")[-1] == LogLevel(level="info")


async def test_subscriptions_of_one_session_are_bounded(nursery: trio.Nursery) -> None:
    client = await (await one_upstream(nursery)).client()
    client.session.subscriptions = {f"demo://{n}/x" for n in range(1000)}
    answer = await client.ask("resources/subscribe", {"uri": "demo://1"})
    assert code_of(answer) == 1004


@pytest.mark.requirement("R122")
async def test_a_resource_a_result_linked_to_can_be_read(nursery: trio.Nursery) -> None:
    room = await one_upstream(nursery)
    client, other = await room.client(), await room.client()
    await calling(client)
    content = [
        {"type": "resource_link", "uri": "x://linked"},
        {"type": "resource", "resource": {"uri": "x://inside", "text": "t"}},
        {"type": "text", "text": "t"},
    ]
    room.call_at("a").reply.resolve(Answered(result=raw({"content": content})))
    client.next()
    for number, uri in enumerate(("x://linked", "x://inside")):
        await client.call("resources/read", {"uri": uri}, id=number)
        assert b"x://" in body(room.call_at("a").frame.params)
    await other.call("resources/read", {"uri": "x://linked"})
    assert code_of(other.next()) == -32002


async def test_a_result_that_only_looks_like_links_is_passed_on(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await calling(client)
    odd = Raw(b'{"content":"resource","resource":1,"isError": true}')
    room.call_at("a").reply.resolve(Answered(result=odd))
    assert client.next().result == odd
    assert room.log.named(events.CALL_FINISHED)[-1]["outcome"] == "error"


async def test_what_a_session_learns_is_bounded(nursery: trio.Nursery) -> None:
    session = (await (await one_upstream(nursery)).client()).session
    for number in range(1100):
        session.learn_owner(f"x://{number}", "a")
        session.remember_elicitation(str(number))
    assert session.learned_owner("x://0") is None
    assert session.learned_owner("x://1099") == "a"
    assert not session.asked_elicitation("0")
    assert session.asked_elicitation("1099")


async def test_an_upstream_that_has_been_removed_is_named_in_the_error(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    client.session.learn_owner("x://1", "gone")
    await client.call("resources/read", {"uri": "x://1"})
    assert code_of(client.next()) == 1001


async def test_long_lists_are_given_in_pages_when_configured(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery, RouterRoom(policy("a"), page_size=1))
    client = await room.client()
    first = result_of(await client.ask("tools/list"))
    second = result_of(await client.ask("tools/list", {"cursor": first["nextCursor"]}))
    assert b"a__echo" in msgspec.json.encode(first)
    assert b"a__slow" in msgspec.json.encode(second)
    assert "nextCursor" not in second


@pytest.mark.requirement("E1", "R156")
async def test_while_draining_no_call_is_routed_and_those_in_flight_go_on(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await calling(client)
    room.dispatcher.begin_drain()
    assert room.dispatcher.in_flight == 1
    await client.call("tools/call", {"name": "a__echo"}, id="late")
    assert b"was not executed" in body(client.next().result)
    room.call_at("a").reply.resolve(Answered(result=Raw(b"{}")))
    assert client.next().id == "c1"
    assert room.dispatcher.in_flight == 0


async def test_an_error_of_the_upstream_passes_unchanged(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    await calling(client)
    error = Raw(b'{"code":-32000,"message":"m","data":[1]}')
    room.call_at("a").reply.resolve(Answered(error=error))
    assert client.next().error == error


async def test_a_url_elicitation_is_remembered_for_its_completion(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client(capabilities={"elicitation": {"url": {}}})
    await asked(room, client, eliciting(mode="url", elicitationId="e1"))
    assert client.session.asked_elicitation("e1")


async def test_a_subscription_to_what_only_a_result_named_is_passed_on(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    client.session.learn_owner("x://1", "a")
    await client.ask("resources/subscribe", {"uri": "x://1"})
    await trio.testing.wait_all_tasks_blocked()
    assert room.heard("a") == [Subscriptions(uris=frozenset({"x://1"}))]
    room.up("a", epoch=2)  # the same actor tells its new connection by itself
    await trio.testing.wait_all_tasks_blocked()
    assert room.heard("a") == []


async def test_asking_for_what_one_has_already_tells_nobody(
    nursery: trio.Nursery,
) -> None:
    room = await one_upstream(nursery)
    client = await room.client()
    for _ in range(2):
        await client.ask("logging/setLevel", {"level": "info"})
        await trio.testing.wait_all_tasks_blocked()
    assert room.heard("a") == [LogLevel(level="info")]
    await client.ask("resources/unsubscribe", {"uri": "demo://1"})
    assert room.mailbox.depth == 0
