"""The router actor: what upstreams say becomes the published namespace.

It awaits nothing but its own mailbox and the clock, so whoever sends to it can never be
part of a cycle, and no call ever waits for it. Its state is the board's; after a
restart it asks every upstream to announce itself again and meanwhile the board serves
the last table.
"""

from math import inf
from typing import assert_never

import trio
from msgspec.structs import replace

from bridge.actor.mailbox import Mailbox
from bridge.contract.catalog import Catalog
from bridge.contract.router import (
    CatalogChanged,
    Checkpoint,
    Notified,
    Overtaken,
    Reconfigured,
    RouterMessage,
    SubscriptionsChanged,
    Succeeded,
    UpstreamDown,
    UpstreamUp,
)
from bridge.contract.upstream import (
    Announce,
    UpstreamAddress,
    UpstreamMessage,
    UpstreamState,
)
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.protocol import methods
from bridge.protocol.frame import Frame, encode, text_member
from bridge.router import notices
from bridge.router.board import Board, Presence
from bridge.router.interests import Interests
from bridge.router.namespace import NameConflict
from bridge.router.policy import EVERYTHING, View
from bridge.router.relay import log_wanted, tell
from bridge.router.session import Session, Sessions
from bridge.router.sieve import Withheld
from bridge.router.table import Conflict, RoutingTable

#: List changes within this time reach the clients as one (protocol 4.5), in s.
COALESCE = 0.25
#: A flapping upstream makes clients read lists again at most this often, in s.
REJOIN_SPACING = 30.0

#: Messages of one turn, and seconds of it: large tables take long to make.
_AT_ONCE = 64
_SHARE = 0.02


class RouterActor:
    """Owner of the board; reached only through its mailbox."""

    def __init__(
        self,
        *,
        mailbox: Mailbox[RouterMessage],
        board: Board,
        sessions: Sessions,
        log: Log,
        forward_logs: bool = False,
    ) -> None:
        self._mailbox = mailbox
        self._board = board
        self._sessions = sessions
        self._log = log
        self._forward_logs = forward_logs
        self._rules = board.rules
        self._policies = {policy.name: policy for policy in board.rules.policies}
        self._interests = Interests(board, sessions)
        self._catalogs_moved = False
        self._reported: frozenset[Conflict] = frozenset()
        self._withheld: dict[str, list[Withheld]] = {}
        self._last_rejoin: dict[str, float] = {}
        # What successors say of themselves while the edition before still serves.
        self._successors: dict[str, Presence] = {}
        # Editions whose news is past, while the edition before them still serves.
        # Known by their mailboxes: a name that comes back counts editions anew.
        self._overtaken: dict[str, list[Mailbox[UpstreamMessage]]] = {}
        # What sessions last knew, while a change waits to be told.
        self._before: dict[View, RoutingTable] = {}
        self._rejoined: set[str] = set()
        self._notify_at = inf

    async def run(self, stopping: trio.Event) -> None:
        """Serve until ``stopping`` is set: after the upstreams, when nobody sends."""
        for name, presence in self._board.presences.items():
            tell(presence.address, Announce())
            self._interests.doubt(name)  # told by the one before us
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._serve)
            await stopping.wait()
            nursery.cancel_scope.cancel()

    async def _serve(self) -> None:
        while True:
            with trio.move_on_at(self._next_time()) as waiting:
                self._handle(await self._mailbox.receive())
                self._handle_waiting()
                self._publish_changes()
                # Many changes that wait together cost one look at all sessions.
                if self._interests.moved and not self._mailbox.depth:
                    self._interests.tell()
            if waiting.cancelled_caught or trio.current_time() >= self._next_time():
                self._on_time(trio.current_time())

    def _handle_waiting(self) -> None:
        """Take what waits in one go: a turn of the loop costs what all upstreams do.

        With one message a turn the news of a good upstream would stand for long behind
        those of many bad ones.
        """
        until = trio.current_time() + _SHARE
        for _ in range(_AT_ONCE):
            if trio.current_time() >= until:
                return
            message = self._mailbox.take()
            if message is None:
                return
            self._handle(message)

    def _handle(self, message: RouterMessage) -> None:  # noqa: C901 - one line per message
        match message:
            case UpstreamUp():
                self._up(message)
            case CatalogChanged():
                self._changed(message)
            case UpstreamDown():
                self._down(message)
            case Succeeded(address=address):
                self._succeeded(address)
            case Overtaken(address=address):
                self._overtaken.setdefault(address.name, []).append(address.mailbox)
            case Checkpoint(heard=heard):
                self._publish_changes()
                heard()
            case Reconfigured():
                self._reconfigured(message)
            case Notified():
                self._notified(message)
            case SubscriptionsChanged():
                self._interests.moved = True
            case _:
                assert_never(message)

    # --- what upstreams are ---

    def _up(self, message: UpstreamUp) -> None:
        name = message.address.name
        known = self._board.presences.get(name)
        if self._is_past(message, known):
            return
        if known is not None and not known.up and known.catalog is not None:
            self._note_rejoin(name)
        if known is None or known.address.mailbox is not message.address.mailbox:
            self._interests.forget(name)  # a fresh actor has been told nothing
        self._successors.pop(name, None)
        if known is None or known.address.edition < message.address.edition:
            self._overtaken.pop(name, None)  # all of them are older than this one
        self._set(
            Presence(
                address=message.address,
                epoch=message.epoch,
                up=True,
                state=UpstreamState.CONNECTED,
                catalog=message.catalog,
            )
        )
        self._catalog_moved()

    def _is_past(
        self, message: UpstreamUp | UpstreamDown, known: Presence | None
    ) -> bool:
        """News of an older connection or edition, or of an upstream that was removed.

        A new incarnation (another mailbox) starts to count when its link opens, so a
        lower epoch from there is no older one: the one before has said its last.
        """
        if known is not None and known.address.edition > message.address.edition:
            return True
        past = self._overtaken.get(message.address.name, ())
        if any(mailbox is message.address.mailbox for mailbox in past):
            return True
        if known is not None and known.epoch > message.epoch:
            return known.address.mailbox is message.address.mailbox
        return message.address.name not in self._policies

    def _changed(self, message: CatalogChanged) -> None:
        known = self._board.presences.get(message.name)
        if known is None or known.epoch != message.epoch:
            return
        self._set(replace(known, catalog=message.catalog))
        self._catalog_moved()

    def _down(self, message: UpstreamDown) -> None:
        name = message.address.name
        known = self._board.presences.get(name)
        if self._is_past(message, known):
            return
        found = Presence(
            address=message.address,
            epoch=message.epoch,
            up=False,
            state=message.state,
            reason=message.reason,
            retry_at=message.retry_at,
        )
        if known is None:
            self._absent(found, None)
        elif known.up and known.address.edition < message.address.edition:
            self._successors[name] = found  # it waits for its turn
        else:
            self._absent(self._successors.pop(name, found), known)

    def _absent(self, found: Presence, known: Presence | None) -> None:
        """Not served now; what was listed stays listed for a while."""
        since = None if known is None else known.down_since
        self._set(
            replace(
                found,
                down_since=trio.current_time() if since is None else since,
                catalog=None if known is None else known.catalog,
            )
        )

    def _succeeded(self, address: UpstreamAddress) -> None:
        name = address.name
        known = self._board.presences.get(name)
        if known is not None and known.address.edition >= address.edition:
            return
        if name not in self._policies:
            return
        unheard = Presence(
            address=address, epoch=0, up=False, state=UpstreamState.CONNECTING
        )
        self._interests.forget(name)
        self._absent(self._successors.pop(name, unheard), known)
        tell(address, Announce())

    def _reconfigured(self, rules: Reconfigured) -> None:
        self._rules = rules
        self._policies = {policy.name: policy for policy in rules.policies}
        names = frozenset(self._policies)
        # Nobody waits for those that join now: a notice tells when they are there.
        self._board.set_starting(self._board.starting & names)
        for name in [n for n in self._board.presences if n not in names]:
            self._board.presences.pop(name)
            self._successors.pop(name, None)
            self._interests.forget(name)
        self._overtaken = {n: e for n, e in self._overtaken.items() if n in names}
        self._publish()
        self._follow_access()

    def _follow_access(self) -> None:
        """Open sessions see what the rules give to their tokens now."""
        for session in self._sessions.all():
            view = self._board.view_for(session.place, session.entitlement)
            if notices.show(session, view):
                self._interests.moved = True

    def _set(self, presence: Presence) -> None:
        name = presence.address.name
        self._board.presences[name] = presence
        if presence.state is not UpstreamState.CONNECTING:
            self._settle(name)

    def _settle(self, name: str) -> None:
        if name in self._board.starting:
            self._board.set_starting(self._board.starting - {name})

    # --- the namespace ---

    def _catalog_moved(self) -> None:
        self._catalogs_moved = True
        self._interests.moved = True  # a URI may have another owner now
        if self._rules.conflict_resolution == "error":
            self._publish()  # each by itself: only the one in conflict is kept out

    def _publish_changes(self) -> None:
        """One table for all the news that came together: it costs what it lists."""
        if self._catalogs_moved:
            self._publish()

    def _publish(self) -> None:
        self._catalogs_moved = False
        catalogs: dict[str, Catalog] = {
            name: presence.catalog
            for name, presence in self._board.presences.items()
            if presence.catalog is not None
        }
        before = {view: self._board.table(view) for view in self._views()}
        whole = self._board.whole
        try:
            self._board.publish(self._rules, catalogs)
        except NameConflict as conflict:
            self._log.emit(
                events.ROUTER_NAME_CONFLICT, name=conflict.public, policy="error"
            )
        if self._board.whole is whole:
            return
        self._report_table()
        for view, table in before.items():
            self._before.setdefault(view, table)
        self._notify_soon()

    def _views(self) -> set[View]:
        return {EVERYTHING, *(session.view for session in self._sessions.all())}

    def _report_table(self) -> None:
        table = self._board.whole
        for conflict in table.conflicts:
            if conflict not in self._reported:
                self._log.emit(
                    events.ROUTER_NAME_CONFLICT,
                    name=conflict.name,
                    upstreams=list(conflict.upstreams),
                    policy=self._rules.conflict_resolution,
                )
        self._reported = frozenset(table.conflicts)
        self._log.emit(
            events.ROUTER_TABLE_PUBLISHED,
            version=table.version,
            tools=len(table.entries("tools")),
            conflicts=len(table.conflicts),
        )
        self._report_withheld()

    def _report_withheld(self) -> None:
        found: dict[str, list[Withheld]] = {}
        for each in self._board.withheld:
            found.setdefault(each.upstream, []).append(each)
        for upstream, held in found.items():
            if self._withheld.get(upstream) != held:
                self._log.emit(
                    events.ROUTER_TOOLS_WITHHELD,
                    upstream=upstream,
                    tools=len(held),
                    example=held[0].key,
                    reason=held[0].reason,
                )
        self._withheld = found

    def _note_rejoin(self, name: str) -> None:
        now = trio.current_time()
        if now - self._last_rejoin.get(name, -inf) >= REJOIN_SPACING:
            self._last_rejoin[name] = now
            self._rejoined.add(name)
            self._notify_soon()

    def _notify_soon(self) -> None:
        if self._notify_at == inf:
            self._notify_at = trio.current_time() + COALESCE

    # --- time ---

    def _next_time(self) -> float:
        stale = (self._stale_at(p) for p in self._board.presences.values())
        return min(self._notify_at, min(stale, default=inf))

    def _stale_at(self, presence: Presence) -> float:
        if presence.down_since is None or presence.catalog is None:
            return inf
        return presence.down_since + self._stale_after(presence.address.name)

    def _stale_after(self, name: str) -> float:
        policy = self._policies.get(name)
        return 0.0 if policy is None else policy.stale_after

    def _on_time(self, now: float) -> None:
        for name, presence in tuple(self._board.presences.items()):
            if self._stale_at(presence) <= now:
                self._board.presences[name] = replace(presence, catalog=None)
                self._publish()
        if self._notify_at <= now:
            self._notify_at = inf
            self._tell_list_changes()

    def _tell_list_changes(self) -> None:
        before, self._before = self._before, {}
        rejoined, self._rejoined = self._rejoined, set()
        for session in self._sessions.all():
            if not session.active:
                continue
            now = self._board.table(session.view)
            then = before.get(session.view, now)
            back = any(
                policy.name in rejoined and session.view.admits(policy)
                for policy in self._rules.policies
            )
            _flag_changes(session, then, now, rejoined=back)

    # --- notifications of upstreams ---

    def _notified(self, message: Notified) -> None:
        presence = self._board.presences.get(message.name)
        if presence is None or presence.epoch != message.epoch:
            return
        data = encode(message.frame)
        for session in self._sessions.all():
            if session.active and self._concerns(session, message):
                session.outbox.offer(data)

    def _concerns(self, session: Session, message: Notified) -> bool:
        policy = self._policies.get(message.name)
        if policy is None or not session.view.admits(policy):
            return False
        frame = message.frame
        if frame.method != methods.ELICITATION_COMPLETE and not (
            session.view.admits_whole(policy)
        ):
            return False  # it sees single tools: what a server says at large is not its
        match frame.method:
            case methods.RESOURCES_UPDATED:
                return text_member(frame.params, "uri") in session.subscriptions
            case methods.ELICITATION_COMPLETE:
                elicitation_id = text_member(frame.params, "elicitationId")
                return session.asked_elicitation(elicitation_id or "")
            case methods.MESSAGE:
                return self._forward_logs and log_wanted(session, frame)
            case _:
                return False


def _flag_changes(
    session: Session, then: RoutingTable, now: RoutingTable, *, rejoined: bool
) -> None:
    """One notice per kind whose list differs, or that an upstream brought back."""
    for kind, method in notices.NOTICE.items():
        entries = now.entries(kind)
        if then.entries(kind) != entries or (rejoined and entries):
            session.outbox.flag(method, encode(Frame(method=method)))
