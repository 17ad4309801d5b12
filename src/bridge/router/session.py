"""One downstream client's conversation, and the set of all of them.

``OPENING -> ACTIVE -> CLOSED``: a session is OPENING until the client's handshake, and
server-initiated traffic waits for ``notifications/initialized``.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

import msgspec
import trio

from bridge.contract.access import NO_TOKEN, Entitlement
from bridge.contract.principal import Principal
from bridge.contract.upstream import CallReply, UpstreamAddress
from bridge.errors import Overloaded
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.router.outbox import Budget, Outbox, nobody
from bridge.router.policy import View

SessionTransport = Literal["sse", "mcp"]

#: Octets of randomness in a session id: possession is no authority, guessing no use.
ID_OCTETS = 16
#: Owners learned from results of one session; a client follows recent links.
MAX_LEARNED = 1000

MAX_ELICITATIONS = 64


class Inflight(msgspec.Struct, frozen=True):
    """A call of this session that waits for its upstream."""

    call_id: int
    address: UpstreamAddress
    reply: CallReply
    sink: Outbox


class Asked(msgspec.Struct, frozen=True):
    """A question of an upstream that waits for this session's client."""

    address: UpstreamAddress
    epoch: int
    upstream_id: int | str
    call_id: int


class Session:
    """State of one conversation; owned by the tasks of its requests."""

    def __init__(
        self,
        *,
        session_id: str,
        principal: Principal,
        view: View,
        entitlement: Entitlement,
        transport: SessionTransport,
        outbox: Outbox,
        expires_at: float | None,
        log: Log,
    ) -> None:
        self.session_id = session_id
        self.principal = principal
        self.place = view.place  # its route, for good
        self.view = view  # what its newest token leaves of that
        self.entitlement = entitlement
        self.transport = transport
        self.outbox = outbox
        self.expires_at = expires_at
        self.log = log
        self.opened_at = trio.current_time()
        self.last_used = self.opened_at
        self.closed = trio.Event()
        self.close_reason = ""
        self.revision = ""
        self.client = ""
        self.capabilities: frozenset[str] = frozenset()
        self.elicitation_modes: frozenset[str] = frozenset()
        self.initialized = False
        self.streaming = transport == "sse"
        self.log_level: str | None = None
        self.subscriptions: set[str] = set()
        self.in_flight: dict[int | str, Inflight] = {}
        self.asked: dict[str, Asked] = {}
        self._learned: OrderedDict[str, str] = OrderedDict()
        self._elicitations: OrderedDict[str, None] = OrderedDict()
        self._questions = 0

    @property
    def active(self) -> bool:
        """The client's handshake is done: it may be spoken to."""
        return self.initialized and not self.closed.is_set()

    def extend(self, expires_at: float | None) -> None:
        """A token of the same principal was seen: the newest one counts."""
        self.last_used = trio.current_time()
        if expires_at is not None and self.expires_at is not None:
            self.expires_at = max(self.expires_at, expires_at)

    def next_question_id(self) -> str:
        self._questions += 1
        return f"b-{self._questions}"

    def learn_owner(self, uri: str, upstream: str) -> None:
        """A result of ``upstream`` referred to this resource."""
        self._learned[uri] = upstream
        self._learned.move_to_end(uri)
        if len(self._learned) > MAX_LEARNED:
            self._learned.popitem(last=False)

    def remember_elicitation(self, elicitation_id: str) -> None:
        """A URL elicitation was asked here: its completion belongs here, too."""
        self._elicitations[elicitation_id] = None
        if len(self._elicitations) > MAX_ELICITATIONS:
            self._elicitations.popitem(last=False)

    def asked_elicitation(self, elicitation_id: str) -> bool:
        return elicitation_id in self._elicitations

    def learned_owner(self, uri: str) -> str | None:
        return self._learned.get(uri)


class Sessions:
    """All open sessions, bounded in total and per principal."""

    def __init__(
        self,
        *,
        new_id: Callable[[int], str],
        limit: int,
        limit_per_principal: int,
        outbox_frames: int,
        outbox_bytes: int,
        outboxes_bytes: int = 2**30,
        log: Log,
    ) -> None:
        #: Of everything that waits for any client.
        self.budget = Budget(outboxes_bytes)
        self._new_id = new_id
        self._limit = limit
        self._limit_per_principal = limit_per_principal
        self._outbox_frames = outbox_frames
        self._outbox_bytes = outbox_bytes
        self._log = log
        self._by_id: dict[str, Session] = {}
        self._count: dict[Principal, int] = {}
        #: Called with each session as it closes; set by the dispatcher.
        self.on_close: Callable[[Session], None] = lambda _session: None

    def __len__(self) -> int:
        return len(self._by_id)

    def open(
        self,
        *,
        principal: Principal,
        view: View,
        transport: SessionTransport,
        expires_at: float | None,
        entitlement: Entitlement = NO_TOKEN,
    ) -> Session:
        """A new session. Raises `Overloaded` at either limit."""
        self._check_limits(principal)
        session_id = self._new_id(ID_OCTETS)
        log = self._log.bind(session=session_id[:8])
        session = Session(
            session_id=session_id,
            principal=principal,
            view=view,
            entitlement=entitlement,
            transport=transport,
            outbox=Outbox(
                max_frames=self._outbox_frames,
                max_bytes=self._outbox_bytes,
                budget=self.budget,
            ),
            expires_at=expires_at,
            log=log,
        )
        if transport == "sse":  # there, the stream is the session
            session.outbox.on_give_up = partial(self.close, session, "overflow")
        self._by_id[session_id] = session
        self._count[principal] = self._count.get(principal, 0) + 1
        log.emit(events.SESSION_OPENED, subject=str(principal), route=transport)
        return session

    def find(self, session_id: str, principal: Principal) -> Session | None:
        """The session, if it is this principal's; another's does not exist for you."""
        session = self._by_id.get(session_id)
        if session is None or session.principal != principal:
            return None
        return session

    def close(self, session: Session, reason: str) -> None:
        """End a session, once: its calls are cancelled, its streams end."""
        if session.closed.is_set():
            return
        del self._by_id[session.session_id]
        self._uncount(session.principal)
        session.close_reason = reason
        session.outbox.on_give_up = nobody  # nor keeps anything of it alive
        session.closed.set()
        self.on_close(session)
        overflowed = session.outbox.reason == "overflow"
        if overflowed:
            session.log.emit(events.SESSION_OVERFLOWED, queued=session.outbox.dropped)
        session.outbox.close(reason)
        session.log.emit(
            events.SESSION_CLOSED,
            reason="overflow" if overflowed else reason,
            revision=session.revision,
            seconds=round(trio.current_time() - session.opened_at, 3),
        )

    def all(self) -> Iterable[Session]:
        """A snapshot of the open sessions."""
        return tuple(self._by_id.values())

    def _check_limits(self, principal: Principal) -> None:
        if len(self._by_id) >= self._limit:
            raise Overloaded("the bridge has no room for another session; try later")
        if self._count.get(principal, 0) >= self._limit_per_principal:
            raise Overloaded(
                "too many open sessions for this client; close some of them"
            )

    def _uncount(self, principal: Principal) -> None:
        left = self._count[principal] - 1
        if left:
            self._count[principal] = left
        else:
            del self._count[principal]
