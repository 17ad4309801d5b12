"""What the router publishes and everybody reads: tables and presences of upstreams.

The board survives a restart of the router: meanwhile it serves the last table. Only the
router writes; a reader takes an attribute and keeps what it got.
"""

import msgspec
import trio

from bridge.contract.catalog import Catalog
from bridge.contract.router import Reconfigured
from bridge.contract.upstream import UpstreamAddress, UpstreamState
from bridge.router.policy import EVERYTHING, View
from bridge.router.table import RoutingTable, build_table

#: Views asked for lately; one route per server and a few tags is the usual use.
MAX_VIEWS = 64


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """What the router last heard of an upstream."""

    address: UpstreamAddress
    epoch: int
    up: bool
    state: UpstreamState
    reason: str = ""
    retry_at: float | None = None
    down_since: float | None = None
    catalog: Catalog | None = None  # what is listed: stays through a short absence


class Board:
    """Published state. Attributes are replaced, never changed in place."""

    def __init__(self) -> None:
        self.rules = Reconfigured(policies=())
        self.presences: dict[str, Presence] = {}
        self.starting: frozenset[str] = frozenset()
        self._settled = trio.Event()
        self._version = 0
        self._catalogs: dict[str, Catalog] = {}
        self._views: dict[View, RoutingTable] = {}
        self.publish(self.rules, {})

    def publish(self, rules: Reconfigured, catalogs: dict[str, Catalog]) -> bool:
        """Make these catalogs the namespace. False: nothing changed.

        Raises `NameConflict` and keeps the last good table (R121).
        """
        if self._views and rules == self.rules and catalogs == self._catalogs:
            return False
        table = build_table(rules, catalogs, version=self._version + 1)
        self._version += 1
        self.rules = rules
        self._catalogs = dict(catalogs)
        self._views = {EVERYTHING: table}
        return True

    @property
    def whole(self) -> RoutingTable:
        return self._views[EVERYTHING]

    def table(self, view: View) -> RoutingTable:
        """The table of a view, built when it is first asked for."""
        table = self._views.get(view)
        if table is None:
            table = build_table(
                self.rules, self._catalogs, version=self._version, admits=view.admits
            )
            while len(self._views) >= MAX_VIEWS:
                self._views.pop(next(v for v in self._views if v != EVERYTHING))
            self._views[view] = table
        return table

    def knows(self, view: View) -> bool:
        """Whether any configured upstream belongs to the view."""
        return view == EVERYTHING or any(map(view.admits, self.rules.policies))

    def set_starting(self, names: frozenset[str]) -> None:
        """Which upstreams have not yet been up or failed once."""
        self.starting = names
        self._settled.set()
        self._settled = trio.Event()

    async def settled(self, view: View, *, within: float) -> None:
        """Wait until no upstream of the view is starting, at most ``within`` s."""
        with trio.move_on_after(within):
            while any(
                policy.name in self.starting and view.admits(policy)
                for policy in self.rules.policies
            ):
                await self._settled.wait()
