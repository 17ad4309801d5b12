"""What the running bridge says of itself, and the few things it can be told."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import trio
from msgspec.structs import replace

from bridge import __version__, overview, supervision
from bridge.actor.child import ChildStatus
from bridge.actor.mailbox import Mailbox, MailboxSealed
from bridge.actor.supervisor import Supervisor
from bridge.config import named
from bridge.config.model import LeftOut, UpstreamConfig
from bridge.contract.login import LoginDesk
from bridge.contract.upstream import (
    Forget,
    Poke,
    Reauthorize,
    Rescan,
    UpstreamAddress,
    UpstreamMessage,
    UpstreamState,
)
from bridge.observe.metrics import Metrics
from bridge.observe.status import BridgeStatus, KeysStatus, OAuthStatus, UpstreamStatus
from bridge.observe.tree import Node, Queue
from bridge.ports import WallClock
from bridge.router.board import Board
from bridge.router.session import Sessions

#: Ready whatever the upstreams do (R138): one that says nothing at all is waited for no
#: longer than this, well below what probes of readiness usually allow.
READY_WITHIN = 10.0


class Insight(msgspec.Struct, frozen=True, kw_only=True):
    """What the status shows beside the upstreams, asked whenever it is shown.

    ``keys``: the issuer's key set, None where nobody needs a token. ``mailboxes`` and
    ``facts`` are by the name of the part they belong to.
    """

    clock: WallClock
    keys: Callable[[], KeysStatus | None] = lambda: None
    mailboxes: Mapping[str, Mailbox[Any]] = {}
    facts: Callable[[], Mapping[str, supervision.Facts]] = dict


class LiveControl:
    """Implements `bridge.contract.control.Control` over the parts of one bridge."""

    def __init__(
        self,
        *,
        board: Board,
        sessions: Sessions,
        supervisor: Supervisor,
        metrics: Metrics,
        upstreams: Iterable[UpstreamConfig],
        insight: Insight,
        desk: LoginDesk | None = None,
    ) -> None:
        self._insight = insight
        #: Servers of the file nothing can be made of; replaced at a reload.
        self.left_out: tuple[LeftOut, ...] = ()
        #: By upstream: the epoch it is connected in, and how often it was before.
        self._connected: dict[str, tuple[int, int]] = {}
        self._board = board
        self._sessions = sessions
        self._supervisor = supervisor
        self._metrics = metrics
        self._since = trio.current_time()
        self._addresses: dict[str, UpstreamAddress] = {}
        self._statuses: dict[str, UpstreamStatus] = {}
        self._logins: dict[str, OAuthStatus] = {}
        self.configure(upstreams)
        self._desk = desk
        #: Said between two incarnations: the next one is told.
        self._unheard: dict[str, Reauthorize | Forget] = {}
        self.draining = False

    @property
    def ready(self) -> bool:
        return (
            not self.draining
            and self._started
            and overview.can_admit(self._insight.keys())
        )

    @property
    def _started(self) -> bool:
        """Each upstream has been up or failed once, or had its time for it."""
        late = trio.current_time() - self._since >= READY_WITHIN
        return late or not self._board.starting

    def configure(self, upstreams: Iterable[UpstreamConfig]) -> None:
        """These are the upstreams; what is known of those that stay is kept."""
        configured = {each.name: each for each in upstreams}
        known, self._statuses = self._statuses, {}
        for name, each in configured.items():
            status = known.get(name)
            turned = status is not None and each.enabled != _is_enabled(status)
            keep = status is not None and not turned
            self._statuses[name] = status if status and keep else _initial(each)
        logins, self._logins = self._logins, {}
        for name, each in configured.items():
            if each.enabled and each.oauth.enabled:
                absent = OAuthStatus(name=name, state="absent")
                self._logins[name] = logins.get(name, absent)
            if each.enabled:
                self._measure(name)  # also one that never gets to say anything

    def forget(self, name: str) -> None:
        """The last actor of this name is gone."""
        self._addresses.pop(name, None)
        self._connected.pop(name, None)
        self._unheard.pop(name, None)
        self._metrics.forget(name)

    def publish(self, status: UpstreamStatus) -> None:
        """An upstream actor says what it is now."""
        if status.state == UpstreamState.CONNECTED.value:
            self._count_connection(status)
        restarts = self._restarts(status.name)
        self._statuses[status.name] = replace(status, restarts=restarts)
        self._measure(status.name)

    def publish_oauth(self, status: OAuthStatus) -> None:
        """An upstream says how its login stands now."""
        self._logins[status.name] = status
        if status.name in self._statuses:
            self._measure(status.name)

    def announce(self, address: UpstreamAddress) -> None:
        """A new incarnation of an upstream is reached here."""
        self._addresses[address.name] = address
        if (message := self._unheard.pop(address.name, None)) is not None:
            address.mailbox.offer(message, counted=False)

    def address_of(self, name: str) -> UpstreamAddress | None:
        """Where an upstream is reached; None: there is no such upstream."""
        return self._addresses.get(name)

    def status(self) -> BridgeStatus:
        table = self._board.whole
        upstreams = self._upstreams()
        keys = self._insight.keys()
        troubles = overview.troubles_of(upstreams, keys)
        return BridgeStatus(
            version=__version__,
            ready=self.ready,
            state=overview.word_for(
                draining=self.draining,
                started=self._started,
                admitting=overview.can_admit(keys),
                troubles=troubles,
            ),
            troubles=troubles,
            states=overview.counted(upstreams),
            keys=keys,
            uptime=trio.current_time() - self._since,
            sessions=len(self._sessions),
            table_version=table.version,
            tools=len(table.entries("tools")),
            prompts=len(table.entries("prompts")),
            resources=len(table.entries("resources")),
            upstreams=upstreams,
            conflicts=tuple(
                f"{c.name}: {', '.join(c.upstreams)}" for c in table.conflicts
            ),
        )

    @property
    def mailboxes(self) -> dict[str, Mailbox[UpstreamMessage]]:
        """Of every upstream that can be reached now, by name."""
        return {name: address.mailbox for name, address in self._addresses.items()}

    def tree(self) -> Node:
        boxes = self.mailboxes
        return supervision.tree(
            supervision.Sources(
                status=self.status(),
                now=trio.current_time(),
                wall=self._insight.clock.now(),
                children=self._supervisor.status,
                child_of={name: self._child(name) for name in self._statuses},
                logins=self._logins,
                mailboxes={
                    name: Queue(depth=box.depth, bound=box.bound)
                    for name, box in {**self._insight.mailboxes, **boxes}.items()
                },
                facts=self._insight.facts(),
            )
        )

    def reconnect(self, name: str) -> bool:
        found = named(name, self._statuses)
        if found is None or not _is_enabled(self._statuses[found]):
            return False
        if found not in self._addresses:
            return True  # its actor is about to begin, and connects
        if not self._supervisor.revive(self._child(found)):
            self._tell(found, Poke(reason="asked by an operator", reconnect=True))
        return True

    def rescan(self) -> int:
        connected = [n for n, p in self._board.presences.items() if p.up]
        for name in connected:
            self._tell(name, Rescan())
        return len(connected)

    def oauth(self) -> tuple[OAuthStatus, ...]:
        return tuple(self._logins.values())

    def login(self, name: str, *, force: bool) -> bool:
        message = Reauthorize(reason="asked by an operator", force=force)
        return self._tell_login(name, message)

    def logout(self, name: str) -> bool:
        return self._tell_login(name, Forget(reason="asked by an operator"))

    async def paste(self, query: str) -> bool | None:
        return None if self._desk is None else await self._desk.deliver(query)

    def _tell_login(self, wanted: str, message: Reauthorize | Forget) -> bool:
        found = named(wanted, self._logins)
        if found is None:
            return False
        if found not in self._addresses:
            self._unheard[found] = message  # its actor is about to begin
            return True
        self._supervisor.revive(self._child(found))  # a quarantined one hears nothing
        try:
            self._addresses[found].mailbox.offer(message, counted=False)
        except MailboxSealed:
            self._unheard[found] = message
        return True

    def _upstreams(self) -> tuple[UpstreamStatus, ...]:
        """Every configured upstream as it is, and those that were left out."""
        children = {child.id: child for child in self._supervisor.status}
        now = trio.current_time()
        known = (
            self._truth(name, children.get(self._child(name)))
            for name in self._statuses
        )
        reasons = {each.name: each.reason for each in self.left_out}
        return (*known, *overview.invalid(reasons, now=now))

    def _truth(self, name: str, child: ChildStatus | None) -> UpstreamStatus:
        return overview.truth(
            self._statuses[name],
            child=child,
            login=self._logins.get(name),
            now=trio.current_time(),
            wall=self._insight.clock.now(),
        )

    def _measure(self, name: str) -> None:
        truth = self._truth(name, None)
        up = truth.state == UpstreamState.CONNECTED.value
        self._metrics.upstream_is(name, up=up, reconnections=truth.restarts)

    def _count_connection(self, status: UpstreamStatus) -> None:
        """How often it was connected again, whatever lay between (even a crash)."""
        epoch, times = self._connected.get(status.name, (0, -1))
        if status.epoch != epoch or times < 0:
            self._connected[status.name] = (status.epoch, times + 1)

    def _restarts(self, name: str) -> int:
        return max(self._connected.get(name, (0, 0))[1], 0)

    def _child(self, name: str) -> str:
        address = self._addresses.get(name)
        return child_id(name, 0 if address is None else address.edition)

    def _tell(self, name: str, message: UpstreamMessage) -> None:
        try:
            self._addresses[name].mailbox.offer(message, counted=False)
        except MailboxSealed:
            return  # its next incarnation connects anyway


def child_id(upstream: str, edition: int = 0) -> str:
    """The supervisor's name for an upstream's actor."""
    later = f"#{edition + 1}" if edition else ""
    return f"{supervision.UPSTREAM}{upstream}{later}"


def _is_enabled(status: UpstreamStatus) -> bool:
    return status.state != UpstreamState.DISABLED.value


def _initial(config: UpstreamConfig) -> UpstreamStatus:
    state = UpstreamState.CONNECTING if config.enabled else UpstreamState.DISABLED
    return UpstreamStatus(
        name=config.name,
        state=state.value,
        since=trio.current_time(),
        transport=config.transport or ("stdio" if config.command else "auto"),
        tags=config.tags,
        tls_verified=config.verify_ssl,
    )
