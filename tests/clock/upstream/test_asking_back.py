"""Requests and notifications of the server: to the right client only (protocol 4.1)."""

from typing import Any

import pytest
import trio
from msgspec import UNSET, Raw
from trio.testing import MockClock

from bridge.contract.router import Notified
from bridge.contract.upstream import Answer, Answered, Cancel, Notify, Question, Related
from bridge.errors import CallTimeout, SessionLost
from bridge.protocol.frame import Frame, notification, raw, request
from bridge.wire.link import FrameRefused
from kit.upstream import (
    Bench,
    Outcome,
    decoded,
    id_of,
    logged,
    params_of,
    person,
    quiet,
    ready,
    settle,
)

SAMPLE = "sampling/createMessage"


def refusal(bench: Bench, index: int = -1) -> dict[str, Any]:
    """The error of one of the bridge's answers to the server."""
    error = bench.server.responses()[index].error
    assert error is not UNSET
    found: dict[str, Any] = decoded(error)
    return found


def asked(outcome: Outcome) -> Question:
    (question,) = outcome.told(Question)
    return question


async def test_a_ping_of_the_server_is_answered_here(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.say(request("ping", id="p"))
        await settle()
        assert bench.server.responses() == [Frame(id="p", result=Raw(b"{}"))]


async def test_an_unknown_request_of_the_server_is_refused(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.say(request("tools/list", id=1))
        await settle()
        assert refusal(bench)["code"] == -32601


@pytest.mark.requirement("R125", "C32")
async def test_a_question_on_a_calls_own_stream_goes_to_that_calls_client(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, of_ada = bench.call(principal=person("ada"))
        _, of_bob = bench.call(principal=person("bob"))
        await settle()
        related = id_of(bench.server.held[1][1])
        bench.link.say(request(SAMPLE, {"x": 1}, id="q"), related=related)
        await settle()
        assert of_ada.events == []
        question = asked(of_bob)
        assert question.frame.params == raw({"x": 1})
        assert question.address == bench.actor.address
        bench.post(Answer(epoch=question.epoch, upstream_id="q", result=raw("hello")))
        await settle()
        assert bench.server.responses() == [Frame(id="q", result=raw("hello"))]


@pytest.mark.requirement("C32")
async def test_with_one_principal_only_a_question_is_certainly_theirs(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, oldest = bench.call(session="s1")
        _, newer = bench.call(session="s2")
        await settle()
        bench.link.say(request("elicitation/create", {}, id=7))
        await settle()
        asked(oldest)
        assert newer.events == []


@pytest.mark.requirement("C32")
async def test_a_question_is_refused_when_its_owner_is_not_certain(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        ada_id, _ = bench.call(principal=person("ada"))
        _, of_bob = bench.call(principal=person("bob"))
        await settle()
        bench.post(Cancel(call_id=ada_id, reason="gone"))
        await settle()
        with logged() as lines:
            bench.link.say(request(SAMPLE, {}, id=1))  # ada's, a moment too late
            await settle()
        assert of_bob.events == []
        assert refusal(bench)["code"] == -32603
        assert refusal(bench)["data"] == {"reason": "ambiguous_client"}
        assert "upstream.question_refused" in [line["event"] for line in lines]


async def test_a_question_without_any_call_is_refused(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.say(request(SAMPLE, {}, id=1))
        await settle()
        assert refusal(bench)["data"] == {"reason": "ambiguous_client"}


@pytest.mark.requirement("C31")
async def test_a_flood_of_questions_is_refused_and_logged_in_part(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    with logged() as lines:
        async with ready(bench):
            for number in range(1000):
                bench.link.say(request(SAMPLE, {}, id=number))
            await settle()
            refused = [r for r in bench.server.responses() if r.error is not UNSET]
    told = [line for line in lines if line["event"] == "upstream.question_refused"]
    assert len(refused) == 1000
    assert 1 <= len(told) <= 110


async def test_roots_come_from_the_configuration_when_it_has_them(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(roots=("/srv/my data", "file:///x")))
    async with ready(bench):
        bench.link.say(request("roots/list", id=1))
        await settle()
        result = bench.server.responses()[0].result
        assert result is not UNSET
        assert decoded(result) == {
            "roots": [{"uri": "file:///srv/my%20data"}, {"uri": "file:///x"}]
        }


async def test_roots_without_configuration_are_the_clients(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.link.say(request("roots/list", id=1))
        await settle()
        asked(outcome)


async def test_a_question_nobody_answers_is_refused_in_time(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(timeout=1000.0))
    async with ready(bench):
        bench.call()
        await settle()
        bench.link.say(request(SAMPLE, {}, id=1))
        await trio.sleep(301)
        assert refusal(bench)["code"] == -32603
        assert "in time" in refusal(bench)["message"]


async def test_a_call_does_not_time_out_while_its_client_thinks_about_a_question(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.link.say(request("elicitation/create", {}, id=7))
        await trio.sleep(200)  # longer than the idle deadline of 60 s
        question = asked(outcome)
        bench.post(Answer(epoch=question.epoch, upstream_id=7, result=raw("yes")))
        await trio.sleep(50)
        bench.server.answer_held()
        await settle()
        assert await outcome.result() == {"ok": True}


async def test_after_the_answer_the_idle_deadline_counts_again(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.link.say(request("elicitation/create", {}, id=7))
        await trio.sleep(100)
        question = asked(outcome)
        bench.post(Answer(epoch=question.epoch, upstream_id=7, result=raw("yes")))
        await trio.sleep(62)
        await outcome.error(CallTimeout)


async def test_a_question_ends_with_the_call_it_belongs_to(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.link.say(request(SAMPLE, {}, id=1))
        await settle()
        bench.server.answer_held()
        await outcome.result()
        await settle()
        assert "over" in refusal(bench)["message"]
        assert bench.actor.at_rest
        bench.post(Answer(epoch=1, upstream_id=1, result=raw({})))
        await settle()
        assert len(bench.server.responses()) == 1


async def test_an_answer_to_a_question_of_an_older_connection_is_dropped(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.link.say(request(SAMPLE, {}, id=1))
        await settle()
        old = asked(outcome)
        bench.link.fail()
        await settle()
        bench.post(Answer(epoch=old.epoch, upstream_id=1, result=raw({})))
        await bench.ready()
        bench.post(Answer(epoch=old.epoch, upstream_id=1, result=raw({})))
        await trio.sleep(2)
        assert bench.server.responses() == []
        assert bench.status.dropped == 2


@pytest.mark.requirement("C31")
async def test_no_more_than_64_questions_are_open(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        for number in range(100):
            bench.link.say(request(SAMPLE, {}, id=number))
        bench.link.say(request("ping", id="p"))
        await settle()
        assert len(outcome.told(Question)) == 64
        assert refusal(bench, 0)["data"] == {"reason": "too_many_questions"}
        assert bench.server.responses()[-1].id == "p"


async def test_a_question_id_in_use_is_refused(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        bench.link.say(request(SAMPLE, {}, id=1))
        bench.link.say(request(SAMPLE, {}, id=1))
        await settle()
        asked(outcome)
        assert refusal(bench)["code"] == -32600


async def test_a_server_that_asks_for_ever_does_not_hold_a_call(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        for number in range(20):
            bench.link.say(request("elicitation/create", {}, id=number))
            await trio.sleep(1)
            bench.post(Answer(epoch=1, upstream_id=number, result=raw("yes")))
            await trio.sleep(4)
        assert isinstance(outcome.outcomes[0], CallTimeout)


async def test_questions_nobody_can_be_asked_do_not_hold_a_call(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(config=quiet(timeout=5))
    async with ready(bench):
        _, outcome = bench.call()
        outcome.refusal = Raw(b'{"code":-32601,"message":"no"}')
        began = trio.current_time()
        for number in range(1000):  # and always another one before the last is settled
            bench.link.say(request(SAMPLE, {}, id=2 * number))
            bench.link.say(request(SAMPLE, {}, id=2 * number + 1))
            await trio.sleep(0.1)
            if outcome.done:
                break
        assert trio.current_time() - began == pytest.approx(5, abs=0.2)
        assert refusal(bench)["code"] == -32601


async def test_a_call_with_another_open_question_goes_on_waiting(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        for number in (7, 8):
            bench.link.say(request("elicitation/create", {}, id=number))
        await trio.sleep(1)
        bench.post(Answer(epoch=1, upstream_id=7, result=raw("yes")))
        await trio.sleep(200)
        assert not outcome.done
        bench.server.answer_held()
        assert await outcome.result() == {"ok": True}


@pytest.mark.parametrize("key", [1, "one"])
async def test_a_server_may_take_its_question_back(
    autojump_clock: MockClock, key: int | str
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.call()
        await settle()
        bench.link.say(request(SAMPLE, {}, id=key))
        for params in ({"requestId": key}, {"requestId": key}, {}, [1]):
            bench.link.say(notification("notifications/cancelled", params))
        await settle()
        bench.post(Answer(epoch=1, upstream_id=key, result=raw({})))
        await trio.sleep(2)
        assert bench.server.responses() == []
        assert bench.status.dropped == 4


async def test_a_client_error_is_passed_to_the_server(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.call()
        await settle()
        bench.link.say(request(SAMPLE, {}, id=1))
        await settle()
        error = raw({"code": -1, "message": "user said no"})
        bench.post(Answer(epoch=1, upstream_id=1, error=error))
        await settle()
        assert bench.server.responses() == [Frame(id=1, error=error)]


@pytest.mark.requirement("R125")
async def test_a_log_message_goes_to_its_call_else_to_the_router(
    autojump_clock: MockClock,
) -> None:
    line = notification(
        "notifications/message", {"level": "info", "logger": "x", "data": "hi"}
    )
    bench = Bench()
    async with ready(bench):
        with logged() as lines:
            bench.link.say(line)
            await settle()
            bench.call(principal=person("ada"))
            _, of_bob = bench.call(principal=person("bob"))
            await settle()
            bench.link.say(line)
            bench.link.say(line, related=id_of(bench.server.held[1][1]))
            await settle()
        assert of_bob.told(Related) == [Related(frame=line)]
        told = bench.told_router(Notified)
        assert [message.frame for message in told] == [line, line]
        shown = [entry for entry in lines if entry["event"] == "upstream.logged"]
        assert len(shown) == 3
        assert shown[0]["text"] == '"hi"'
        assert shown[0]["severity"] == "info"


@pytest.mark.requirement("C31")
async def test_a_flood_of_log_messages_is_cut(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with ready(bench):
        for _ in range(1000):
            bench.link.say(notification("notifications/message", [1]))
        await trio.sleep(2)
        assert len(bench.told_router(Notified)) <= 110
        assert bench.status.dropped >= 890


@pytest.mark.requirement("C31", "R125")
async def test_updates_of_one_resource_are_coalesced(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.told_router(Notified)
        for number in range(1000):
            uri = {"uri": f"file:///{number % 3}"}
            bench.link.say(notification("notifications/resources/updated", uri))
        await trio.sleep(1)
        frames = [message.frame for message in bench.told_router(Notified)]
        assert len(frames) == 4  # the first at once, the others a moment later
        assert {params_of(frame)["uri"] for frame in frames} == {
            "file:///0",
            "file:///1",
            "file:///2",
        }
        assert bench.actor.at_rest


async def test_notifications_nobody_knows_are_dropped_and_counted(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.say(notification("notifications/strange"))
        await trio.sleep(2)
        assert bench.status.dropped == 1
        assert bench.told_router(Notified) == []


async def test_what_a_lost_link_does_not_take_harms_nobody(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        bench.link.fall_silent(SessionLost("forgotten"))
        bench.post(Notify(frame=notification("notifications/roots/list_changed")))
        await settle()
        assert bench.status.state == "connected"


async def test_a_notification_of_the_clients_is_passed_on_while_ready(
    autojump_clock: MockClock,
) -> None:
    frame = notification("notifications/roots/list_changed")
    bench = Bench()
    async with ready(bench):
        bench.post(Notify(frame=frame))
        await settle()
        bench.link.busy = True
        bench.post(Notify(frame=frame))
        await settle()
        bench.link.fail()
        await settle()
        bench.post(Notify(frame=frame))
        await settle()
        assert bench.server.heard_of("notifications/roots/list_changed") == [frame]


@pytest.mark.requirement("C37")
async def test_what_is_no_frame_is_logged_within_limits_and_harms_nobody(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        with logged() as lines:
            for _ in range(500):
                bench.link.push(FrameRefused(kind="not_json", size=7))
            await settle()
        refused = [line for line in lines if line["event"] == "upstream.frame_refused"]
        assert 100 <= len(refused) <= 101
        assert refused[0]["kind"] == "not_json"
        bench.server.answer_held()
        await outcome.result()


@pytest.mark.requirement("C37")
async def test_odd_numbers_and_deep_results_pass_unopened(
    autojump_clock: MockClock,
) -> None:
    odd = Raw(b'{"n":1' + b"0" * 5000 + b',"d":' + b"[" * 500 + b"]" * 500 + b"}")
    bench = Bench()
    async with ready(bench):
        _, outcome = bench.call()
        await settle()
        link, frame = bench.server.held.pop()
        link.say(Frame(id=frame.id, result=odd))
        assert await outcome.wait() == Answered(result=odd)
