"""What the router publishes and everybody reads: tables and presences of upstreams.

The board survives a restart of the router: meanwhile it serves the last table. Only the
router writes; a reader takes an attribute and keeps what it got.
"""

import msgspec
import trio
from msgspec.structs import replace

from bridge.contract.access import Entitlement
from bridge.contract.catalog import Catalog
from bridge.contract.router import Reconfigured
from bridge.contract.upstream import UpstreamAddress, UpstreamState
from bridge.router.access import Access, access_of
from bridge.router.namespace import NameConflict
from bridge.router.policy import EVERYTHING, View
from bridge.router.sieve import Sieve, Sifted, Withheld
from bridge.router.table import Exposures, Kind, RoutingTable, build_table

#: Views that are remembered: as many as there are sessions, unless more are configured.
MAX_VIEWS = 1024
#: Tables that are kept whatever their size; more of them while all are so many entries.
FEW_TABLES = 64
ENTRIES_KEPT = 100_000

#: What makes a table: the upstreams a route leads to, and who looks.
_Sight = tuple[frozenset[str], Access]


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
        self._sieve = Sieve()
        self._sifted = Sifted({}, ())
        self._exposures = Exposures()
        self._views: dict[View, _Sight] = {}
        self._tables: dict[_Sight, RoutingTable] = {}
        self._entries = 0  # of these tables
        self._whole: RoutingTable | None = None
        self.publish(self.rules, {})

    def publish(self, rules: Reconfigured, catalogs: dict[str, Catalog]) -> bool:
        """Make these catalogs the namespace. False: nothing changed.

        Raises `NameConflict` and keeps the last good table (R121), less what the new
        rules forbid: a limit never waits for somebody to settle a name.
        """
        if self._whole and rules == self.rules and catalogs == self._catalogs:
            return False
        sifted = self._sieve.sift(rules, catalogs)
        try:
            self._take(rules, sifted)
        except NameConflict:
            self._tighten(rules)
            raise
        self._catalogs = dict(catalogs)
        return True

    def _take(self, rules: Reconfigured, sifted: Sifted) -> None:
        exposures = Exposures()
        version = self._version + 1
        table = build_table(
            rules, sifted.catalogs, version=version, exposures=exposures
        )
        self._version = version
        self._exposures = exposures
        self.rules = rules
        self._sifted = sifted
        self._whole = table
        self._views, self._tables, self._entries = {}, {}, 0

    def _tighten(self, rules: Reconfigured) -> None:
        limited = with_limits_of(self.rules, rules)
        if limited != self.rules:
            self._take(limited, Sieve().sift(limited, self._sifted.catalogs))

    @property
    def whole(self) -> RoutingTable:
        assert self._whole is not None  # since the first publication, in `__init__`
        return self._whole

    def table(self, view: View) -> RoutingTable:
        """The table of a view, built when it is first asked for.

        One for all routes that lead to the same upstreams: a client may ask for any
        tags, and each would cost a look at every tool.
        """
        if view == EVERYTHING:
            return self.whole
        sight = self._views.get(view)
        if sight is None:
            sight = self._sight(view)
            if len(self._views) >= MAX_VIEWS:
                self._views.pop(next(iter(self._views)))
            self._views[view] = sight
        return self._tables.get(sight) or self._built(view, sight)

    def _sight(self, view: View) -> _Sight:
        names = frozenset(p.name for p in self.rules.policies if view.admits(p))
        return names, view.access

    def _built(self, view: View, sight: _Sight) -> RoutingTable:
        table = build_table(
            self.rules,
            self._sifted.catalogs,
            version=self._version,
            view=view,
            exposures=self._exposures,
        )
        self._entries += table.size
        while self._is_crowded:
            oldest = self._tables.pop(next(iter(self._tables)))
            self._entries -= oldest.size
        self._tables[sight] = table
        return table

    @property
    def _is_crowded(self) -> bool:
        """One more table has no room."""
        count = len(self._tables)
        too_large = count >= FEW_TABLES and self._entries > ENTRIES_KEPT
        return too_large or count >= MAX_VIEWS

    @property
    def withheld(self) -> tuple[Withheld, ...]:
        """The tools nobody is offered, and why: for operators."""
        return self._sifted.withheld

    def knows(self, view: View) -> bool:
        """Whether any configured upstream belongs to the view."""
        return view.place == EVERYTHING or any(map(view.admits, self.rules.policies))

    def view_for(self, place: View, entitlement: Entitlement) -> View:
        """What a route shows to the holder of a token."""
        return place.seen_with(access_of(self.rules.access, entitlement))

    def why_not(self, kind: Kind, name: str) -> tuple[str, str] | None:
        """Of a name a client was told to be unknown: whose it is, and the reason."""
        for each in self.withheld if kind == "tools" else ():
            if each.name == name:
                return each.upstream, each.reason
        route = self.whole.find(kind, name)
        if route is None:
            return None
        return route.upstream, "not in what this client's token and address show"

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


def with_limits_of(rules: Reconfigured, newer: Reconfigured) -> Reconfigured:
    """The names as they were, under the limits of newer rules."""
    limits = {policy.name: policy.tool_limits for policy in newer.policies}
    return replace(
        rules,
        policies=tuple(
            replace(policy, tool_limits=limits[policy.name])
            for policy in rules.policies
            if policy.name in limits
        ),
        access=newer.access,
    )
