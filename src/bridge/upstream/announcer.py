"""What one upstream tells the router and publishes for operators."""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from bridge.actor.mailbox import Mailbox, MailboxSealed
from bridge.config.model import UpstreamConfig
from bridge.contract.catalog import Catalog
from bridge.contract.router import (
    CatalogChanged,
    Notified,
    RouterMessage,
    UpstreamDown,
    UpstreamUp,
)
from bridge.contract.upstream import UpstreamAddress
from bridge.observe.status import RoundTrip, UpstreamStatus
from bridge.protocol.frame import Frame
from bridge.upstream.lifecycle import Lifecycle

_LABEL_SIZE = 100


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What changes with every call."""

    in_flight: int = 0
    queued: int = 0
    dropped: int = 0
    circuit: str = "closed"
    rests_until: float | None = None
    proved: RoundTrip | None = None


class Announcer:
    """Speaks for the upstream; holds the catalog it speaks of."""

    def __init__(
        self,
        config: UpstreamConfig,
        address: UpstreamAddress,
        lifecycle: Lifecycle,
        *,
        to_router: Mailbox[RouterMessage],
        publish: Callable[[UpstreamStatus], None],
    ) -> None:
        self.catalog = Catalog()
        self._config = config
        self._address = address
        self._lifecycle = lifecycle
        self._to_router = to_router
        self._publish = publish
        self._published = Counts()

    @property
    def name(self) -> str:
        """Of the upstream it speaks for."""
        return self._address.name

    def up(self) -> None:
        """Served from now on."""
        life = self._lifecycle
        self._tell(
            UpstreamUp(address=self._address, epoch=life.epoch, catalog=self.catalog)
        )

    def down(self) -> None:
        """Not served now, and why."""
        life = self._lifecycle
        self._tell(
            UpstreamDown(
                address=self._address,
                epoch=life.epoch,
                state=life.shown,
                reason=life.state.reason,
                retry_at=life.retry_at,
            )
        )

    def changed(self) -> None:
        """The same connection offers something else."""
        self._tell(
            CatalogChanged(
                name=self._address.name,
                epoch=self._lifecycle.epoch,
                catalog=self.catalog,
            )
        )

    def pass_on(self, frame: Frame) -> None:
        """A notification that is of no single call."""
        epoch = self._lifecycle.epoch
        self._tell(Notified(name=self._address.name, epoch=epoch, frame=frame))

    def is_stale(self, counts: Counts) -> bool:
        """The published snapshot shows other counts."""
        return counts != self._published

    def publish(self, counts: Counts) -> None:
        """Publish a snapshot."""
        self._published = counts
        self._publish(self._status(counts))

    def _tell(self, message: RouterMessage) -> None:
        # a router that has just ended asks everybody again when it is back
        with suppress(MailboxSealed):
            self._to_router.offer(message, counted=False)

    def _status(self, counts: Counts) -> UpstreamStatus:
        life, catalog = self._lifecycle, self.catalog
        return UpstreamStatus(
            name=self._address.name,
            state=life.shown.value,
            phase=life.phase.value,
            reason=life.state.reason,
            since=life.state.since,
            retry_at=counts.rests_until if life.retry_at is None else life.retry_at,
            circuit=counts.circuit,
            transport=self._config.transport or "auto",
            revision=catalog.revision,
            server=server_label(catalog),
            epoch=life.epoch,
            tools=len(catalog.tools),
            prompts=len(catalog.prompts),
            resources=len(catalog.resources),
            templates=len(catalog.templates),
            in_flight=counts.in_flight,
            queued=counts.queued,
            dropped=counts.dropped,
            last_error=life.last_error,
            last_error_at=life.last_error_at,
            proved=counts.proved,
            tags=self._config.tags,
            tls_verified=self._config.verify_ssl,
            held_back=len(catalog.held),
        )


class _ServerInfo(msgspec.Struct):
    name: str = ""
    version: str = ""


def server_label(catalog: Catalog) -> str:
    """Name and version as the upstream gave them, shortened."""
    try:
        info = msgspec.json.decode(catalog.server_info, type=_ServerInfo)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return f"{info.name} {info.version}".strip()[:_LABEL_SIZE]
