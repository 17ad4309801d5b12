"""The routing table: a frozen picture of everything the upstreams offer. Pure.

Built anew whenever something changes; readers keep whichever table they have. A view
(a route for one server or tag) has a table of its own, so that a resource two
upstreams offer is reached on each upstream's own route.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, assert_never

import msgspec
from msgspec import Raw

from bridge.contract.catalog import Catalog, Entry
from bridge.contract.router import Reconfigured, UpstreamPolicy
from bridge.errors import FrameInvalid
from bridge.protocol.frame import raw, text
from bridge.router.namespace import exposed_name, winner
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


class Route(msgspec.Struct, frozen=True):
    """Who owns an exposed name, and what it is called there."""

    upstream: str
    key: str


class Conflict(msgspec.Struct, frozen=True):
    """One exposed name that several upstreams offer; the first of them owns it."""

    kind: Kind
    name: str
    upstreams: tuple[str, ...]


class _Offer(msgspec.Struct, frozen=True):
    policy: UpstreamPolicy
    entry: Entry
    members: dict[str, Raw]


class RoutingTable:
    """Immutable after construction."""

    def __init__(
        self,
        *,
        routes: Mapping[Kind, Mapping[str, Route]],
        listings: Mapping[Kind, tuple[dict[str, Raw], ...]],
        conflicts: tuple[Conflict, ...],
        hidden: tuple[str, ...],
        version: int,
    ) -> None:
        self._routes = routes
        self._listings = listings
        self.conflicts = conflicts
        self.hidden = hidden
        self.version = version
        self._templates = [
            (UriTemplate(template), route)
            for template, route in routes["templates"].items()
        ]
        self._results: dict[Kind, Raw] = {}

    def find(self, kind: Kind, name: str) -> Route | None:
        """The owner of an exposed tool or prompt name, URI, or URI template."""
        return self._routes[kind].get(name)

    def owner_of_uri(self, uri: str) -> Route | None:
        """The owner of a resource: listed exactly, else by the first template."""
        route = self._routes["resources"].get(uri)
        if route is not None:
            return route
        for template, owner in self._templates:
            if template.matches(uri):
                return Route(owner.upstream, uri)
        return None

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
    admits: Callable[[UpstreamPolicy], bool] = lambda _policy: True,
) -> RoutingTable:
    """The table of the admitted upstreams. Raises `NameConflict` (policy ``error``)."""
    present = [
        (policy, catalogs[policy.name])
        for policy in rules.policies
        if policy.name in catalogs and admits(policy)
    ]
    routes: dict[Kind, dict[str, Route]] = {}
    listings: dict[Kind, tuple[dict[str, Raw], ...]] = {}
    conflicts: list[Conflict] = []
    hidden: list[str] = []
    for kind in KINDS:
        offers = _offers(rules, present, kind, hidden)
        chosen = {
            name: _chosen(rules, kind, name, contenders=contenders, conflicts=conflicts)
            for name, contenders in offers.items()
        }
        routes[kind] = {
            name: Route(offer.policy.name, offer.entry.key)
            for name, offer in chosen.items()
        }
        listings[kind] = tuple(offer.members for offer in chosen.values())
    return RoutingTable(
        routes=routes,
        listings=listings,
        conflicts=tuple(conflicts),
        hidden=tuple(hidden),
        version=version,
    )


def _offers(
    rules: Reconfigured,
    present: Sequence[tuple[UpstreamPolicy, Catalog]],
    kind: Kind,
    hidden: list[str],
) -> dict[str, list[_Offer]]:
    offers: dict[str, list[_Offer]] = {}
    if ("resources" if kind == "templates" else kind) not in rules.aggregate:
        return offers
    for policy, catalog in present:
        for entry in _entries(catalog, kind):
            if kind == "tools" and _needs_tasks(entry):
                hidden.append(f"{policy.name}: {entry.key}")
                continue
            name, members = _exposed(rules, policy, kind, entry)
            offers.setdefault(name, []).append(_Offer(policy, entry, members))
    return offers


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


def _needs_tasks(entry: Entry) -> bool:
    """A tool that only runs as a task cannot be called through us (protocol 4.5)."""
    execution = entry.members.get("execution")
    if execution is None:
        return False
    try:
        members = msgspec.json.decode(execution, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return text(members.get("taskSupport")) == "required"
