"""The routing table: a frozen picture of everything the upstreams offer. Pure.

Built anew whenever something changes; readers keep whichever table they have. A view
(a route for one server or tag) has a table of its own, so that a resource two
upstreams offer is reached on each upstream's own route.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, assert_never

import msgspec
from msgspec import Raw

from bridge.contract.catalog import Catalog, Entry
from bridge.contract.router import Reconfigured, UpstreamPolicy
from bridge.errors import FrameInvalid
from bridge.protocol.frame import raw, text
from bridge.router.effects import tool_is_repeatable
from bridge.router.namespace import exposed_name, winner
from bridge.router.policy import EVERYTHING, View
from bridge.router.template import UriTemplate

Kind = Literal["tools", "prompts", "resources", "templates"]
KINDS: tuple[Kind, ...] = ("tools", "prompts", "resources", "templates")
#: The member of a list result that holds the entries of a kind.
RESULT_MEMBER: dict[Kind, str] = {
    "tools": "tools",
    "prompts": "prompts",
    "resources": "resources",
    "templates": "resourceTemplates",
}


#: Longer ones come from nobody's list, and every template would search through them.
LONGEST_URI = 8192


class Route(msgspec.Struct, frozen=True):
    """Who owns an exposed name, and what it is called there.

    ``repeatable``: it may be called twice without harm.
    """

    upstream: str
    key: str
    repeatable: bool = True


class Conflict(msgspec.Struct, frozen=True):
    """One exposed name that several upstreams offer; the first of them owns it."""

    kind: Kind
    name: str
    upstreams: tuple[str, ...]


class _Offer(msgspec.Struct, frozen=True):
    policy: UpstreamPolicy
    entry: Entry
    members: dict[str, Raw]
    held: bool = False


class RoutingTable:
    """Immutable after construction."""

    def __init__(
        self,
        *,
        routes: Mapping[Kind, Mapping[str, Route]],
        listings: Mapping[Kind, tuple[dict[str, Raw], ...]],
        conflicts: tuple[Conflict, ...],
        closed: frozenset[str],
        version: int,
    ) -> None:
        self._routes = routes
        self._listings = listings
        self.conflicts = conflicts
        self._closed = closed
        self.version = version
        self._templates = [
            (UriTemplate(template), route)
            for template, route in routes["templates"].items()
        ]
        self._results: dict[Kind, Raw] = {}

    @property
    def size(self) -> int:
        """How many names it holds."""
        return sum(map(len, self._routes.values()))

    def find(self, kind: Kind, name: str) -> Route | None:
        """The owner of an exposed tool or prompt name, URI, or URI template."""
        return self._routes[kind].get(name)

    def owner_of_uri(self, uri: str) -> Route | None:
        """The owner of a resource: listed exactly, else by the first template."""
        route = self._routes["resources"].get(uri)
        if route is not None:
            return route
        if len(uri) > LONGEST_URI:
            return None
        for template, owner in self._templates:
            if template.matches(uri):
                return Route(owner.upstream, uri)
        return None

    def may_read_from(self, upstream: str) -> bool:
        """Whether resources of an upstream may be read that no list names."""
        return upstream not in self._closed

    def entries(self, kind: Kind) -> tuple[dict[str, Raw], ...]:
        """What is listed, in configuration order, under exposed names."""
        return self._listings[kind]

    def list_result(self, kind: Kind) -> Raw:
        """The whole list as a result body, encoded once per table."""
        result = self._results.get(kind)
        if result is None:
            result = raw({RESULT_MEMBER[kind]: self._listings[kind]})
            self._results[kind] = result
        return result

    def page(self, kind: Kind, cursor: str | None, *, size: int) -> Raw:
        """One page; the cursor is ``<version>.<offset>``.

        Raises `FrameInvalid` for a cursor of another table: the list has changed.
        """
        offset = 0 if cursor is None else self._offset(cursor)
        entries = self._listings[kind]
        body: dict[str, object] = {RESULT_MEMBER[kind]: entries[offset : offset + size]}
        if offset + size < len(entries):
            body["nextCursor"] = f"{self.version}.{offset + size}"
        return raw(body)

    def _offset(self, cursor: str) -> int:
        version, _, offset = cursor.partition(".")
        if version != str(self.version) or not offset.isascii() or not offset.isdigit():
            raise FrameInvalid("unknown cursor; read the list from its beginning")
        return int(offset[:9])


def build_table(
    rules: Reconfigured,
    catalogs: Mapping[str, Catalog],
    *,
    version: int,
    view: View = EVERYTHING,
    exposures: "Exposures | None" = None,
) -> RoutingTable:
    """The table of a view. Raises `NameConflict` (policy ``error``).

    ``exposures`` are of these rules and catalogs, shared by the tables of all views.
    """
    exposures = exposures or Exposures()
    routes: dict[Kind, dict[str, Route]] = {}
    listings: dict[Kind, tuple[dict[str, Raw], ...]] = {}
    conflicts: list[Conflict] = []
    for kind in KINDS:
        offers = _offers(rules, catalogs, kind, view, exposures=exposures)
        chosen = {
            name: _chosen(rules, kind, name, contenders=contenders, conflicts=conflicts)
            for name, contenders in offers.items()
        }
        routes[kind] = {
            name: Route(offer.policy.name, offer.entry.key, _repeatable(kind, offer))
            for name, offer in chosen.items()
        }
        listings[kind] = tuple(o.members for o in chosen.values() if not o.held)
    return RoutingTable(
        routes=routes,
        listings=listings,
        conflicts=tuple(conflicts),
        closed=frozenset(p.name for p in rules.policies if not view.admits_whole(p)),
        version=version,
    )


class Exposures:
    """Entries as clients see them, made once for however many views."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Kind, str], tuple[str, dict[str, Raw]]] = {}

    def of(
        self, rules: Reconfigured, policy: UpstreamPolicy, kind: Kind, entry: Entry
    ) -> tuple[str, dict[str, Raw]]:
        place = (policy.name, kind, entry.key)
        found = self._made.get(place)
        if found is None:
            found = self._made[place] = _exposed(rules, policy, kind, entry)
        return found


def _offers(
    rules: Reconfigured,
    catalogs: Mapping[str, Catalog],
    kind: Kind,
    view: View,
    *,
    exposures: Exposures,
) -> dict[str, list[_Offer]]:
    offers: dict[str, list[_Offer]] = {}
    if ("resources" if kind == "templates" else kind) not in rules.aggregate:
        return offers
    for policy in rules.policies:
        catalog = catalogs.get(policy.name)
        if catalog is None or not _admits(view, policy, kind):
            continue
        tools = view.access.tools_of(policy)
        for entry, held in _entries_and_held(catalog, kind):
            name, members = exposures.of(rules, policy, kind, entry)
            if kind != "tools" or tools.has(entry.key, name):
                offer = _Offer(policy, entry, members, held)
                offers.setdefault(name, []).append(offer)
    return offers


def _entries_and_held(catalog: Catalog, kind: Kind) -> Iterator[tuple[Entry, bool]]:
    """What is held back keeps its name, or another upstream's would step in."""
    for entry in _entries(catalog, kind):
        yield entry, False
    for held in catalog.held:
        if held.kind == kind:
            yield Entry(key=held.key, members={}), True


def _repeatable(kind: Kind, offer: _Offer) -> bool:
    """Only tools do something; the others are read."""
    return kind != "tools" or tool_is_repeatable(offer.entry)


def _admits(view: View, policy: UpstreamPolicy, kind: Kind) -> bool:
    return view.admits(policy) if kind == "tools" else view.admits_whole(policy)


def _entries(catalog: Catalog, kind: Kind) -> tuple[Entry, ...]:
    match kind:
        case "tools":
            return catalog.tools
        case "prompts":
            return catalog.prompts
        case "resources":
            return catalog.resources
        case "templates":
            return catalog.templates
        case _:
            assert_never(kind)


def _exposed(
    rules: Reconfigured, policy: UpstreamPolicy, kind: Kind, entry: Entry
) -> tuple[str, dict[str, Raw]]:
    """The name an entry is found under, and the entry as it is listed."""
    if kind in ("tools", "prompts"):
        namespace = (
            policy.tool_namespace if kind == "tools" else policy.prompt_namespace
        )
        name = exposed_name(namespace, rules.separator, entry.key)
        return name, {**entry.members, "name": raw(name)}
    shown = text(entry.members.get("name"))
    if not policy.resource_namespace or shown is None:
        return entry.key, entry.members
    label = f"{policy.resource_namespace}{rules.separator}{shown}"
    return entry.key, {**entry.members, "name": raw(label)}


def _chosen(
    rules: Reconfigured,
    kind: Kind,
    name: str,
    *,
    contenders: list[_Offer],
    conflicts: list[Conflict],
) -> _Offer:
    if len(contenders) == 1:
        return contenders[0]
    # A URI belongs to the first upstream in every mode but `error` (decision 12).
    policy = rules.conflict_resolution
    if kind in ("resources", "templates") and policy == "priority":
        policy = "first"
    best = winner(
        name,
        contenders,
        policy=policy,
        priority=lambda offer: offer.policy.priority,
        owner=lambda offer: offer.policy.name,
    )
    others = [offer.policy.name for offer in contenders if offer is not best]
    conflicts.append(Conflict(kind, name, (best.policy.name, *others)))
    return best
