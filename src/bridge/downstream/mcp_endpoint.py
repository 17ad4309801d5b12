"""Streamable HTTP on ``/mcp``, in its legacy form: sessions, and a lazy answer.

The head of a POST's answer is held until the first message: the final response alone
goes out as JSON; anything before it, or a silence, makes it an event stream. A lost
answer is not a cancel: the call runs on and its result is dropped.
"""

import trio

from bridge.contract.control import Control
from bridge.downstream import era
from bridge.downstream.answer import JSON, Headers, refusal, rpc_error
from bridge.downstream.event_stream import HEADERS as EVENT_HEADERS
from bridge.downstream.event_stream import OPENING, EventStream, Lifetime, event
from bridge.downstream.guard import Admission
from bridge.downstream.message import Answer, Request, Response
from bridge.downstream.renewal import renew
from bridge.downstream.request import Refused, accepts, require_json
from bridge.downstream.sse_endpoint import (
    RETRY_LATER,
    draining,
    invalid,
    unknown_session,
)
from bridge.errors import FrameInvalid, Overloaded
from bridge.protocol.codes import Code
from bridge.protocol.frame import Frame, decode
from bridge.protocol.methods import INITIALIZE
from bridge.router.dispatch import Dispatcher, SessionBusy
from bridge.router.outbox import Item, Outbox, OutboxClosed
from bridge.router.policy import View
from bridge.router.session import Session, Sessions

SESSION_HEADER = "mcp-session-id"
#: A client and the proxies between hear of a slow call before they lose patience.
SILENCE = 10.0
#: Messages of one call that wait for its client (protocol 10).
SINK_FRAMES = 64

_JSON = "application/json"
_EVENTS = "text/event-stream"


class McpEndpoint:
    """POST, GET and DELETE of one address over any view."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        dispatcher: Dispatcher,
        control: Control,
        lifetime: Lifetime,
        keep_alive: float,
        sink_bytes: int,
    ) -> None:
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._control = control
        self._lifetime = lifetime
        self._keep_alive = keep_alive
        self._sink_bytes = sink_bytes
        self._attached: dict[str, EventStream] = {}

    # --- POST ---

    async def post(
        self, request: Request, admission: Admission, *, view: View
    ) -> Answer:
        """One message: its answer, a stream that ends with it, or 202."""
        require_json(request)
        if not (accepts(request, _JSON) or accepts(request, _EVENTS)):
            return _not_acceptable(f"{_JSON}, {_EVENTS}")
        try:
            frame = decode(await request.body())
        except FrameInvalid as error:
            return invalid(error)
        version = request.header(era.VERSION_HEADER)
        if era.is_modern(frame, version):
            return _modern(frame)
        if frame.method == INITIALIZE and request.header(SESSION_HEADER) is None:
            return await self._open(request, frame, admission, view=view)
        if era.names_unknown(version):
            return rpc_error(
                400, Code.INVALID_REQUEST, "unknown MCP-Protocol-Version", asked=frame
            )
        session = self._session(request, admission, view=view)
        return await self._take(request, session, frame)

    async def _open(
        self, request: Request, frame: Frame, admission: Admission, *, view: View
    ) -> Answer:
        if not frame.is_request:
            return rpc_error(400, Code.INVALID_REQUEST, "initialize is a request")
        if self._control.draining:
            return draining()
        try:
            session = self._sessions.open(
                principal=admission.principal,
                view=view,
                transport="mcp",
                expires_at=admission.expires_at,
                entitlement=admission.entitlement,
            )
        except Overloaded as error:
            return rpc_error(
                503, Code.OVERLOADED, error.public, asked=frame, headers=RETRY_LATER
            )
        answer = await self._ask(request, session, frame)
        if not session.revision:
            self._sessions.close(session, "initialize was refused")
        return answer

    async def _take(self, request: Request, session: Session, frame: Frame) -> Answer:
        if frame.is_request:
            if self._control.draining:
                return draining()
            return await self._ask(request, session, frame)
        await self._dispatcher.dispatch(session, frame, session.outbox)
        return Response(status=202)

    async def _ask(self, request: Request, session: Session, frame: Frame) -> Answer:
        sink = Outbox(
            max_frames=SINK_FRAMES,
            max_bytes=self._sink_bytes,
            takes_questions=accepts(request, _EVENTS),
            budget=self._sessions.budget,
        )
        try:
            await self._dispatcher.dispatch(session, frame, sink)
        except SessionBusy as error:
            return rpc_error(200, Code.OVERLOADED, error.public, asked=frame)
        headers: Headers = ()
        if frame.method == INITIALIZE and session.revision:
            headers = ((SESSION_HEADER, session.session_id),)
        try:
            first = await (_first if accepts(request, _EVENTS) else _final)(sink)
        except OutboxClosed as closed:
            return _unanswered(frame, str(closed))
        if first is not None and first.response and accepts(request, _JSON):
            return Response(status=200, headers=(*JSON, *headers), body=first.data)
        return self._stream(session, sink, first, headers=headers)

    def _stream(
        self, session: Session, sink: Outbox, first: Item | None, *, headers: Headers
    ) -> Answer:
        stream = EventStream(
            sink,
            first=OPENING if first is None else event(first.data),
            left=lambda: self._lifetime.left(session),
            keep_alive=self._keep_alive,
            ended=sink.close,  # what comes later has another way, or none
            single=True,
        )
        if first is not None and first.response:
            stream.stop("answered")
        return stream.response(headers)

    # --- GET and DELETE ---

    async def listen(
        self, request: Request, admission: Admission, *, view: View
    ) -> Answer:
        """The session's own stream; a second one replaces the first."""
        if not accepts(request, _EVENTS):
            return _not_acceptable(_EVENTS)
        session = self._session(request, admission, view=view)
        if self._control.draining:
            return draining()
        before = self._attached.get(session.session_id)
        if before is not None:
            before.stop("replaced by a newer stream")
        stream = EventStream(
            session.outbox,
            first=OPENING,
            left=lambda: self._lifetime.left(session),
            keep_alive=self._keep_alive,
            ended=lambda _reason: self._detach(session, stream),
        )
        self._attached[session.session_id] = stream
        session.streaming = True
        return stream.response()

    async def end(
        self, request: Request, admission: Admission, *, view: View
    ) -> Answer:
        """The client is done with its session."""
        session = self._session(request, admission, view=view)
        self._sessions.close(session, "ended by the client")
        return Response(status=204)

    def _detach(self, session: Session, stream: EventStream) -> None:
        if self._attached.get(session.session_id) is not stream:
            return  # replaced: the newer stream goes on
        del self._attached[session.session_id]
        session.streaming = False
        session.last_used = trio.current_time()
        if session.outbox.closed:  # it overflowed: what the client missed is lost
            self._sessions.close(session, session.outbox.reason)

    def _session(
        self, request: Request, admission: Admission, *, view: View
    ) -> Session:
        """The session a request belongs to. Raises `Refused` and `TokenRefused`."""
        session_id = request.header(SESSION_HEADER)
        if session_id is None:
            raise Refused(_no_session(request))
        session = self._sessions.find(session_id, admission.principal)
        if session is None or session.transport != "mcp":
            raise Refused(unknown_session())
        if session.place != view.place:
            raise Refused(unknown_session())
        renew(session, admission, self._dispatcher)
        return session


async def _first(sink: Outbox) -> Item | None:
    """The first message, or None after a silence. Raises `OutboxClosed`."""
    ready = sink.get_nowait()
    if ready is not None:
        return ready
    with trio.move_on_after(SILENCE):
        return await sink.get()
    return None


async def _final(sink: Outbox) -> Item:
    """The response alone, for a client that takes no events; the call's own deadline
    bounds the wait. Raises `OutboxClosed`."""
    while not (item := await sink.get()).response:
        pass
    return item


def _modern(frame: Frame) -> Response:
    """A dual-era client takes either answer for a legacy server and shakes hands."""
    if frame.method == "server/discover":
        return rpc_error(
            404, Code.METHOD_NOT_FOUND, "method not found: server/discover", asked=frame
        )
    return rpc_error(
        400,
        Code.INVALID_REQUEST,
        "this revision is not served here; begin with initialize",
        asked=frame,
    )


def _unanswered(frame: Frame, reason: str) -> Response:
    """The call's way back was closed before anything came."""
    if reason == "cancelled":  # by the client itself: it expects no response
        return Response(status=200, headers=EVENT_HEADERS, body=b": cancelled\n\n")
    return rpc_error(
        200,
        Code.CONNECTION_LOST,
        f"the call may or may not have run: {reason}",
        asked=frame,
    )


def _no_session(request: Request) -> Response:
    if era.names_modern(request.header(era.VERSION_HEADER)):
        return refusal(
            405,
            "method_not_allowed",
            "this revision only posts",
            headers=(("allow", "POST"),),
        )
    return rpc_error(400, Code.INVALID_REQUEST, "Mcp-Session-Id is missing")


def _not_acceptable(offered: str) -> Response:
    return refusal(406, "not_acceptable", f"this address answers with {offered}")
