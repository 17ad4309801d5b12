"""What the bridge itself asks an upstream: its lists, all sessions' wishes, health."""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections.abc import Callable

from bridge.config.model import UpstreamConfig
from bridge.contract.catalog import Catalog
from bridge.errors import BridgeError
from bridge.observe.logging import Log
from bridge.upstream import health, state
from bridge.upstream.alarms import Alarms
from bridge.upstream.connection import Connection
from bridge.upstream.discovery import DiscoveryLimits
from bridge.upstream.lifecycle import Lifecycle, event_of
from bridge.upstream.lists import Lists
from bridge.upstream.vitals import Fetch, Spawn, Vitals
from bridge.upstream.wishes import Wishes


class Upkeep:
    """The bridge's own requests of one epoch after another."""

    def __init__(
        self,
        config: UpstreamConfig,
        lifecycle: Lifecycle,
        *,
        alarms: Alarms,
        rng: random.Random,
        log: Log,
        patience: float,
        limits: DiscoveryLimits,
        fetch: Fetch | None,
        spawn: Spawn,
        read: Callable[[Catalog], None],
        failed: Callable[[BridgeError], None],
    ) -> None:
        self.lists = Lists(
            alarms=alarms,
            rng=rng,
            log=log,
            patience=patience,
            limits=limits,
            read=read,
            failed=failed,
        )
        self.wishes = Wishes(alarms=alarms, log=log)
        self.vitals = Vitals(
            health.plan_of(config),
            config.health_check,
            alarms=alarms,
            rng=rng,
            log=log,
            fetch=fetch,
            spawn=spawn,
            lost=lambda why: lifecycle.feed(state.LinkFailed(why)),
            rejected=lambda error: lifecycle.feed(event_of(error)),
        )

    def open(self, connection: Connection) -> None:
        """The upstream is ready; its lists were read on the way there."""
        self.vitals.open(connection)
        self.wishes.open(connection)

    def rest(self, until: float) -> None:
        """Ask neither for its lists nor for its health before this time."""
        self.vitals.rest(until)
        self.lists.rest(until)

    def close(self) -> None:
        """The epoch is over."""
        for part in (self.lists, self.vitals, self.wishes):
            part.close()
