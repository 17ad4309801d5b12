"""Where a call goes, and what its params become there. Pure."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from bridge.errors import UnknownName
from bridge.protocol import methods
from bridge.protocol.frame import members, raw, text
from bridge.protocol.methods import CallParams, for_upstream, required_text
from bridge.router.table import Kind, Route, RoutingTable

#: Methods an upstream answers; all others are the bridge's own.
ROUTED = frozenset(
    {
        methods.TOOLS_CALL,
        methods.PROMPTS_GET,
        methods.RESOURCES_READ,
        methods.COMPLETION_COMPLETE,
    }
)
#: The upstream a session learned to own a URI (`Session.learned_owner`).
Learned = Callable[[str], str | None]

_SHOWN = 200  # of a client's own text, repeated to it


class Target(msgspec.Struct, frozen=True):
    """The owner of what was asked for; ``shown`` is the name the client used."""

    route: Route
    shown: str
    params: CallParams


def target_of(
    table: RoutingTable, learned: Learned, method: str, *, params: dict[str, Raw]
) -> Target:
    """The target of a routed method.

    Raises `UnknownName`, and `FrameInvalid` for params that name nothing.
    """
    match method:
        case methods.TOOLS_CALL:
            return _named(table, "tools", params)
        case methods.PROMPTS_GET:
            return _named(table, "prompts", params)
        case methods.RESOURCES_READ:
            return _resource(table, learned, params)
        case _:
            return _completion(table, learned, params)


def owner_of(table: RoutingTable, learned: Learned, uri: str) -> Route | None:
    """Listed, matched by a template, or learned from a result of this session."""
    route = table.owner_of_uri(uri)
    if route is not None:
        return route
    upstream = learned(uri)
    if upstream is None or not table.may_read_from(upstream):
        return None
    return Route(upstream, uri)


def _named(table: RoutingTable, kind: Kind, params: dict[str, Raw]) -> Target:
    name = required_text(params, "name")
    route = table.find(kind, name)
    if route is None:
        raise UnknownName(f"unknown {kind[:-1]}: {name[:_SHOWN]}")
    return Target(route, name, for_upstream(params, {"name": raw(route.key)}))


def _resource(table: RoutingTable, learned: Learned, params: dict[str, Raw]) -> Target:
    uri = required_text(params, "uri")
    route = owner_of(table, learned, uri)
    if route is None:
        raise UnknownName(f"resource not found: {uri[:_SHOWN]}")
    return Target(route, uri, for_upstream(params, {}))


def _completion(
    table: RoutingTable, learned: Learned, params: dict[str, Raw]
) -> Target:
    ref = members(params.get("ref", Raw(b"{}")))
    changes: dict[str, Raw] = {}
    if text(ref.get("type")) == "ref/prompt":
        name = required_text(ref, "name")
        route = table.find("prompts", name)
        if route is not None:
            changes = {"name": raw(route.key)}
    else:
        name = required_text(ref, "uri")
        route = table.find("templates", name) or owner_of(table, learned, name)
    if route is None:
        raise UnknownName(f"nothing to complete: {name[:_SHOWN]}")
    return Target(route, name, for_upstream(params, {"ref": raw({**ref, **changes})}))
