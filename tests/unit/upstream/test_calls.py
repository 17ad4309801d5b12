"""The table of calls: every entry leaves by exactly one door."""

from math import inf

import pytest
from msgspec import UNSET, Raw

from bridge.actor.reply import Reply
from bridge.contract.principal import ANONYMOUS
from bridge.contract.upstream import Call, CallEvent, CallOutcome
from bridge.errors import FrameInvalid
from bridge.protocol.frame import Frame, raw
from bridge.upstream.calls import (
    CallLimits,
    CallTable,
    Flight,
    Pending,
    answer_of,
    outgoing_frame,
)
from bridge.wire.link import Outgoing
from kit.upstream import Outcome, decoded


def call(number: int, *, at: float = 0.0, wants_progress: bool = False) -> Call:
    return Call(
        call_id=number,
        frame=Frame(method="tools/call", params=raw({"name": "x"})),
        reply=Reply[CallEvent, CallOutcome](Outcome()),
        principal=ANONYMOUS,
        session_id="s",
        received_at=at,
        wants_progress=wants_progress,
    )


def launched(table: CallTable, number: int, *, at: float = 0.0) -> Flight:
    pending = Pending(call(number, at=at), until=inf)
    upstream_id = number + 100
    outgoing = Outgoing(pending.call.frame, upstream_id=upstream_id)
    return table.launch(pending, outgoing, upstream_id=upstream_id)


def waiting(table: CallTable, number: int, *, until: float = inf) -> Pending:
    pending = Pending(call(number), until=until)
    table.wait(pending)
    return pending


def small() -> CallTable:
    return CallTable(CallLimits(in_flight=2, waiting=2, idle=60.0))


@pytest.mark.parametrize(("idle", "maximum"), [(10, 300), (60, 300), (100, 500)])
def test_the_maximum_is_five_times_the_timeout_and_at_least_300_s(
    idle: float, maximum: float
) -> None:
    assert CallLimits(idle=idle).maximum == maximum


def test_slots_are_given_in_the_order_of_arrival() -> None:
    table = small()
    first, second = waiting(table, 1), waiting(table, 2)
    assert table.full
    assert table.next_pending() is first
    launched(table, 1)
    launched(table, 7)
    assert table.next_pending() is None
    table.settle(101)
    assert table.next_pending() is second
    assert table.next_pending() is None


def test_an_answer_settles_once() -> None:
    table = small()
    flight = launched(table, 1)
    assert table.find(101) is flight
    assert table.find(None) is None
    assert table.settle(101) is flight
    assert table.settle(101) is None
    assert table.idle


def test_a_call_is_forgotten_wherever_it_stands() -> None:
    table = small()
    flight, pending = launched(table, 1), waiting(table, 2)
    waiting(table, 3)
    assert table.forget(1) is flight
    assert table.forget(2) is pending
    assert table.forget(2) is None
    assert (table.in_flight, table.waiting) == (0, 1)


def test_deadlines_count_from_arrival_and_progress_moves_only_the_idle_one() -> None:
    table = small()
    flight = launched(table, 1, at=10.0)
    assert (flight.due, flight.last) == (70.0, 310.0)
    table.rearm(flight, 65.0)
    assert flight.due == 125.0
    table.rearm(flight, 300.0)
    assert flight.due == 310.0
    assert table.overdue(309.9) == []
    assert table.overdue(310.0) == [flight]
    assert table.idle


def test_the_impatient_leave_the_line_alone() -> None:
    table = small()
    late, patient = waiting(table, 1, until=5.0), waiting(table, 2, until=9.0)
    assert table.impatient(4.0) == []
    assert table.impatient(5.0) == [late]
    assert table.next_pending() is patient


def test_the_next_deadline_is_the_earliest_of_all() -> None:
    table = small()
    assert table.next_due() == inf
    launched(table, 1)
    assert table.next_due() == 60.0
    waiting(table, 2, until=7.0)
    assert table.next_due() == 7.0


def test_the_end_of_an_epoch_empties_what_is_in_flight() -> None:
    table = small()
    first, second = launched(table, 1), launched(table, 2)
    assert table.oldest() is first
    assert table.flights() == [first, second]
    assert table.take_flights() == [first, second]
    assert table.oldest() is None
    assert table.forget(1) is None


def test_what_did_not_run_goes_back_to_the_head_in_order() -> None:
    table = small()
    last = waiting(table, 3)
    flights = [launched(table, 1), launched(table, 2)]
    table.take_flights()
    table.wait_again([flight.again(repeated=True) for flight in flights])
    left = table.take_waiting()
    assert [pending.call.call_id for pending in left] == [1, 2, 3]
    assert [pending.repeated for pending in left] == [True, True, False]
    assert left[2] is last
    assert table.idle


def test_a_frame_gets_the_upstreams_id_and_is_otherwise_the_same() -> None:
    asked = call(1)
    frame = outgoing_frame(asked, 7)
    assert (frame.id, frame.params) == (7, asked.frame.params)
    assert asked.frame.id is UNSET


def test_a_progress_token_is_the_upstreams_id() -> None:
    frame = outgoing_frame(call(1, wants_progress=True), 7)
    assert isinstance(frame.params, Raw)
    assert decoded(frame.params) == {"name": "x", "_meta": {"progressToken": 7}}


@pytest.mark.parametrize("params", [[], {"_meta": 1}])
def test_params_without_room_for_a_token_are_refused(params: object) -> None:
    asked = call(1, wants_progress=True)
    odd = Call(
        call_id=1,
        frame=Frame(method="x", params=raw(params)),
        reply=asked.reply,
        principal=ANONYMOUS,
        session_id="s",
        received_at=0.0,
        wants_progress=True,
    )
    with pytest.raises(FrameInvalid):
        outgoing_frame(odd, 7)


def test_an_answer_is_a_result_or_an_error() -> None:
    assert answer_of(Frame(id=1, result=Raw(b"1"))) == (Raw(b"1"), None)
    assert answer_of(Frame(id=1, error=Raw(b"2"))) == (None, Raw(b"2"))
