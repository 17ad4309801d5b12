"""Names that wait for approval: nobody sees them, and nobody else gets them."""

import pytest

from bridge.contract.catalog import Catalog, Held
from bridge.contract.router import Reconfigured, UpstreamPolicy
from bridge.router.namespace import NameConflict
from bridge.router.sieve import Sieve
from bridge.router.table import Conflict, RoutingTable, build_table
from kit.routing import names, policy, prompt, tool

pytestmark = pytest.mark.requirement("C34", "C35")

HELD = Catalog(
    tools=(tool("add"),),
    prompts=(prompt("greet"),),
    held=(Held("tools", "read"), Held("prompts", "ask")),
)


def table(
    *policies: UpstreamPolicy, catalogs: dict[str, Catalog], mode: str = "first"
) -> RoutingTable:
    rules = Reconfigured(policies=policies, conflict_resolution=mode)
    return build_table(rules, catalogs, version=1)


def test_what_is_held_back_is_not_listed_and_keeps_its_upstream() -> None:
    made = table(policy("a"), catalogs={"a": HELD})
    assert names(made.entries("tools")) == ["a__add"]
    assert names(made.entries("prompts")) == ["a__greet"]
    routes = (made.find("tools", "a__read"), made.find("prompts", "a__ask"))
    assert [(route.upstream, route.key) for route in routes if route] == [
        ("a", "read"),
        ("a", "ask"),
    ]


def test_another_upstream_does_not_step_in() -> None:
    other = Catalog(tools=(tool("read"), tool("write")))
    made = table(policy("a", ""), policy("b", ""), catalogs={"a": HELD, "b": other})
    route = made.find("tools", "read")
    assert route is not None
    assert route.upstream == "a"
    assert names(made.entries("tools")) == ["add", "write"]
    assert made.conflicts == (Conflict("tools", "read", ("a", "b")),)


def test_what_is_held_back_takes_no_name_away() -> None:
    other = Catalog(tools=(tool("read"),))
    made = table(policy("b", ""), policy("a", ""), catalogs={"a": HELD, "b": other})
    route = made.find("tools", "read")
    assert route is not None
    assert route.upstream == "b"
    assert names(made.entries("tools")) == ["read", "add"]


def test_a_conflict_is_one_also_before_it_is_approved() -> None:
    other = Catalog(tools=(tool("read"),))
    catalogs = {"a": HELD, "b": other}
    with pytest.raises(NameConflict, match="offered by a, b"):
        table(policy("a", ""), policy("b", ""), catalogs=catalogs, mode="error")


def test_it_is_never_called_twice_by_itself() -> None:
    route = table(policy("a"), catalogs={"a": HELD}).find("tools", "a__read")
    assert route is not None
    assert not route.repeatable


def test_operators_are_told_of_tools_that_wait() -> None:
    rules = Reconfigured(policies=(policy("a"),))
    sifted = Sieve().sift(rules, {"a": HELD})
    (withheld,) = sifted.withheld
    assert (withheld.upstream, withheld.key, withheld.name) == ("a", "read", "a__read")
    assert "bridge tool pending" in withheld.reason
    assert sifted.catalogs["a"] == HELD
