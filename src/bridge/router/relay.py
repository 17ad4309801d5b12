"""What comes back for one call, put into the client's own terms.

A relay is the sink of one call's reply: progress gets the client's token, a question of
the upstream becomes a request to this very client, and the outcome gets the client's
id. It runs in the upstream actor's task, so it is synchronous and never waits.
"""

import re
from collections.abc import Callable
from typing import assert_never

import msgspec
import trio
from msgspec import Raw

from bridge.actor.mailbox import MailboxSealed
from bridge.contract.upstream import (
    Answered,
    CallEvent,
    CallOutcome,
    Progress,
    Question,
    Related,
    UpstreamAddress,
    UpstreamMessage,
)
from bridge.errors import BridgeError
from bridge.observe import catalogue as events
from bridge.protocol.codes import Code, error_body
from bridge.protocol.frame import Frame, encode, raw, text, text_member
from bridge.protocol.methods import (
    CANCELLED,
    ELICITATION_CREATE,
    LOG_LEVELS,
    MESSAGE,
    PROGRESS,
    ROOTS_LIST,
    SAMPLING_CREATE_MESSAGE,
)
from bridge.router.failure import failure
from bridge.router.outbox import Outbox
from bridge.router.session import Asked, Session

#: Open questions to one client; more would be a flood (protocol 10).
MAX_ASKED = 64

#: Told of each finished call: upstream, outcome, seconds.
OnCall = Callable[[str, str, float], None]

_CAPABILITY = {
    SAMPLING_CREATE_MESSAGE: "sampling",
    ELICITATION_CREATE: "elicitation",
    ROOTS_LIST: "roots",
}

_IS_ERROR = re.compile(rb'"isError"\s*:\s*true')


def tell(address: UpstreamAddress, message: UpstreamMessage) -> None:
    """Give a control message to an upstream; one that has ended needs none."""
    try:
        address.mailbox.offer(message, counted=False)
    except MailboxSealed:
        return


class Relay:
    """The reply sink of one call of one session."""

    def __init__(
        self,
        *,
        session: Session,
        sink: Outbox,
        client_id: int | str,
        call_id: int,
        method: str,
        name: str,
        upstream: str,
        repeatable: bool,
        progress_token: Raw | None,
        bytes_in: int,
        on_call: OnCall,
    ) -> None:
        self._session = session
        self._sink = sink
        self._client_id = client_id
        self._call_id = call_id
        self._method = method
        self._name = name
        self._upstream = upstream
        self._repeatable = repeatable
        self._token = progress_token
        self._bytes_in = bytes_in
        self._on_call = on_call
        self._started = trio.current_time()

    def tell(self, event: CallEvent) -> None:
        """News on the way to the outcome."""
        match event:
            case Progress():
                self._progress(event)
            case Related():
                self._related(event.frame)
            case Question():
                self._ask(event)
            case _:
                assert_never(event)

    def finish(self, outcome: CallOutcome) -> None:
        """The one outcome: the client's response."""
        self._session.in_flight.pop(self._client_id, None)
        self._withdraw_questions()
        match outcome:
            case Answered(result=result) if result is not None:
                frame = Frame(id=self._client_id, result=result)
                said = "ok"
            case Answered(error=error):
                body = error or error_body(Code.INTERNAL_ERROR, "empty answer")
                frame, said = Frame(id=self._client_id, error=body), "error"
            case BridgeError():
                frame = failure(
                    self._client_id,
                    self._method,
                    outcome,
                    repeatable=self._repeatable,
                )
                said = outcome.code
            case _:
                assert_never(outcome)
        data = encode(frame)
        if said == "ok":
            said = self._read_result(data, frame)
        self._sink.put(data, response=True)
        seconds = trio.current_time() - self._started
        self._on_call(self._upstream, said, seconds)
        self._session.log.emit(
            events.CALL_FINISHED,
            upstream=self._upstream,
            tool=self._name,
            method=self._method,
            outcome=said,
            seconds=round(seconds, 4),
            bytes_in=self._bytes_in,
            bytes_out=len(data),
        )

    def _progress(self, event: Progress) -> None:
        if self._token is None:
            return
        params = {**event.params, "progressToken": self._token}
        frame = Frame(method=PROGRESS, params=raw(params))
        self._sink.offer(encode(frame), key=("progress", self._client_id))

    def _related(self, frame: Frame) -> None:
        if frame.method != MESSAGE or log_wanted(self._session, frame):
            self._sink.offer(encode(frame))

    def _ask(self, question: Question) -> None:
        refusal = self._refusal(question.frame)
        target = self._way_to_client()
        if refusal is not None:
            question.refuse(refusal)
        elif target is None:
            question.refuse(
                error_body(
                    Code.INTERNAL_ERROR,
                    "the client has no open stream for a question",
                    {"reason": "no_stream"},
                )
            )
        else:
            self._put(question, target)

    def _put(self, question: Question, target: Outbox) -> None:
        session = self._session
        question_id = session.next_question_id()
        frame = msgspec.structs.replace(question.frame, id=question_id)
        session.asked[question_id] = Asked(
            question.address, question.epoch, question.upstream_id, self._call_id
        )
        if frame.method == ELICITATION_CREATE:
            self._remember_elicitation(frame)
        target.put(encode(frame))

    def _refusal(self, frame: Frame) -> Raw | None:
        """Why this client cannot be asked (protocol 4.1); None when it can."""
        session, method = self._session, str(frame.method)
        if _CAPABILITY.get(method) not in session.capabilities:
            return error_body(
                Code.METHOD_NOT_FOUND, f"the client does not support {method}"
            )
        mode = text_member(frame.params, "mode") or "form"
        if method == ELICITATION_CREATE and mode not in session.elicitation_modes:
            return error_body(
                Code.INVALID_PARAMS, f"the client does not support {mode} elicitation"
            )
        if len(session.asked) >= MAX_ASKED:
            return error_body(Code.INTERNAL_ERROR, "too many open questions")
        return None

    def _way_to_client(self) -> Outbox | None:
        """The call's own stream, else the session's, if somebody reads it."""
        if self._sink.takes_questions and not self._sink.closed:
            return self._sink
        session = self._session
        return session.outbox if session.streaming and session.active else None

    def _withdraw_questions(self) -> None:
        """The call is over: tell the client that its questions are, too."""
        asked = self._session.asked
        for question_id in [k for k, v in asked.items() if v.call_id == self._call_id]:
            del asked[question_id]
            gone = {"requestId": question_id, "reason": "the call has ended"}
            self._sink.offer(encode(Frame(method=CANCELLED, params=raw(gone))))

    def _remember_elicitation(self, frame: Frame) -> None:
        elicitation_id = text_member(frame.params, "elicitationId")
        if elicitation_id is not None:
            self._session.remember_elicitation(elicitation_id)

    def _read_result(self, data: bytes, frame: Frame) -> str:
        """Look into a result only where a plain byte search says it is worth it."""
        if b'"resource' in data and isinstance(frame.result, Raw):
            for uri in resource_uris(frame.result):
                self._session.learn_owner(uri, self._upstream)
        # Most results lack the member, and a plain search tells so ten times faster.
        failed = b'"isError"' in data and _IS_ERROR.search(data)
        return "error" if failed else "ok"


def log_wanted(session: Session, frame: Frame) -> bool:
    """Whether a log message is at or above the level the session asked for."""
    if session.log_level is None:
        return True
    level = text_member(frame.params, "level")
    if level not in LOG_LEVELS:
        return True
    return LOG_LEVELS.index(level) >= LOG_LEVELS.index(session.log_level)


class _Content(msgspec.Struct):
    type: str = ""
    uri: str = ""
    resource: dict[str, Raw] = {}


class _ContentResult(msgspec.Struct):
    content: list[_Content] = []


_content_result = msgspec.json.Decoder(_ContentResult)


def resource_uris(result: Raw) -> tuple[str, ...]:
    """URIs a tool result links to or embeds (protocol 4.5)."""
    try:
        content = _content_result.decode(result).content
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    linked = [item.uri for item in content if item.type == "resource_link"]
    embedded = [text(item.resource.get("uri")) or "" for item in content]
    return tuple(uri for uri in (*linked, *embedded) if uri)
