"""What an upstream says of its own accord: requests and notifications."""

from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import msgspec
import trio
from msgspec import UNSET, Raw

from bridge.contract.upstream import (
    Answer,
    Question,
    Related,
    UpstreamAddress,
)
from bridge.errors import FrameInvalid
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.protocol.codes import Code
from bridge.protocol.frame import Frame, members, raw, text
from bridge.upstream.alarms import Alarm, Alarms
from bridge.upstream.calls import CallTable, Flight
from bridge.upstream.connection import Connection
from bridge.upstream.news import Bulletins, LineBudget, integer
from bridge.upstream.questions import OpenQuestion, Questions, certain_owner
from bridge.upstream.traffic import Traffic
from bridge.wire.link import FrameRefused

_FOR_CLIENTS = frozenset({"sampling/createMessage", "elicitation/create", "roots/list"})
_LISTS_CHANGED = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    }
)
_FOR_THE_ROUTER = frozenset(
    {"notifications/resources/updated", "notifications/elicitation/complete"}
)
_TEXT_SHOWN = 500
_EMPTY = Raw(b"{}")


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to tell. ``publish``: a notification that is of no single call."""

    lists_changed: Callable[[], None]
    publish: Callable[[Frame], None]


class Inbound:
    """Sorts one upstream's requests and notifications. Synchronous throughout."""

    def __init__(
        self,
        address: UpstreamAddress,
        calls: CallTable,
        traffic: Traffic,
        *,
        roots: tuple[str, ...],
        hooks: Hooks,
        alarms: Alarms,
        log: Log,
    ) -> None:
        self._address = address
        self._calls = calls
        self._traffic = traffic
        traffic.ended = self.call_ended
        self._roots = roots_result(roots) if roots else None
        self._hooks = hooks
        self._alarms = alarms
        self._log = log
        self._connection: Connection | None = None
        self._questions = Questions()
        self._bulletins = Bulletins()
        self._lines = LineBudget()
        self.dropped = 0  # what is of nobody, or over a limit

    @property
    def idle(self) -> bool:
        """No question is open and nothing is held back."""
        return not self._questions and self._bulletins.open_at is None

    def open(self, connection: Connection) -> None:
        """A new epoch: questions of the old one are of no interest."""
        self._connection = connection
        self._questions = Questions()
        self._bulletins.clear()

    def close(self) -> None:
        """The epoch is over."""
        self._connection = None
        self._questions = Questions()
        self._bulletins.clear()

    def requested(
        self, connection: Connection, frame: Frame, *, related: int | None
    ) -> None:
        """Answer a request here, give it to its certain owner, or refuse it."""
        key = frame.id
        if key is UNSET:
            return
        if frame.method == "ping":
            connection.respond(key, result=_EMPTY, error=None)
        elif frame.method == "roots/list" and self._roots is not None:
            connection.respond(key, result=self._roots, error=None)
        elif frame.method in _FOR_CLIENTS:
            self._ask_owner(connection, frame, key, related=related)
        else:
            connection.refuse(key, Code.METHOD_NOT_FOUND, "unknown method")

    def answered(self, message: Answer) -> None:
        """Pass a client's response on, if its question is still open."""
        connection = self._connection
        if connection is None or connection.epoch != message.epoch:
            self.dropped += 1
        elif (opened := self._questions.take(message.upstream_id)) is not None:
            self._resume(opened)
            connection.respond(
                message.upstream_id, result=message.result, error=message.error
            )
        else:
            self.dropped += 1

    def notified(
        self, connection: Connection, frame: Frame, *, related: int | None
    ) -> None:
        """Sort one notification."""
        match frame.method:
            case "notifications/progress":
                self._traffic.progress(frame)
            case "notifications/message":
                self._logged(connection, frame, related=related)
            case "notifications/cancelled":
                self._question_withdrawn(frame)
            case method if method in _LISTS_CHANGED:
                self._hooks.lists_changed()
            case method if method in _FOR_THE_ROUTER:
                self._publish(frame)
            case _:
                self.dropped += 1

    def refused(self, event: FrameRefused) -> None:
        """Something came in that is no frame."""
        if self._lines.take(trio.current_time()):
            self._log.emit(
                events.UPSTREAM_FRAME_REFUSED, kind=event.kind, size=event.size
            )
        else:
            self.dropped += 1

    def release(self) -> None:
        """Publish what the limit held back and may pass now."""
        for frame in self._bulletins.release(trio.current_time()):
            self._hooks.publish(frame)
        if self._bulletins.open_at is not None:
            self._alarms.no_later(Alarm.NEWS, self._bulletins.open_at)

    def sweep(self, now: float) -> None:
        """Refuse the questions nobody answered in time."""
        for question in self._questions.take_overdue(now):
            self._refuse_open(question, "the client did not answer in time")

    def call_ended(self, flight: Flight) -> None:
        """Its questions have nobody to answer them any more."""
        if not self._questions:
            return
        for question in self._questions.take_owned(flight.upstream_id):
            self._refuse_open(question, "the call this belongs to is over")

    def next_due(self) -> float:
        return self._questions.next_due()

    def _ask_owner(
        self,
        connection: Connection,
        frame: Frame,
        key: int | str,
        *,
        related: int | None,
    ) -> None:
        owner = certain_owner(self._calls, connection.principals, related=related)
        if key in self._questions:
            connection.refuse(key, Code.INVALID_REQUEST, "this id is in use")
        elif self._questions.full:
            self._refuse(connection, frame, key, reason="too_many_questions")
        elif owner is None or not owner.call.reply.open:
            self._refuse(connection, frame, key, reason="ambiguous_client")
        else:
            opened = self._questions.add(key, owner=owner, now=trio.current_time())
            self._calls.hold(owner, opened.due)
            self._alarms.no_later(Alarm.SWEEP, opened.due)
            owner.call.reply.tell(
                Question(
                    epoch=connection.epoch,
                    upstream_id=key,
                    frame=frame,
                    address=self._address,
                    refuse=partial(self._refused_at_once, key),
                )
            )

    def _refused_at_once(self, key: int | str, error: Raw) -> None:
        """The client cannot be asked: the call waits for nobody."""
        opened = self._questions.take(key)
        if opened is not None and self._connection is not None:
            self._resume(opened)
            self._connection.respond(key, result=None, error=error)

    def _refuse(
        self, connection: Connection, frame: Frame, key: int | str, *, reason: str
    ) -> None:
        if self._lines.take(trio.current_time()):
            self._log.emit(
                events.UPSTREAM_QUESTION_REFUSED, method=frame.method, reason=reason
            )
        connection.refuse(
            key,
            Code.INTERNAL_ERROR,
            "no client can be asked",
            data={"reason": reason},
        )

    def _refuse_open(self, question: int | str, message: str) -> None:
        if self._connection is not None:
            self._connection.refuse(question, Code.INTERNAL_ERROR, message)

    def _question_withdrawn(self, frame: Frame) -> None:
        try:
            key = members(frame.params).get("requestId")
        except FrameInvalid:
            key = None
        question = text(key) if integer(key) is None else integer(key)
        opened = None if question is None else self._questions.take(question)
        if opened is None:
            self.dropped += 1
        else:
            self._resume(opened)

    def _resume(self, opened: OpenQuestion) -> None:
        """A question is closed: the call's idle deadline goes on where it stood.

        It does not start anew, or a server could hold a call by asking for ever.
        """
        flight = self._calls.find(opened.owner)
        if flight is not None and not self._questions.asks(opened.owner):
            self._calls.resume(flight, trio.current_time(), left=opened.left)
            self._alarms.no_later(Alarm.SWEEP, flight.due)

    def _logged(
        self, connection: Connection, frame: Frame, *, related: int | None
    ) -> None:
        if not self._lines.take(trio.current_time()):
            self.dropped += 1
            return
        self._log_line(frame)
        owner = certain_owner(self._calls, connection.principals, related=related)
        if owner is not None:
            owner.call.reply.tell(Related(frame=frame))
        else:
            self._hooks.publish(frame)

    def _log_line(self, frame: Frame) -> None:
        try:
            params = members(frame.params)
        except FrameInvalid:
            params = {}
        data = bytes(params.get("data", Raw(b"null")))[:_TEXT_SHOWN]
        self._log.emit(
            events.UPSTREAM_LOGGED,
            severity=text(params.get("level")),
            logger=text(params.get("logger")),
            text=data.decode("utf-8", "replace"),
        )

    def _publish(self, frame: Frame) -> None:
        self._bulletins.hold(frame)
        self.release()


def roots_result(roots: tuple[str, ...]) -> Raw:
    """The answer to ``roots/list``: configured paths and URIs."""
    uris = [f"file://{quote(root)}" if root.startswith("/") else root for root in roots]
    return raw({"roots": [{"uri": uri} for uri in uris]})
