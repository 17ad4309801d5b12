"""Whatever the rules: what is hidden is in no list, on no page, and on no way."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from bridge.contract.access import AccessRule, Entitlement, ToolLevel, ToolLimits
from bridge.contract.catalog import Catalog
from bridge.contract.router import Reconfigured, UpstreamPolicy
from bridge.errors import UnknownName
from bridge.protocol.frame import members
from bridge.router.board import MAX_VIEWS, Board
from bridge.router.policy import EVERYTHING, View
from bridge.router.table import KINDS, RoutingTable
from bridge.router.target import ROUTED, target_of
from kit.routing import names, policy, prompt, resource, template, tool

SERVERS = ("a", "b", "c")
TAGS = ("x", "y")
TOOLS = ("get", "get_x", "put", "del")
SCOPES = ("s", "t")
NAMES = tuple(f"{server}__{name}" for server in SERVERS for name in TOOLS)

some_servers = st.lists(st.sampled_from((*SERVERS, "*", "?")), max_size=2).map(tuple)
some_tools = st.lists(
    st.sampled_from((*TOOLS, *NAMES, "get*", "*__put", "a__*")), max_size=2
).map(tuple)
scopes = st.frozensets(st.sampled_from(SCOPES))
rules = st.builds(
    AccessRule,
    scopes=scopes,
    servers=some_servers,
    tags=st.frozensets(st.sampled_from(TAGS), max_size=1),
    tools=some_tools,
    deny=st.booleans(),
)
levels = st.builds(
    ToolLevel,
    name=st.just("bridge"),
    block_tools=st.lists(st.sampled_from((*TOOLS, *NAMES)), max_size=2).map(tuple),
    block_patterns=some_tools,
)
limits = st.builds(
    ToolLimits, read_only=st.booleans(), levels=st.tuples(levels) | st.just(())
)


def made(name: str, tags: frozenset[str], limits: ToolLimits) -> UpstreamPolicy:
    return replace(policy(name, tags=tags), tool_limits=limits)


policies = st.tuples(
    *(
        st.builds(made, st.just(name), st.frozensets(st.sampled_from(TAGS)), limits)
        for name in SERVERS
    )
)
places = st.sampled_from(
    (
        EVERYTHING,
        *(View(server=name) for name in SERVERS),
        View(tags=frozenset({"x"})),
        View(tags=frozenset({"x", "y"}), match="any"),
    )
)


def catalog(name: str) -> Catalog:
    return Catalog(
        tools=tuple(map(tool, TOOLS)),
        prompts=(prompt("p"),),
        resources=(resource(f"{name}://1"),),
        templates=(template(f"{name}://t/{{x}}"),),
    )


def selects(rule: AccessRule, upstream: UpstreamPolicy) -> bool:
    """The rule again, in other words."""
    return (
        not (rule.servers or rule.tags)
        or any(fnmatchcase(upstream.name, pattern) for pattern in rule.servers)
        or bool(rule.tags & upstream.tags)
    )


def may_use(
    upstream: UpstreamPolicy,
    key: str,
    given: tuple[AccessRule, ...],
    held: frozenset[str],
) -> bool:
    """Whether a client with these scopes may use a tool, by the rules of access."""

    def about(rule: AccessRule) -> bool:
        either = (key, f"{upstream.name}__{key}")
        return selects(rule, upstream) and (
            not rule.tools
            or any(fnmatchcase(name, p) for name in either for p in rule.tools)
        )

    counting = [rule for rule in given if rule.scopes <= held]
    return not given or (
        any(about(rule) for rule in counting if not rule.deny)
        and not any(about(rule) for rule in counting if rule.deny)
    )


def may_be_used(upstream: UpstreamPolicy, key: str) -> bool:
    """Whether anybody may use a tool, by the limits on tools."""
    names = (key, f"{upstream.name}__{key}")
    limits = upstream.tool_limits
    if limits.read_only and not key.startswith("get"):
        return False
    return not any(
        name in level.block_tools
        or any(fnmatchcase(name, pattern) for pattern in level.block_patterns)
        for level in limits.levels
        for name in names
    )


def may_read(
    upstream: UpstreamPolicy, given: tuple[AccessRule, ...], held: frozenset[str]
) -> bool:
    """Whether a client may read what a server has besides tools."""
    counting = [r for r in given if r.scopes <= held and not r.tools]
    return not given or (
        any(selects(rule, upstream) for rule in counting if not rule.deny)
        and not any(selects(rule, upstream) for rule in counting if rule.deny)
    )


def pages(table: RoutingTable) -> Iterator[str]:
    cursor: str | None = None
    while True:
        page = members(table.page("tools", cursor, size=2))
        yield from names(
            tuple(msgspec.json.decode(page["tools"], type=list[dict[str, Raw]]))
        )
        if "nextCursor" not in page:
            return
        cursor = msgspec.json.decode(page["nextCursor"], type=str)


def reached(table: RoutingTable, method: str, params: dict[str, object]) -> str | None:
    """The upstream a request would go to, with every URI learned by mistake."""
    encoded = members(Raw(msgspec.json.encode(params)))
    try:
        target = target_of(table, lambda uri: uri[:1], method, params=encoded)
    except UnknownName:
        return None
    return target.route.upstream


@pytest.mark.requirement("R48", "R128", "R121")
@settings(max_examples=300, deadline=None)
@given(
    policies=policies,
    given_rules=st.lists(rules, max_size=4).map(tuple),
    held=scopes,
    place=places,
)
def test_a_hidden_tool_is_in_no_list_and_on_no_way(
    policies: tuple[UpstreamPolicy, ...],
    given_rules: tuple[AccessRule, ...],
    held: frozenset[str],
    place: View,
) -> None:
    board = Board()
    board.publish(
        Reconfigured(policies=policies, access=given_rules),
        {name: catalog(name) for name in SERVERS},
    )
    table = board.table(board.view_for(place, Entitlement(held)))
    on_route = [upstream for upstream in policies if place.admits(upstream)]
    visible = {
        f"{upstream.name}__{key}"
        for upstream in on_route
        for key in TOOLS
        if may_use(upstream, key, given_rules, held) and may_be_used(upstream, key)
    }
    assert set(names(table.entries("tools"))) == visible
    assert set(pages(table)) == visible
    listed = members(table.list_result("tools"))["tools"]
    assert all(f'"{n}"'.encode() not in bytes(listed) for n in set(NAMES) - visible)
    for name in NAMES:
        found = reached(table, "tools/call", {"name": name})
        assert found == (name[0] if name in visible else None)
    readable = {u.name for u in on_route if may_read(u, given_rules, held)}
    for kind in KINDS[1:]:
        owners = (msgspec.json.encode(each) for each in table.entries(kind))
        assert len(tuple(owners)) == len(readable)
    for server in SERVERS:
        for method, params in requests_about(server):
            found = reached(table, method, params)
            assert found == (server if server in readable else None)


def requests_about(server: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Every way to name what a server has besides tools."""
    assert {
        "tools/call",
        "prompts/get",
        "resources/read",
        "completion/complete",
    } == ROUTED
    yield "prompts/get", {"name": f"{server}__p"}
    yield (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": f"{server}__p"}},
    )
    for uri in (
        f"{server}://1",
        f"{server}://t/9",
        f"{server}://t/{{x}}",
        f"{server}!",
    ):
        yield "resources/read", {"uri": uri}
        yield (
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": uri}},
        )


@given(tokens=st.lists(st.frozensets(st.integers(0, 9)), min_size=1, max_size=200))
@settings(max_examples=20, deadline=None)
def test_views_are_bounded_however_many_kinds_of_tokens_come(
    tokens: list[frozenset[int]],
) -> None:
    board = Board()
    each = tuple(
        AccessRule(scopes=frozenset({str(n)}), servers=("a",)) for n in range(10)
    )
    board.publish(
        Reconfigured(policies=(policy("a"),), access=each), {"a": catalog("a")}
    )
    for token in tokens:
        held = Entitlement(frozenset(map(str, token)))
        table = board.table(board.view_for(EVERYTHING, held))
        assert bool(table.entries("tools")) is bool(token)
    assert len(board._views) <= MAX_VIEWS  # pyright: ignore[reportPrivateUsage]
