"""Keeps an upstream's catalog: the first reading, and again when it changes."""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections import Counter
from collections.abc import Callable
from math import inf

import trio

from bridge.contract.catalog import Catalog
from bridge.errors import BridgeError
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.upstream.alarms import Alarm, Alarms
from bridge.upstream.connection import Connection
from bridge.upstream.conversation import Conversation
from bridge.upstream.discovery import Discovered, DiscoveryLimits, Skipped, discover
from bridge.upstream.faults import asks_patience

DEBOUNCE = 0.25  # several lists change together
SPACING = 1.0  # under a flood of changes
BURST = 10  # readings so close to each other; a large list costs half a second
GAP = 10.0  # from then on
RETRY = 30.0  # after a reading that failed
_SHOWN = 80  # of a foreign name
_SPREAD = 0.2  # many upstreams behind one fault do not read again in step


class Lists:
    """One reading at a time; a change during a reading causes another one.

    ``read`` is given each catalog, ``failed`` the failure of an epoch's first reading:
    later ones keep the last good lists and are tried again.
    """

    def __init__(
        self,
        *,
        alarms: Alarms,
        rng: random.Random,
        log: Log,
        patience: float,
        limits: DiscoveryLimits,
        read: Callable[[Catalog], None],
        failed: Callable[[BridgeError], None],
    ) -> None:
        self._alarms = alarms
        self._rng = rng
        self._rests_until = -inf
        self._log = log
        self._patience = patience
        self._limits = limits
        self._read = read
        self._failed = failed
        self._connection: Connection | None = None
        self._reading = False
        self._first = True
        self._dirty = False
        self._begun_at = -inf
        self._spent_until = -inf  # each reading spends one gap of time

    def open(self, connection: Connection) -> None:
        """A new epoch has agreed: read its lists."""
        self._connection = connection
        self._first = True
        self._dirty = False
        self._begin()

    def close(self) -> None:
        """The epoch is over, and with it a reading."""
        self._connection = None
        self._reading = self._dirty = False
        self._alarms.clear(Alarm.RELIST)

    def changed(self) -> None:
        """The upstream says so, or somebody asks to look."""
        self._dirty = True
        self._schedule(DEBOUNCE)

    def rest(self, until: float) -> None:
        """Ask nothing before this time."""
        self._rests_until = until
        self._alarms.clear(Alarm.RELIST)
        if self._dirty:
            self._schedule(0.0)

    def ring(self) -> None:
        """The alarm: read now."""
        if self._dirty and not self._reading:
            self._begin()

    def _schedule(self, delay: float) -> None:
        if self._connection is None or self._reading:
            return  # a reading looks again itself when it is done
        delay *= self._rng.uniform(1, 1 + _SPREAD)
        at = max(
            trio.current_time() + delay,
            self._begun_at + SPACING,
            self._spent_until - BURST * GAP,
            self._rests_until,
        )
        self._alarms.no_later(Alarm.RELIST, at)

    def _begin(self) -> None:
        connection = self._connection
        if connection is None or connection.agreement is None:
            return
        self._reading, self._dirty = True, False
        self._begun_at = trio.current_time()
        self._spent_until = max(self._spent_until, self._begun_at) + GAP
        Conversation(
            connection,
            discover(connection.agreement, self._limits),
            patience=self._patience,
            done=self._done,
            failed=self._not_done,
        ).begin()

    def _done(self, discovered: Discovered) -> None:
        self._reading = self._first = False
        self._report(discovered.skipped)
        if discovered.cleaned:
            self._log.emit(
                events.UPSTREAM_ENTRIES_CLEANED,
                entries=len(discovered.cleaned),
                example=discovered.cleaned[0],
            )
        if discovered.irregular:
            self._log.emit(
                events.UPSTREAM_NAMES_ESCAPED,
                names=len(discovered.irregular),
                example=discovered.irregular[0][:_SHOWN],
            )
        if self._dirty:
            self._schedule(DEBOUNCE)
        self._read(discovered.catalog)

    def _not_done(self, error: BridgeError) -> None:
        self._reading = False
        if self._first:
            self._failed(error)
            return
        retry_in = max(RETRY, asks_patience(error) or 0.0)
        self._log.emit(
            events.UPSTREAM_LIST_FAILED, error=error.public, retry_in=retry_in
        )
        self._dirty = True
        self._schedule(retry_in)

    def _report(self, skipped: tuple[Skipped, ...]) -> None:
        """One line per kind and reason, however many there are."""
        counts = Counter((skip.kind, skip.reason) for skip in skipped)
        examples = {(skip.kind, skip.reason): skip.key for skip in skipped}
        for (kind, reason), entries in counts.items():
            self._log.emit(
                events.UPSTREAM_ENTRIES_SKIPPED,
                kind=kind,
                reason=reason,
                entries=entries,
                example=examples[kind, reason],
            )
