import msgspec
import pytest

from bridge.contract.catalog import Catalog, Entry
from bridge.contract.router import Reconfigured, UpstreamPolicy
from bridge.errors import FrameInvalid
from bridge.protocol.frame import raw
from bridge.router.namespace import NameConflict
from bridge.router.policy import View
from bridge.router.table import (
    LONGEST_URI,
    Conflict,
    Route,
    RoutingTable,
    build_table,
)
from kit.routing import names, policy, prompt, resource, template, tool


def table(
    *policies: UpstreamPolicy,
    catalogs: dict[str, Catalog],
    mode: str = "namespace",
    aggregate: frozenset[str] = frozenset({"tools", "prompts", "resources"}),
    view: View | None = None,
) -> RoutingTable:
    rules = Reconfigured(
        policies=policies, conflict_resolution=mode, aggregate=aggregate
    )
    return build_table(rules, catalogs, version=7, view=view or View())


def with_tools(*tools: str) -> Catalog:
    return Catalog(tools=tuple(map(tool, tools)))


@pytest.mark.requirement("R118")
def test_tools_are_listed_in_configuration_order_under_their_namespaces() -> None:
    made = table(
        policy("b"),
        policy("a"),
        catalogs={"a": with_tools("x"), "b": with_tools("z", "y")},
    )
    assert names(made.entries("tools")) == ["b__z", "b__y", "a__x"]


@pytest.mark.requirement("R120")
def test_a_name_that_contains_the_separator_is_routed_by_the_table() -> None:
    made = table(
        policy("a"),
        policy("a__b", "a__b"),
        catalogs={"a": with_tools("b__c"), "a__b": with_tools("d")},
    )
    assert made.find("tools", "a__b__c") == Route("a", "b__c", repeatable=False)
    assert made.find("tools", "a__b__d") == Route("a__b", "d", repeatable=False)


@pytest.mark.requirement("C36")
def test_no_template_is_searched_for_a_uri_longer_than_any_server_lists() -> None:
    made = table(policy("a"), catalogs={"a": Catalog(templates=(template("a:{+x}"),))})
    assert made.owner_of_uri("a:" + "x" * (LONGEST_URI - 2)) is not None
    assert made.owner_of_uri("a:" + "x" * (LONGEST_URI - 1)) is None


@pytest.mark.requirement("R121", "C34")
def test_equal_names_belong_to_the_earliest_upstream_and_are_reported() -> None:
    made = table(
        policy("a", ""),
        policy("b", ""),
        catalogs={"a": with_tools("x"), "b": with_tools("x", "y")},
    )
    assert made.find("tools", "x") == Route("a", "x", repeatable=False)
    assert names(made.entries("tools")) == ["x", "y"]
    assert made.conflicts == (Conflict("tools", "x", ("a", "b")),)


@pytest.mark.requirement("R121")
def test_under_priority_the_lowest_number_wins_and_listing_agrees() -> None:
    made = table(
        policy("a", "", priority=9),
        policy("b", "", priority=1),
        catalogs={
            "a": Catalog(tools=(tool("x", title="of a"),)),
            "b": Catalog(tools=(tool("x", title="of b"),)),
        },
        mode="priority",
    )
    assert made.find("tools", "x") == Route("b", "x", repeatable=False)
    [entry] = made.entries("tools")
    assert bytes(entry["title"]) == b'"of b"'


@pytest.mark.requirement("R121")
def test_under_error_a_conflict_makes_no_table() -> None:
    with pytest.raises(NameConflict):
        table(
            policy("a", ""),
            policy("b", ""),
            catalogs={"a": with_tools("x"), "b": with_tools("x")},
            mode="error",
        )


@pytest.mark.requirement("R123")
def test_a_tool_passes_through_whole_but_for_its_name() -> None:
    members = {
        "title": "T",
        "annotations": {"readOnlyHint": True},
        "outputSchema": {"type": "object"},
        "icons": [{"src": "data:"}],
        "_meta": {"vendor": 12345678901234567890},
        "unknown": [1, 2],
    }
    made = table(policy("a"), catalogs={"a": Catalog(tools=(tool("x", **members),))})
    [entry] = made.entries("tools")
    assert msgspec.json.decode(raw(entry)) == {
        "name": "a__x",
        "inputSchema": {"type": "object"},
        **members,
    }


@pytest.mark.requirement("R122")
def test_resources_keep_their_uri_and_get_the_namespace_on_their_name() -> None:
    catalog = Catalog(
        resources=(resource("demo://1", "one"),), templates=(template("demo://{n}/x"),)
    )
    made = table(policy("a"), catalogs={"a": catalog})
    assert names(made.entries("resources")) == ["a__one"]
    assert made.owner_of_uri("demo://1") == Route("a", "demo://1")
    assert made.owner_of_uri("demo://9/x") == Route("a", "demo://9/x")
    assert made.owner_of_uri("other://9") is None


def test_a_resource_without_a_readable_name_is_listed_as_it_is() -> None:
    odd = Entry(key="demo://1", members={"uri": raw("demo://1"), "name": raw(5)})
    made = table(policy("a"), catalogs={"a": Catalog(resources=(odd,))})
    assert made.entries("resources") == (odd.members,)


def test_a_flat_resource_namespace_leaves_names_alone() -> None:
    catalog = Catalog(resources=(resource("demo://1", "one"),))
    made = table(policy("a", ""), catalogs={"a": catalog})
    assert names(made.entries("resources")) == ["one"]


def test_a_uri_of_two_upstreams_belongs_to_the_first_whatever_the_priority() -> None:
    catalog = Catalog(resources=(resource("demo://1"),))
    made = table(
        policy("a", priority=9),
        policy("b", priority=1),
        catalogs={"a": catalog, "b": catalog},
        mode="priority",
    )
    assert made.owner_of_uri("demo://1") == Route("a", "demo://1")


def test_a_view_of_one_server_reaches_its_own_resource() -> None:
    catalog = Catalog(resources=(resource("demo://1"),))
    made = table(
        policy("a"),
        policy("b"),
        catalogs={"a": catalog, "b": catalog},
        view=View(server="b"),
    )
    assert made.owner_of_uri("demo://1") == Route("b", "demo://1")


@pytest.mark.requirement("R50")
@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(), ["a__x", "b__x", "c__x"]),
        (View(server="b"), ["b__x"]),
        (View(tags=frozenset({"dev"})), ["a__x", "b__x"]),
        (View(tags=frozenset({"dev", "web"})), ["b__x"]),
        (View(tags=frozenset({"dev", "ops"}), match="any"), ["a__x", "b__x", "c__x"]),
        (View(server="none"), []),
    ],
)
def test_a_view_shows_the_upstreams_it_selects(view: View, expected: list[str]) -> None:
    made = table(
        policy("a", tags=frozenset({"dev"})),
        policy("b", tags=frozenset({"dev", "web"})),
        policy("c", tags=frozenset({"ops"})),
        catalogs={name: with_tools("x") for name in "abc"},
        view=view,
    )
    assert names(made.entries("tools")) == expected


@pytest.mark.requirement("R129")
def test_a_kind_that_is_not_aggregated_is_neither_listed_nor_found() -> None:
    catalog = Catalog(
        tools=(tool("x"),), prompts=(prompt("p"),), templates=(template("t://{x}"),)
    )
    made = table(policy("a"), catalogs={"a": catalog}, aggregate=frozenset({"prompts"}))
    assert made.entries("tools") == ()
    assert made.entries("templates") == ()
    assert names(made.entries("prompts")) == ["a__p"]
    assert made.find("tools", "a__x") is None


def test_pages_follow_each_other_to_the_end() -> None:
    made = table(policy("a", ""), catalogs={"a": with_tools("1", "2", "3")})
    first = msgspec.json.decode(made.page("tools", None, size=2))
    assert [t["name"] for t in first["tools"]] == ["1", "2"]
    second = msgspec.json.decode(made.page("tools", first["nextCursor"], size=2))
    assert [t["name"] for t in second["tools"]] == ["3"]
    assert "nextCursor" not in second


@pytest.mark.parametrize("cursor", ["6.2", "7.", "7.x", "", "7", "7.²"])
def test_a_cursor_of_another_table_is_refused(cursor: str) -> None:
    made = table(policy("a"), catalogs={})
    with pytest.raises(FrameInvalid):
        made.page("tools", cursor, size=2)


def test_a_list_is_encoded_once() -> None:
    made = table(policy("a"), catalogs={"a": with_tools("x")})
    assert made.list_result("tools") is made.list_result("tools")
    assert msgspec.json.decode(made.list_result("templates")) == {
        "resourceTemplates": []
    }
