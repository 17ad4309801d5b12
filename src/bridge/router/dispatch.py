"""One client frame: answered here, or routed to its upstream.

Runs in the task of the request that brought the frame. It reads the published table,
offers the call to the upstream's mailbox and is done; the answer comes through the
call's relay. Whoever asked gets exactly one response in ``sink``, unless the session
ends or the client cancels first.
"""

from collections.abc import Callable, Iterator
from itertools import count

import msgspec
import trio
from msgspec import Raw

from bridge.actor.mailbox import MailboxFull, MailboxSealed
from bridge.actor.reply import Reply
from bridge.contract.access import Entitlement
from bridge.contract.router import RouterMessage, SubscriptionsChanged
from bridge.contract.upstream import Answer, Call, Cancel, Notify
from bridge.errors import (
    BridgeError,
    FrameInvalid,
    Overloaded,
    ProtocolError,
    UnknownName,
    UpstreamLost,
    UpstreamUnavailable,
)
from bridge.observe import catalogue as events
from bridge.protocol import methods
from bridge.protocol.codes import Code, error_body, error_frame
from bridge.protocol.frame import Frame, encode, members, text, text_member
from bridge.protocol.methods import required_text
from bridge.router import notices
from bridge.router.access import is_older
from bridge.router.board import Board, Presence
from bridge.router.failure import failure
from bridge.router.outbox import Outbox
from bridge.router.policy import View
from bridge.router.rates import Rates
from bridge.router.relay import OnCall, Relay, tell
from bridge.router.session import Inflight, Session, Sessions
from bridge.router.table import Kind
from bridge.router.target import ROUTED, owner_of, target_of
from bridge.router.welcome import initialize_result, read_initialize

#: How long a first list waits for upstreams that are still starting (protocol 9).
LIST_PATIENCE = 3.0
#: Subscriptions of one session; a bound on what a client can make the bridge hold.
MAX_SUBSCRIPTIONS = 1000

_LISTS: dict[str, Kind] = {
    methods.TOOLS_LIST: "tools",
    methods.PROMPTS_LIST: "prompts",
    methods.RESOURCES_LIST: "resources",
    methods.RESOURCES_TEMPLATES_LIST: "templates",
}
_NAMED: dict[str, Kind] = {methods.TOOLS_CALL: "tools", methods.PROMPTS_GET: "prompts"}
_EMPTY = Raw(b"{}")


class SessionBusy(Overloaded):
    """The session has as many calls in flight as it may."""

    code = "routing.session_busy"


class MethodUnknown(ProtocolError):
    """No such method (-32601)."""

    code = "protocol.method_unknown"


class BridgeStopping(Overloaded):
    """A stop has begun; nothing was executed."""

    code = "routing.bridge_stopping"


class Dispatcher:
    """Answers and routes the frames of all sessions."""

    def __init__(
        self,
        *,
        board: Board,
        sessions: Sessions,
        to_router: Callable[[RouterMessage], None],
        server_name: str,
        version: str,
        calls_per_session: int,
        page_size: int = 0,
        rate_limit: float = 0.0,
        on_call: OnCall = lambda _upstream, _outcome, _seconds: None,
    ) -> None:
        self._board = board
        self._sessions = sessions
        self._to_router = to_router
        self._server_name = server_name
        self._version = version
        self._calls_per_session = calls_per_session
        self._page_size = page_size
        self._rates = Rates(rate_limit)
        self._on_call = on_call
        self._draining = False
        self._call_ids: Iterator[int] = count(1)
        sessions.on_close = self._session_closed

    @property
    def board(self) -> Board:
        """What is published, for pages that show it."""
        return self._board

    @property
    def in_flight(self) -> int:
        """Calls that wait for their upstreams, over all sessions."""
        return sum(len(session.in_flight) for session in self._sessions.all())

    def begin_drain(self) -> None:
        """Route no new call; those in flight go on."""
        self._draining = True

    def end_calls(self, reason: str) -> None:
        """Answer every call in flight with an error: nobody can wait any longer."""
        for session in self._sessions.all():
            for inflight in tuple(session.in_flight.values()):
                name = inflight.address.name
                fault = UpstreamLost(
                    f"{reason} before {name} answered;"
                    " the request may or may not have run",
                    upstream=name,
                    written=True,
                )
                inflight.reply.resolve(fault)
                tell(inflight.address, Cancel(call_id=inflight.call_id, reason=reason))

    async def dispatch(self, session: Session, frame: Frame, sink: Outbox) -> None:
        """Take one frame of a client.

        Waits only for a list while upstreams start, at most `LIST_PATIENCE`. Raises
        `SessionBusy` when the session has too many calls in flight.
        """
        session.last_used = trio.current_time()
        if frame.is_request:
            await self._requested(session, frame, sink)
        elif frame.is_notification:
            self._notified(session, frame)
        else:
            self._answered(session, frame)

    def entitle(self, session: Session, entitlement: Entitlement) -> bool:
        """The session sees from now on what this token allows.

        False: it has seen a newer token, which allows something else; this one is
        good for nothing more here.
        """
        view = self._board.view_for(session.place, entitlement)
        if is_older(entitlement, than=session.entitlement):
            return view == session.view
        session.entitlement = entitlement
        if notices.show(session, view):
            self._to_router(SubscriptionsChanged())
        return True

    def listing(self, view: View, kind: Kind) -> tuple[dict[str, Raw], ...]:
        """What a view lists, for the listing routes."""
        return self._board.table(view).entries(kind)

    async def _requested(self, session: Session, frame: Frame, sink: Outbox) -> None:
        assert not isinstance(frame.id, msgspec.UnsetType)
        method = str(frame.method)
        try:
            result = await self._result(session, frame, sink)
        except SessionBusy:
            raise
        except MethodUnknown as error:
            refused = error_frame(frame.id, Code.METHOD_NOT_FOUND, error.public)
            sink.put(encode(refused), response=True)
        except BridgeError as error:
            session.log.emit(events.CALL_REJECTED, method=method, error=error.code)
            if isinstance(error, UnknownName):
                self._explain(session, frame)
            sink.put(encode(failure(frame.id, method, error)), response=True)
        else:
            if result is not None:
                sink.put(encode(Frame(id=frame.id, result=result)), response=True)

    async def _result(self, session: Session, frame: Frame, sink: Outbox) -> Raw | None:
        """The result of what is answered here; None when an upstream will answer."""
        method = str(frame.method)
        if method == methods.PING:
            return _EMPTY
        params = members(frame.params)
        if method == methods.INITIALIZE:
            return self._initialize(session, params)
        if not session.revision:
            raise ProtocolError("initialize first: nothing else is answered before it")
        kind = _LISTS.get(method)
        if kind is not None:
            await self._board.settled(session.view, within=LIST_PATIENCE)
            return self._list(session, kind, params)
        if method in ROUTED:
            self._route(session, frame, params, sink)
            return None
        return self._local(session, method, params)

    def _local(self, session: Session, method: str, params: dict[str, Raw]) -> Raw:
        before = (session.log_level, len(session.subscriptions))
        match method:
            case methods.LOGGING_SET_LEVEL:
                self._set_level(session, required_text(params, "level"))
            case methods.RESOURCES_SUBSCRIBE:
                self._subscribe(session, required_text(params, "uri"))
            case methods.RESOURCES_UNSUBSCRIBE:
                session.subscriptions.discard(required_text(params, "uri"))
            case _:
                raise MethodUnknown(f"method not found: {method[:100]}")
        if before != (session.log_level, len(session.subscriptions)):
            self._to_router(SubscriptionsChanged())
        return _EMPTY

    def _initialize(self, session: Session, params: dict[str, Raw]) -> Raw:
        if session.revision:
            raise ProtocolError("this session is initialized already")
        hello = read_initialize(params)
        session.revision = hello.revision
        session.client = hello.client
        session.capabilities = hello.capabilities
        session.elicitation_modes = hello.elicitation_modes
        return initialize_result(hello, name=self._server_name, version=self._version)

    def _list(self, session: Session, kind: Kind, params: dict[str, Raw]) -> Raw:
        table = self._board.table(session.view)
        cursor = text(params.get("cursor"))
        if not self._page_size:
            if cursor is not None:
                raise FrameInvalid("unknown cursor; read the list from its beginning")
            return table.list_result(kind)
        return table.page(kind, cursor, size=self._page_size)

    def _set_level(self, session: Session, level: str) -> None:
        if level not in methods.LOG_LEVELS:
            raise FrameInvalid(
                f"params.level must be one of {', '.join(methods.LOG_LEVELS)}"
            )
        session.log_level = level

    def _subscribe(self, session: Session, uri: str) -> None:
        table = self._board.table(session.view)
        if owner_of(table, session.learned_owner, uri) is None:
            raise UnknownName(f"no resource {uri[:200]!r}")
        if len(session.subscriptions) >= MAX_SUBSCRIPTIONS:
            raise Overloaded("too many subscriptions in this session")
        session.subscriptions.add(uri)

    # --- the call path ---

    def _route(
        self, session: Session, frame: Frame, params: dict[str, Raw], sink: Outbox
    ) -> None:
        assert not isinstance(frame.id, msgspec.UnsetType)
        if frame.id in session.in_flight:
            raise ProtocolError("this id is in flight already; ids are used once")
        if len(session.in_flight) >= self._calls_per_session:
            raise SessionBusy("too many calls in flight in this session; wait for some")
        if self._draining:
            raise BridgeStopping("the bridge is stopping; the call was not executed")
        self._rates.check(session.principal, trio.current_time())
        target = target_of(
            self._board.table(session.view),
            session.learned_owner,
            str(frame.method),
            params=params,
        )
        presence = self._presence(target.route.upstream)
        call_id = next(self._call_ids)
        relay = Relay(
            session=session,
            sink=sink,
            client_id=frame.id,
            call_id=call_id,
            method=str(frame.method),
            name=target.shown,
            upstream=target.route.upstream,
            repeatable=target.route.repeatable,
            progress_token=target.params.progress_token,
            bytes_in=len(bytes(target.params.params)),
            on_call=self._on_call,
        )
        reply = Reply(relay)
        call = Call(
            call_id=call_id,
            frame=Frame(method=frame.method, params=target.params.params),
            reply=reply,
            principal=session.principal,
            session_id=session.session_id,
            received_at=trio.current_time(),
            wants_progress=target.params.progress_token is not None,
            repeatable=target.route.repeatable,
        )
        self._offer(presence, call)
        session.in_flight[frame.id] = Inflight(call_id, presence.address, reply, sink)

    def _offer(self, presence: Presence, call: Call) -> None:
        name = presence.address.name
        try:
            presence.address.mailbox.offer(call)
        except MailboxFull:
            raise Overloaded(
                f"upstream {name!r} has too many calls waiting; try again shortly",
                upstream=name,
            ) from None
        except MailboxSealed:
            raise UpstreamUnavailable(
                f"upstream {name!r} is restarting; the call was not executed",
                upstream=name,
                state=presence.state.value,
            ) from None

    def _presence(self, name: str) -> Presence:
        presence = self._board.presences.get(name)
        if presence is None:
            raise UpstreamUnavailable(
                f"upstream {name!r} is not there any more; the call was not executed",
                upstream=name,
                state="disconnected",
            )
        return presence

    def _explain(self, session: Session, frame: Frame) -> None:
        """Tell the operator, and only him, of a name that is there for others."""
        kind = _NAMED.get(str(frame.method))
        name = text_member(frame.params, "name")
        if kind is None or name is None:
            return
        found = self._board.why_not(kind, name)
        if found is not None:
            upstream, reason = found
            session.log.emit(
                events.CALL_WITHHELD, upstream=upstream, name=name, reason=reason
            )

    # --- notifications and answers of the client ---

    def _notified(self, session: Session, frame: Frame) -> None:
        match frame.method:
            case methods.INITIALIZED:
                session.initialized = bool(session.revision)
            case methods.CANCELLED:
                self._cancelled(session, frame)
            case methods.ROOTS_LIST_CHANGED:
                self._roots_changed(session)
            case _:
                return  # progress of an answer and unknown ones change nothing here

    def _cancelled(self, session: Session, frame: Frame) -> None:
        try:
            given = members(frame.params)
            request_id = msgspec.json.decode(given["requestId"], type=int | str)
            reason = text(given.get("reason")) or "cancelled by the client"
        except (FrameInvalid, KeyError, msgspec.DecodeError):
            return  # names nothing, so there is nothing to cancel
        inflight = session.in_flight.pop(request_id, None)
        if inflight is None:
            return
        self._give_up(session, inflight, reason[:200])
        if inflight.sink is not session.outbox:
            inflight.sink.close("cancelled")

    def _give_up(self, session: Session, inflight: Inflight, reason: str) -> None:
        inflight.reply.abandon()
        for key in [
            k for k, v in session.asked.items() if v.call_id == inflight.call_id
        ]:
            del session.asked[key]
        tell(inflight.address, Cancel(call_id=inflight.call_id, reason=reason))

    def _roots_changed(self, session: Session) -> None:
        note = Notify(frame=Frame(method=methods.ROOTS_LIST_CHANGED))
        for policy in self._board.rules.policies:
            presence = self._board.presences.get(policy.name)
            if presence is not None and presence.up and session.view.admits(policy):
                tell(presence.address, note)

    def _answered(self, session: Session, frame: Frame) -> None:
        asked = session.asked.pop(str(frame.id), None)
        if asked is None:
            return  # a stray answer has no effect on anybody (B10)
        result = frame.result if isinstance(frame.result, Raw) else None
        error = frame.error if isinstance(frame.error, Raw) else None
        tell(
            asked.address,
            Answer(
                epoch=asked.epoch,
                upstream_id=asked.upstream_id,
                result=result,
                error=error,
            ),
        )

    def _session_closed(self, session: Session) -> None:
        for inflight in tuple(session.in_flight.values()):
            self._give_up(session, inflight, "the client has left")
            inflight.sink.close("session closed")
        session.in_flight.clear()
        gone = error_body(Code.INTERNAL_ERROR, "the client has left")
        for asked in session.asked.values():
            tell(
                asked.address,
                Answer(epoch=asked.epoch, upstream_id=asked.upstream_id, error=gone),
            )
        session.asked.clear()
        if session.subscriptions or session.log_level is not None:
            self._to_router(SubscriptionsChanged())
