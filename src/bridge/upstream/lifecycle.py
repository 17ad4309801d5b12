"""Drives `bridge.upstream.state`: performs its actions, publishes what it comes to."""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol, assert_never

import trio

from bridge.contract.upstream import UpstreamState
from bridge.errors import (
    BridgeError,
    ConnectFailed,
    RequestRefused,
    RevisionUnsupported,
    SessionLost,
    Unauthorized,
)
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.observe.outlook import next_step
from bridge.upstream import faults, state
from bridge.upstream.alarms import Alarm, Alarms
from bridge.upstream.gravity import Gravity
from bridge.upstream.retry import Pause
from bridge.upstream.state import Action, Event, Phase, State
from bridge.upstream.turns import PutAside

STABLE_AFTER = 30.0
#: ``renew(challenge, generation)`` of the token that was refused, 0: none was sent.
Renew = Callable[[str, int], None]

_TIMED = (
    Phase.CONNECTING,
    Phase.HANDSHAKING,
    Phase.DISCOVERING,
    Phase.AUTHORIZING,
)


class Hands(Protocol):
    """What the machine's actions need done. All of it is synchronous."""

    def open_link(self) -> None: ...
    def close_link(self) -> None: ...
    def send_handshake(self) -> None: ...
    def list_all(self) -> None: ...
    def fail_in_flight(self) -> None: ...
    def serve(self) -> None: ...
    def publish_change(self) -> None: ...
    def publish_down(self) -> None: ...
    def finish_calls(self) -> None: ...
    def leave(self) -> None: ...
    def changed(self) -> None: ...


class Lifecycle:
    """The machine's present state, its pauses and its log line for each transition."""

    def __init__(
        self,
        begin: State,
        hands: Hands,
        *,
        alarms: Alarms,
        rng: random.Random,
        log: Log,
        patience: float,
        renew: Renew | None = None,
        name: str = "",
    ) -> None:
        self.state = begin
        self._name = name
        self._gravity = Gravity()
        self.epoch = 0
        self.retry_at: float | None = None
        self.last_error = ""
        self.last_error_at: float | None = None
        self._hands = hands
        self._alarms = alarms
        self._rng = rng
        self._log = log
        self._patience = patience
        # asked for new credentials; without anybody to ask, only a login helps
        self._renew = renew
        self._events: deque[Event] = deque()

    @property
    def phase(self) -> Phase:
        return self.state.phase

    @property
    def shown(self) -> UpstreamState:
        return self.state.shown

    def feed(self, event: Event) -> None:
        """Apply an event. One that arises from an action comes after its actions."""
        self._events.append(event)
        if len(self._events) > 1:
            return
        while self._events:
            self._step(self._events[0])
            self._events.popleft()

    def overdue(self) -> None:
        """The present phase took too long."""
        reason = f"{self.phase.value} took too long"
        if self.phase is Phase.AUTHORIZING:
            self.feed(state.RenewFailed(reason))
        else:
            self.feed(state.LinkFailed(reason))

    def next_epoch(self, epochs: Iterator[int]) -> int:
        """A link is open: count it."""
        self.epoch = next(epochs)
        return self.epoch

    def _step(self, event: Event) -> None:
        now = trio.current_time()
        before = self.state
        self.state, actions = state.step(before, event, now)
        if self.state.phase is not before.phase:
            self._enter(now)
        for action in actions:
            self._perform(action)
        if self.state.phase is not before.phase:
            self._say(before)
        if self.state is not before:
            self._hands.changed()

    def _enter(self, now: float) -> None:
        self._alarms.clear(Alarm.PAUSE, Alarm.PHASE, Alarm.STABLE)
        self.retry_at = None
        if self.state.phase in _TIMED:
            self._alarms.set(Alarm.PHASE, now + self._patience)
        if self.state.phase in (Phase.BACKING_OFF, Phase.FAILED, Phase.AWAITING_LOGIN):
            self.last_error = self.state.reason
            self.last_error_at = now

    @property
    def waits_for(self) -> str:
        """What is next, in words."""
        retry_at = self.retry_at
        return next_step(
            self._name,
            state=self.shown.value,
            phase=self.phase.value,
            reason=self.state.reason,
            retry_in=None if retry_at is None else retry_at - trio.current_time(),
            has_login=self._renew is not None,
        )

    def _say(self, before: State) -> None:
        event = events.UPSTREAM_STATE_CHANGED
        level = self._gravity.of(before.shown, self.shown)
        retry_in = None if self.retry_at is None else self.retry_at - self.state.since
        fields: dict[str, object] = {
            "from": before.shown.value,
            "to": self.shown.value,
            "phase": self.phase.value,
            "next": self.waits_for,
        }
        self._log.emit(
            event.at(level),
            reason=self.state.reason,
            epoch=self.epoch,
            retry_in=retry_in,
            **fields,
        )

    def _perform(self, action: Action) -> None:  # noqa: C901, PLR0912 - one line per action
        match action:
            case state.OpenLink():
                self._hands.open_link()
            case state.SendHandshake():
                self._hands.send_handshake()
            case state.ListAll():
                self._hands.list_all()
            case state.CloseLink():
                self._hands.close_link()
            case state.FailInFlight():
                self._hands.fail_in_flight()
            case state.RenewCredentials(challenge, generation):
                self._renew_credentials(challenge, generation)
            case state.Wait(pause):
                self._wait(pause)
            case state.Expect(until):
                self.retry_at = until
            case state.PublishUp():
                self._alarms.set(Alarm.STABLE, trio.current_time() + STABLE_AFTER)
                self._hands.serve()
            case state.PublishChange():
                self._hands.publish_change()
            case state.PublishDown():
                self._hands.publish_down()
            case state.FinishCalls():
                self._hands.finish_calls()
            case state.Leave():
                self._hands.leave()
            case _:
                assert_never(action)

    def _wait(self, pause: Pause | None) -> None:
        if pause is None:
            return
        delay = self._rng.uniform(pause.at_least, pause.at_most)
        self.retry_at = trio.current_time() + delay
        self._alarms.set(Alarm.PAUSE, self.retry_at)

    def _renew_credentials(self, challenge: str, generation: int) -> None:
        if self._renew is None:
            self.feed(state.LoginNeeded(faults.LOGIN_REASON))
        else:
            self._renew(challenge, generation)


def event_of(error: BridgeError) -> Event:
    """What a failure of the connection means to the machine."""
    match error:
        case PutAside():
            return state.PutAside(error.public, error.seconds)
        case Unauthorized():
            return state.Unauthorized(error.challenge, error.generation)
        case RevisionUnsupported():
            return state.NoCommonRevision(error.public)
        case SessionLost():
            return state.SessionEnded(error.public)
        case ConnectFailed() | RequestRefused():
            return state.LinkFailed(error.public, error.retry_after)
        case _:
            return state.LinkFailed(error.public)
