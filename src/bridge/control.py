"""What the running bridge says of itself, and the few things it can be told."""

from collections.abc import Iterable

import trio
from msgspec.structs import replace

from bridge import __version__
from bridge.actor.child import ChildState, ChildStatus
from bridge.actor.mailbox import MailboxSealed
from bridge.actor.supervisor import Supervisor
from bridge.config import slug
from bridge.config.model import UpstreamConfig
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
from bridge.observe.status import BridgeStatus, OAuthStatus, UpstreamStatus
from bridge.router.board import Board
from bridge.router.session import Sessions


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
        desk: LoginDesk | None = None,
    ) -> None:
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
        return not self.draining and not self._board.starting

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

    def forget(self, name: str) -> None:
        """The last actor of this name is gone."""
        self._addresses.pop(name, None)
        self._unheard.pop(name, None)
        self._metrics.forget(name)

    def publish(self, status: UpstreamStatus) -> None:
        """An upstream actor says what it is now."""
        self._statuses[status.name] = status
        up = status.state == UpstreamState.CONNECTED.value
        self._metrics.upstream_is(status.name, up=up, reconnections=status.restarts)

    def publish_oauth(self, status: OAuthStatus) -> None:
        """An upstream says how its login stands now."""
        self._logins[status.name] = status

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
        quarantined = {
            child.id: child
            for child in self._supervisor.status
            if child.state is ChildState.QUARANTINED
        }
        return BridgeStatus(
            version=__version__,
            ready=self.ready,
            uptime=trio.current_time() - self._since,
            sessions=len(self._sessions),
            table_version=table.version,
            tools=len(table.entries("tools")),
            prompts=len(table.entries("prompts")),
            resources=len(table.entries("resources")),
            upstreams=tuple(
                _with_quarantine(status, quarantined.get(self._child(status.name)))
                for status in self._statuses.values()
            ),
            conflicts=tuple(
                f"{c.name}: {', '.join(c.upstreams)}" for c in table.conflicts
            ),
        )

    def reconnect(self, name: str) -> bool:
        found = next((n for n in self._addresses if self._is_named(n, name)), None)
        if found is None:
            return False
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
        found = next((n for n in self._logins if wanted in (n, slug(n))), None)
        if found is None or found not in self._addresses:
            return False
        self._supervisor.revive(self._child(found))  # a quarantined one hears nothing
        try:
            self._addresses[found].mailbox.offer(message, counted=False)
        except MailboxSealed:
            self._unheard[found] = message
        return True

    def _child(self, name: str) -> str:
        address = self._addresses.get(name)
        return child_id(name, 0 if address is None else address.edition)

    def _is_named(self, name: str, wanted: str) -> bool:
        policies = self._board.rules.policies
        return any(p.name == name and wanted in (p.name, p.slug) for p in policies)

    def _tell(self, name: str, message: UpstreamMessage) -> None:
        try:
            self._addresses[name].mailbox.offer(message, counted=False)
        except MailboxSealed:
            return  # its next incarnation connects anyway


def child_id(upstream: str, edition: int = 0) -> str:
    """The supervisor's name for an upstream's actor."""
    later = f"#{edition + 1}" if edition else ""
    return f"upstream:{upstream}{later}"


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


def _with_quarantine(
    status: UpstreamStatus, child: ChildStatus | None
) -> UpstreamStatus:
    if child is None:
        return status
    return replace(
        status,
        state=UpstreamState.FAILED.value,
        phase="quarantined",
        reason="crashed more often than it may; see the log, then reconnect it",
        since=child.since,
        retry_at=child.next_attempt_at,
        last_error=child.last_error,
    )
