"""Planted bugs: each breaks a promise of the real code, and a simulation finds it.

A breach is a context manager that patches the bridge for the length of a run.
"""

# pyright: reportPrivateUsage=false

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from math import inf
from typing import Any
from unittest.mock import patch

import trio
from msgspec.structs import replace

from bridge.actor.reply import Reply
from bridge.contract.principal import ANONYMOUS
from bridge.downstream.gateway import Gateway
from bridge.downstream.guard import Admission, Guard
from bridge.router.dispatch import Dispatcher
from bridge.router.outbox import Outbox
from bridge.router.relay import Relay
from bridge.router.session import Session, Sessions
from bridge.upstream.calls import CallTable, Flight
from bridge.upstream.lifecycle import Lifecycle
from bridge.upstream.traffic import Traffic
from bridge.upstream.vitals import Vitals
from bridge.wire import stdio
from sim import upkeep_breaches

Plant = Callable[[], AbstractContextManager[object]]


@contextmanager
def _calls_stay_after_their_answer() -> Generator[None]:
    def resolve(self: Reply[Any, Any], outcome: Any) -> bool:
        if self._sink is None:
            return False
        self._sink.finish(outcome)  # and stays open for a second outcome
        return True

    def settle(self: CallTable, upstream_id: int) -> Flight | None:
        flight = self._flights.get(upstream_id)
        if flight is not None:
            flight.due = inf
        return flight

    with (
        patch.object(Reply, "resolve", resolve),
        patch.object(CallTable, "settle", settle),
    ):
        yield


def _lost_calls_are_forgotten() -> AbstractContextManager[object]:
    def interrupt(self: Traffic, reason: str) -> None:
        self._connection = None
        for flight in self._calls.take_flights():
            self.ended(flight)
        self._keep_the_patient()

    return patch.object(Traffic, "interrupt", interrupt)


def _written_calls_are_repeated() -> AbstractContextManager[object]:
    return patch.object(Flight, "written", property(lambda _self: False))


def _answers_go_to_the_wrong_session() -> AbstractContextManager[object]:
    finish = Relay.finish
    last: list[Relay] = []

    def swapped(self: Relay, outcome: Any) -> None:
        own = self._sink
        if last and last[0]._session is not self._session and not last[0]._sink.closed:
            self._sink = last[0]._sink
        finish(self, outcome)
        self._sink = own
        last[:] = [self]

    return patch.object(Relay, "finish", swapped)


def _answers_are_mixed_up() -> AbstractContextManager[object]:
    answer = Traffic.answer

    def shifted(self: Traffic, frame: Any) -> bool:
        oldest = self._calls.oldest()
        if oldest is not None and self._calls.find(frame.id) is not None:
            frame = replace(frame, id=oldest.upstream_id)
        return answer(self, frame)

    return patch.object(Traffic, "answer", shifted)


def _sessions_leak() -> AbstractContextManager[object]:
    close = Sessions.close

    def forgetful(self: Sessions, session: Session, reason: str) -> None:
        if reason != "the client has left":
            close(self, session, reason)

    return patch.object(Sessions, "close", forgetful)


def _cancels_are_ignored() -> AbstractContextManager[object]:
    def cancelled(
        self: Dispatcher, session: Session, inflight: Any, reason: str
    ) -> None:
        """Forget to tell anybody."""

    return patch.object(Dispatcher, "_give_up", cancelled)


def _guard_believes_anybody() -> AbstractContextManager[object]:
    admit = Guard.admit

    async def naive(self: Guard, request: Any) -> Admission:
        if request.header("authorization") is None:
            await trio.lowlevel.checkpoint()
            return Admission(principal=ANONYMOUS)
        return await admit(self, request)

    return patch.object(Guard, "admit", naive)


def _deadlines_never_pass() -> AbstractContextManager[object]:
    launch = CallTable.launch

    def patient(self: CallTable, *args: Any, **named: Any) -> Flight:
        flight = launch(self, *args, **named)
        flight.due = flight.last = inf
        return flight

    return patch.object(CallTable, "launch", patient)


def _upstreams_are_given_up() -> AbstractContextManager[object]:
    feed = Lifecycle.feed

    def tired(self: Lifecycle, event: Any) -> None:
        if type(event).__name__ != "Waited":
            feed(self, event)

    return patch.object(Lifecycle, "feed", tired)


def _no_judgement(_self: Vitals, _operation: str, _objection: str) -> None:
    """Whatever it was, it is well."""


def _all_fits(_self: Outbox, _data: bytes) -> bool:
    return True


def _hangs_are_not_found() -> AbstractContextManager[object]:
    return patch.object(Vitals, "_judge", _no_judgement)


def _children_are_left() -> AbstractContextManager[object]:
    async def nothing(process: Any) -> None:
        await trio.lowlevel.checkpoint()

    return patch.object(stdio, "stop", nothing)


def _streams_are_cut() -> AbstractContextManager[object]:
    def silent(self: Gateway, reason: str) -> None:
        """Forget to end the streams."""

    return patch.object(Gateway, "end_sessions", silent)


def _drain_does_not_wait() -> AbstractContextManager[object]:
    return patch.object(Dispatcher, "in_flight", property(lambda _self: 0))


def _outboxes_grow() -> AbstractContextManager[object]:
    return patch.object(Outbox, "_fits", _all_fits)


def _one_upstream_blocks_all() -> AbstractContextManager[object]:
    everyone: list[Traffic] = []
    pump = Traffic.pump

    def considerate(self: Traffic) -> None:
        if self not in everyone:
            everyone.append(self)
        if all(each._connection is not None for each in everyone):
            pump(self)

    return patch.object(Traffic, "pump", considerate)


PLANTS: dict[str, Plant] = {
    "a call stays in the table after its answer": _calls_stay_after_their_answer,
    "calls on a lost link are forgotten": _lost_calls_are_forgotten,
    "a call that was written is sent again": _written_calls_are_repeated,
    "an answer goes to another session": _answers_go_to_the_wrong_session,
    "an answer goes to the oldest call": _answers_are_mixed_up,
    "sessions of clients who vanish are kept": _sessions_leak,
    "cancelling does nothing": _cancels_are_ignored,
    "the guard lets in whoever has no token": _guard_believes_anybody,
    "deadlines of calls never pass": _deadlines_never_pass,
    "a lost upstream is not tried again": _upstreams_are_given_up,
    "a hanging upstream is not found": _hangs_are_not_found,
    "children are not ended": _children_are_left,
    "streams are cut by a stop": _streams_are_cut,
    "a stop does not wait for calls": _drain_does_not_wait,
    "outboxes have no bound": _outboxes_grow,
    "one upstream that is down blocks all": _one_upstream_blocks_all,
    **upkeep_breaches.PLANTS,
}
