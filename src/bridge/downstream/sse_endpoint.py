"""HTTP+SSE (MCP 2024-11-05): one stream of events, and the address to post to."""

from urllib.parse import parse_qs

from bridge.contract.control import Control
from bridge.downstream.answer import refusal, rpc_error
from bridge.downstream.event_stream import EventStream, Lifetime
from bridge.downstream.guard import Admission
from bridge.downstream.message import Answer, Request, Response
from bridge.downstream.renewal import renew
from bridge.downstream.request import require_json
from bridge.errors import FrameInvalid, Overloaded
from bridge.protocol.codes import Code
from bridge.protocol.frame import decode
from bridge.protocol.sse import encode_event
from bridge.router.dispatch import Dispatcher, SessionBusy
from bridge.router.policy import View
from bridge.router.session import Session, Sessions

RETRY_SOON = (("retry-after", "1"),)
RETRY_LATER = (("retry-after", "5"),)


class SseEndpoint:
    """``GET /sse`` opens a session, ``POST /messages`` speaks in it."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        dispatcher: Dispatcher,
        control: Control,
        lifetime: Lifetime,
        keep_alive: float,
        root_path: str = "",
    ) -> None:
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._control = control
        self._lifetime = lifetime
        self._keep_alive = keep_alive
        self._root_path = root_path

    async def open(self, admission: Admission, view: View) -> Answer:
        """A new session; its stream is the session's life."""
        if self._control.draining:
            return draining()
        try:
            session = self._sessions.open(
                principal=admission.principal,
                view=view,
                transport="sse",
                expires_at=admission.expires_at,
                entitlement=admission.entitlement,
            )
        except Overloaded as error:
            return refusal(503, error.code, error.public, headers=RETRY_LATER)
        return EventStream(
            session.outbox,
            first=self._endpoint_event(session),
            left=lambda: self._lifetime.left(session),
            keep_alive=self._keep_alive,
            ended=lambda reason: self._sessions.close(session, reason),
        ).response()

    async def post(self, request: Request, admission: Admission) -> Answer:
        """One message into a session: 202, its answers come on the stream."""
        require_json(request)
        session_id = session_id_of(request)
        if session_id is None:
            return rpc_error(400, Code.INVALID_REQUEST, "session_id is missing")
        session = self._find(session_id, admission)
        if session is None:
            return unknown_session()
        body = await request.body()
        if session.closed.is_set():  # meanwhile
            return unknown_session()
        renew(session, admission, self._dispatcher)  # no wait between it and the use
        return await self._take(session, body)

    async def _take(self, session: Session, body: bytes) -> Response:
        try:
            frame = decode(body)
        except FrameInvalid as error:
            return invalid(error)
        if frame.is_request and self._control.draining:
            return draining()
        try:
            await self._dispatcher.dispatch(session, frame, session.outbox)
        except SessionBusy as error:
            return rpc_error(
                429, Code.OVERLOADED, error.public, asked=frame, headers=RETRY_SOON
            )
        return Response(status=202)

    def _find(self, session_id: str, admission: Admission) -> Session | None:
        session = self._sessions.find(session_id, admission.principal)
        if session is None or session.transport != "sse":
            return None
        # One that overflowed is over; its stream may be stuck in a write for a while.
        return None if session.outbox.closed else session

    def _endpoint_event(self, session: Session) -> bytes:
        address = f"{self._root_path}/messages?session_id={session.session_id}"
        return encode_event(address.encode(), event="endpoint")


def session_id_of(request: Request) -> str | None:
    """The one ``session_id`` of the query; older clients write ``sessionId``."""
    given = parse_qs(request.query)
    values = given.get("session_id", []) + given.get("sessionId", [])
    return values[0] if len(values) == 1 else None


def invalid(error: FrameInvalid) -> Response:
    """The answer to a body that is not one JSON-RPC message."""
    code = Code.PARSE_ERROR if error.parse else Code.INVALID_REQUEST
    return rpc_error(400, code, error.public)


def unknown_session() -> Response:
    """The same answer for one that never was, has ended, or is somebody else's."""
    return rpc_error(404, Code.INVALID_REQUEST, "there is no such session")


def draining() -> Response:
    """The bridge is stopping: nothing new is begun."""
    return refusal(503, "draining", "the bridge is stopping", headers=RETRY_LATER)
