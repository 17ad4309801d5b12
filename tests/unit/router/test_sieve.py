"""What of the catalogs is offered at all; and the board that publishes only that."""

from typing import Any

import pytest
from msgspec.structs import replace

from bridge.contract.access import NO_TOKEN, AccessRule, ToolLevel, ToolLimits
from bridge.contract.catalog import Catalog, Held
from bridge.contract.router import Reconfigured, UpstreamPolicy
from bridge.router.board import Board
from bridge.router.namespace import NameConflict
from bridge.router.policy import EVERYTHING, View
from bridge.router.sieve import Sieve, Withheld
from kit.routing import names, policy, prompt, resource, tool

READ_ONLY = ToolLimits(read_only=True)


def limited(made: UpstreamPolicy, limits: ToolLimits = READ_ONLY) -> UpstreamPolicy:
    return replace(made, tool_limits=limits)


def blocking(*tools: str) -> ToolLimits:
    return ToolLimits(levels=(ToolLevel(name="bridge", block_tools=tools),))


def rules(*policies: UpstreamPolicy, **more: Any) -> Reconfigured:
    return Reconfigured(policies=policies, **more)


FILES = Catalog(
    tools=(tool("get"), tool("put")),
    prompts=(prompt("delete"),),
    resources=(resource("x://1"),),
)


@pytest.mark.requirement("R128")
def test_a_withheld_tool_leaves_with_its_reason_and_nothing_else_does() -> None:
    sifted = Sieve().sift(rules(limited(policy("a"))), {"a": FILES, "gone": FILES})
    [(name, catalog)] = sifted.catalogs.items()
    assert name == "a"
    assert [entry.key for entry in catalog.tools] == ["get"]
    assert (catalog.prompts, catalog.resources) == (FILES.prompts, FILES.resources)
    assert sifted.withheld == (
        Withheld(
            "a",
            "put",
            "a__put",
            "read-only mode, and it writes: its name says 'put'",
        ),
    )


def test_a_catalog_without_losses_is_the_same_object() -> None:
    assert Sieve().sift(rules(policy("a")), {"a": FILES}).catalogs["a"] is FILES


@pytest.mark.parametrize(
    ("execution", "hidden"),
    [
        ({"taskSupport": "required"}, True),
        ({"taskSupport": "optional"}, False),
        ({}, False),
        ("junk", False),
    ],
)
def test_a_tool_that_only_runs_as_a_task_is_withheld(
    execution: object, *, hidden: bool
) -> None:
    catalog = Catalog(tools=(tool("x", execution=execution),))
    sifted = Sieve().sift(rules(policy("a")), {"a": catalog})
    assert [each.name for each in sifted.withheld] == (["a__x"] if hidden else [])
    assert (sifted.catalogs["a"].tools == ()) is hidden


def test_what_waits_for_approval_keeps_its_name_if_policy_lets_it_through() -> None:
    catalog = Catalog(
        tools=(tool("get"),),
        held=(Held("tools", "put"), Held("tools", "get_b"), Held("prompts", "put")),
    )
    sifted = Sieve().sift(rules(limited(policy("a"))), {"a": catalog})
    assert [(h.kind, h.key) for h in sifted.catalogs["a"].held] == [
        ("tools", "get_b"),
        ("prompts", "put"),
    ]
    why = {each.key: each.reason for each in sifted.withheld}
    assert why["put"].startswith("read-only mode")
    assert why["get_b"].startswith("held back until its definition is approved")


def test_verdicts_are_kept_until_rules_or_catalog_change() -> None:
    sieve = Sieve()
    one = rules(limited(policy("a")), limited(policy("b")))
    first = sieve.sift(one, {"a": FILES, "b": FILES})
    other = Catalog(tools=(tool("list"),))
    second = sieve.sift(one, {"a": FILES, "b": other})
    assert second.catalogs["a"] is first.catalogs["a"]
    assert [e.key for e in second.catalogs["b"].tools] == ["list"]
    third = sieve.sift(rules(policy("a")), {"a": FILES})
    assert third.withheld == ()
    renamed = sieve.sift(rules(limited(policy("a")), separator="."), {"a": FILES})
    assert [each.name for each in renamed.withheld] == ["a.put"]


@pytest.mark.requirement("R128")
def test_a_name_that_is_withheld_at_one_server_is_free_for_the_next() -> None:
    board = Board()
    one = limited(policy("a", ""), blocking("put"))
    board.publish(rules(one, policy("b", "")), {"a": FILES, "b": FILES})
    found = board.whole.find("tools", "put")
    assert found is not None
    assert found.upstream == "b"


def test_the_board_tells_operators_why_a_name_is_unknown_to_a_client() -> None:
    board = Board()
    shown = AccessRule(servers=("b",))
    board.publish(
        rules(limited(policy("a")), policy("b"), access=(shown,)),
        {"a": FILES, "b": FILES},
    )
    view = board.view_for(EVERYTHING, NO_TOKEN)
    assert names(board.table(view).entries("tools")) == ["b__get", "b__put"]
    withheld = board.why_not("tools", "a__put")
    assert withheld is not None
    assert withheld[0] == "a"
    assert withheld[1].startswith("read-only mode")
    assert board.why_not("tools", "a__get") == (
        "a",
        "not in what this client's token and address show",
    )
    assert board.why_not("prompts", "a__delete") is not None
    assert board.why_not("tools", "nothing") is None


@pytest.mark.requirement("R48")
def test_a_place_is_known_to_those_who_see_anything_of_it() -> None:
    board = Board()
    board.publish(
        rules(policy("a"), policy("b"), access=(AccessRule(servers=("b",)),)), {}
    )
    seen = board.view_for(View(server="a"), NO_TOKEN)
    assert board.knows(View(server="a"))
    assert not board.knows(seen)
    assert board.knows(board.view_for(View(server="b"), NO_TOKEN))
    assert board.knows(board.view_for(EVERYTHING, NO_TOKEN))


@pytest.mark.requirement("R121", "R48", "R128")
def test_new_limits_hold_though_new_names_clash() -> None:
    board = Board()
    catalogs = dict.fromkeys("abc", Catalog(tools=FILES.tools))
    before = rules(policy("a"), policy("b"), policy("c"), conflict_resolution="error")
    board.publish(before, catalogs)
    after = rules(
        limited(policy("a", ""), blocking("put")),
        policy("b", ""),
        access=(AccessRule(servers=("a",)),),
        conflict_resolution="error",
    )
    with pytest.raises(NameConflict):
        board.publish(after, catalogs)
    assert names(board.whole.entries("tools")) == ["a__get", "b__get", "b__put"]
    view = board.view_for(EVERYTHING, NO_TOKEN)
    assert names(board.table(view).entries("tools")) == ["a__get"]
    version = board.whole.version
    with pytest.raises(NameConflict):
        board.publish(after, catalogs)
    assert board.whole.version == version
