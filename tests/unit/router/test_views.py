"""Routes that lead to the same upstreams share one table."""

from bridge.contract.access import AccessRule
from bridge.contract.catalog import Catalog
from bridge.contract.router import Reconfigured
from bridge.router.access import Access
from bridge.router.board import ENTRIES_KEPT, FEW_TABLES, MAX_VIEWS, Board
from bridge.router.policy import View
from kit.routing import policy, tool


def board() -> Board:
    made = Board()
    made.publish(
        Reconfigured(policies=(policy("a", tags=frozenset({"t"})), policy("b"))),
        {"a": Catalog(tools=(tool("x"),)), "b": Catalog(tools=(tool("y"),))},
    )
    return made


def tagged(*tags: str) -> View:
    return View(tags=frozenset(tags), match="any")


def test_tags_nobody_carries_cost_no_table_of_their_own() -> None:
    made = board()
    first = made.table(tagged("t"))
    assert len(first.entries("tools")) == 1
    for number in range(2 * MAX_VIEWS):
        assert made.table(tagged("t", f"none{number}")) is first
    assert made.table(View(server="a")) is first
    assert made.table(View(server="b")) is not first


def test_who_may_see_less_has_another_table() -> None:
    made = board()
    full = made.table(tagged("t"))
    limited = Access(limited=True, shown=(AccessRule(tools=("none",)),))
    seen = made.table(tagged("t").seen_with(limited))
    assert seen is not full
    assert seen.entries("tools") == ()


def limited(number: int) -> View:
    rule = AccessRule(tools=("x", f"none{number}"))
    return View(access=Access(limited=True, shown=(rule,)))


def test_many_who_see_little_keep_their_tables() -> None:
    made = board()
    tables = [made.table(limited(number)) for number in range(10 * FEW_TABLES)]
    again = [made.table(limited(number)) for number in range(10 * FEW_TABLES)]
    assert all(one is other for one, other in zip(tables, again, strict=True))


def test_many_who_see_much_make_room_for_each_other() -> None:
    made = Board()
    size = ENTRIES_KEPT // FEW_TABLES + 1
    tools = tuple(tool(f"x{number}") for number in range(size))
    made.publish(Reconfigured(policies=(policy("a"),)), {"a": Catalog(tools=tools)})

    def everything(number: int) -> View:
        rule = AccessRule(tools=("x*", f"none{number}"))
        return View(access=Access(limited=True, shown=(rule,)))

    first, second = made.table(everything(0)), made.table(everything(1))
    for number in range(2, FEW_TABLES + 1):
        made.table(everything(number))
    assert made.table(everything(1)) is second
    assert made.table(everything(0)) is not first


def test_a_new_catalog_makes_new_tables() -> None:
    made = board()
    before = made.table(tagged("t"))
    made.publish(made.rules, {"a": Catalog(tools=(tool("z"), tool("x")))})
    assert len(made.table(tagged("t")).entries("tools")) == 2
    assert len(before.entries("tools")) == 1
