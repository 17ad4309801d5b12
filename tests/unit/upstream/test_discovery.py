"""Reading lists from servers of all manners."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec import Raw

from bridge.config.model import LimitsConfig
from bridge.contract.catalog import Catalog
from bridge.errors import ProtocolError
from bridge.protocol.dialogue import Ask, Told
from bridge.protocol.frame import raw
from bridge.protocol.handshake import Agreement
from bridge.upstream.discovery import (
    Discovered,
    DiscoveryLimits,
    depth_of,
    discover,
    is_deeper,
    listing_limits,
)

Server = Callable[[Ask], Told]
TOOLS = Agreement(revision="2025-11-25", capabilities={"tools": Raw(b"{}")})
ALL = Agreement(
    revision="2025-11-25",
    capabilities={name: Raw(b"{}") for name in ("tools", "prompts", "resources")},
    server_info=Raw(b'{"name":"s"}'),
    instructions="hi",
)


def read(
    agreement: Agreement, server: Server, *, limits: DiscoveryLimits | None = None
) -> tuple[Discovered, list[Ask]]:
    """Carry the dialogue to its end."""
    dialogue = discover(agreement, limits)
    asked: list[Ask] = []
    try:
        ask = next(dialogue)
        while True:
            asked.append(ask)
            ask = dialogue.send(server(ask))
    except StopIteration as stop:
        return cast("Discovered", stop.value), asked


def pages(*lists: list[object]) -> Server:
    """A server with one list of tools, page by page; cursors are numbers."""

    def answer(ask: Ask) -> Told:
        params = cast("dict[str, str]", ask.params or {})
        number = int(params.get("cursor") or "0")
        result: dict[str, object] = {"tools": lists[number]}
        if number + 1 < len(lists):
            result["nextCursor"] = str(number + 1)
        return Told(result=raw(result))

    return answer


def names(discovered: Discovered) -> list[str]:
    return [entry.key for entry in discovered.catalog.tools]


def reasons(discovered: Discovered) -> list[str]:
    return [skip.reason for skip in discovered.skipped]


def one_of_each(ask: Ask) -> Told:
    return Told(
        result=Raw(
            {
                "tools/list": b'{"tools":[{"name":"t","x":1.00}]}',
                "prompts/list": b'{"prompts":[{"name":"p"}]}',
                "resources/list": b'{"resources":[{"uri":"a:1","name":"r"}]}',
                "resources/templates/list": b'{"resourceTemplates":'
                b'[{"uriTemplate":"a:{x}","name":"rt"}]}',
            }[ask.method]
        )
    )


@pytest.mark.requirement("R122", "R123")
def test_everything_is_read_and_kept_as_it_was_sent() -> None:
    discovered, asked = read(ALL, one_of_each)
    catalog = discovered.catalog
    assert [ask.method for ask in asked] == [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ]
    assert catalog.tools[0].members == {"name": Raw(b'"t"'), "x": Raw(b"1.00")}
    assert catalog.prompts[0].key == "p"
    assert catalog.resources[0].key == "a:1"
    assert catalog.templates[0].key == "a:{x}"
    assert (catalog.revision, catalog.instructions) == ("2025-11-25", "hi")
    assert catalog.server_info == Raw(b'{"name":"s"}')
    assert discovered.skipped == ()


def test_a_server_without_a_capability_is_not_asked() -> None:
    discovered, asked = read(Agreement(revision="2025-11-25"), one_of_each)
    assert asked == []
    assert discovered.catalog == Catalog(revision="2025-11-25")


def test_a_declared_list_that_is_not_known_is_empty() -> None:
    answer = Told(error=raw({"code": -32601, "message": "?"}))
    discovered, _ = read(TOOLS, lambda _: answer)
    assert names(discovered) == []
    assert reasons(discovered) == ["tools/list is declared but not known"]


@pytest.mark.parametrize(
    "answer",
    [
        Told(error=raw({"code": -32603, "message": "?"})),
        Told(result=raw({})),
        Told(result=raw([])),
        Told(result=raw({"tools": {"a": 1}})),
    ],
)
def test_a_list_that_cannot_be_read_is_an_error(answer: Told) -> None:
    with pytest.raises(ProtocolError, match="tools/list"):
        read(TOOLS, lambda _: answer)


def test_all_pages_are_read_in_order() -> None:
    lists: list[list[object]] = [[{"name": "a"}], [], [{"name": "b"}]]
    discovered, asked = read(TOOLS, pages(*lists))
    assert names(discovered) == ["a", "b"]
    assert [ask.params for ask in asked] == [None, {"cursor": "1"}, {"cursor": "2"}]


def test_an_empty_cursor_is_a_cursor() -> None:
    answers: list[dict[str, object]] = [
        {"tools": [{"name": "a"}], "nextCursor": ""},
        {"tools": []},
    ]
    discovered, asked = read(TOOLS, lambda _: Told(result=raw(answers.pop(0))))
    assert [ask.params for ask in asked] == [None, {"cursor": ""}]
    assert names(discovered) == ["a"]


@pytest.mark.requirement("C36")
def test_pages_that_go_round_in_a_circle_are_stopped() -> None:
    page = {"tools": [{"name": "a"}], "nextCursor": "again"}
    discovered, asked = read(TOOLS, lambda _: Told(result=raw(page)))
    assert len(asked) == 2
    assert names(discovered) == ["a"]
    assert "the pages go round in a circle: stopped" in reasons(discovered)


@pytest.mark.requirement("C36")
def test_endless_pages_are_stopped() -> None:
    count = iter(range(10**6))

    def answer(_ask: Ask) -> Told:
        number = next(count)
        tools = [{"name": f"t{number}"}]
        return Told(result=raw({"tools": tools, "nextCursor": f"c{number}"}))

    discovered, asked = read(TOOLS, answer)
    assert len(asked) == 100
    assert len(names(discovered)) == 100
    assert "too many pages" in reasons(discovered)[-1]


@pytest.mark.requirement("C36")
def test_fifty_thousand_tools_are_cut_at_the_limit() -> None:
    tools: list[object] = [{"name": f"t{n}"} for n in range(50_000)]
    discovered, _ = read(TOOLS, pages(tools))
    assert len(names(discovered)) == 10_000
    assert "too many entries" in reasons(discovered)[0]


@pytest.mark.requirement("C36")
def test_a_list_is_cut_at_its_total_size() -> None:
    tools: list[object] = [{"name": f"t{n}", "x": "y" * 100} for n in range(50)]
    limits = DiscoveryLimits(total_size=1300)
    discovered, _ = read(TOOLS, pages(tools), limits=limits)
    assert len(names(discovered)) == 10


@pytest.mark.requirement("C36")
def test_all_lists_together_are_cut_at_the_size_of_a_catalog() -> None:
    def answer(ask: Ask) -> Told:
        member = {"tools/list": "tools", "prompts/list": "prompts"}.get(ask.method)
        entries = [{"name": f"n{n}", "x": "y" * 100} for n in range(8)]
        return Told(result=raw({member or "resources": entries if member else []}))

    agreement = Agreement(
        revision="2025-11-25", capabilities={"tools": Raw(b"{}"), "prompts": Raw(b"{}")}
    )
    limits = DiscoveryLimits(total_size=1300)
    discovered, _ = read(agreement, answer, limits=limits)
    assert len(discovered.catalog.tools) == 8
    assert len(discovered.catalog.prompts) == 2
    assert reasons(discovered) == ["too much in all: the rest of the list is left out"]


@pytest.mark.requirement("C36", "P4")
def test_every_bound_of_a_listing_is_configured() -> None:
    configured = LimitsConfig(
        list_pages=1,
        list_entries=2,
        definition_bytes=3,
        catalog_bytes=4,
        definition_depth=5,
        description_characters=6,
    )
    assert listing_limits(configured) == DiscoveryLimits(
        pages=1, items=2, entry_size=3, total_size=4, depth=5, text_size=6
    )
    assert listing_limits(LimitsConfig()) == DiscoveryLimits()


@pytest.mark.requirement("C36")
def test_a_template_of_thousands_of_expressions_is_left_out_alone() -> None:
    def answer(ask: Ask) -> Told:
        if ask.method == "resources/list":
            return Told(result=raw({"resources": []}))
        uris = ["a:{+x}" + "{+y}z" * 15, "b:" + "{+y}" * 2000]
        found = [{"uriTemplate": uri, "name": "t"} for uri in uris]
        return Told(result=raw({"resourceTemplates": found}))

    agreement = Agreement(revision="2025-11-25", capabilities={"resources": Raw(b"{}")})
    discovered, _ = read(agreement, answer)
    (kept,) = discovered.catalog.templates
    assert kept.key.startswith("a:")
    assert reasons(discovered) == ["more than 16 expressions in a template"]


@pytest.mark.requirement("C38")
def test_a_tool_with_a_wrong_header_annotation_is_left_out_alone() -> None:
    def schema(header: object) -> dict[str, object]:
        properties = {"region": {"type": "string", "x-mcp-header": header}}
        return {"type": "object", "properties": properties}

    tools: list[object] = [
        {"name": "good", "inputSchema": schema("Region")},
        {"name": "bad", "inputSchema": schema("no header name")},
        {"name": "plain", "inputSchema": {"type": "object"}},
    ]
    discovered, _ = read(TOOLS, pages(tools))
    assert names(discovered) == ["good", "plain"]
    assert reasons(discovered) == ["x-mcp-header of 'region' is no header name"]


@pytest.mark.requirement("C33")
@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("text", "not an object"),
        ({"title": "x"}, "no name"),
        ({"name": ""}, "no name"),
        ({"name": 7}, "no name"),
        ({"name": "a"}, "doubled name: the first one counts"),
        ({"name": "x" * 10_000}, "name too long"),
        ({"name": "big", "description": "x" * 2**20}, "too large"),
    ],
)
def test_a_bad_entry_is_left_out_alone(entry: object, reason: str) -> None:
    discovered, _ = read(TOOLS, pages([{"name": "a", "n": 1}, entry, {"name": "z"}]))
    assert names(discovered) == ["a", "z"]
    assert discovered.catalog.tools[0].members["n"] == Raw(b"1")
    assert reasons(discovered) == [reason]
    assert len(discovered.skipped[0].key) <= 80


@pytest.mark.requirement("C36")
def test_a_schema_three_thousand_deep_is_left_out_alone() -> None:
    schema: Any = {}
    for _ in range(300):
        schema = {"properties": {"x": [schema]}}
    tools = [{"name": "deep", "inputSchema": schema}, {"name": "flat"}]
    discovered, _ = read(TOOLS, pages(cast("list[object]", tools)))
    assert names(discovered) == ["flat"]
    assert reasons(discovered) == ["nested too deep"]


@pytest.mark.requirement("C33")
def test_strange_names_are_kept_for_the_router_to_judge() -> None:
    tools: list[object] = [{"name": "a b"}, {"name": "x__y"}, {"name": "\u202e"}]
    discovered, _ = read(TOOLS, pages(tools))
    assert names(discovered) == ["a b", "x__y", "\u202e"]
    assert discovered.irregular == ("a b", "\u202e")


@pytest.mark.requirement("C33")
def test_names_no_client_takes_are_reported_and_those_of_resources_are_not_names() -> (
    None
):
    def answer(ask: Ask) -> Told:
        member = ask.method.partition("/")[0]
        key = {"tools": "name", "prompts": "name"}.get(member, "uri")
        found = [{key: each} for each in ("ok-1.x_Y", "a/b", "x" * 129, "x" * 128)]
        if ask.method == "resources/templates/list":
            return Told(result=raw({"resourceTemplates": []}))
        return Told(result=raw({member: found}))

    discovered, _ = read(ALL, answer)
    assert discovered.irregular == ("a/b", "x" * 129) * 2


@pytest.mark.requirement("C36")
def test_no_reference_of_a_schema_is_followed() -> None:
    schema = Raw(
        b'{"$ref":"https://evil.example/s.json","properties":{"a":{"$ref":"#"},'
        b'"b":{"pattern":"(a+)+$"}},"$defs":{"x":{"$ref":"#/$defs/x"}}}'
    )
    tools: list[object] = [{"name": "t", "inputSchema": schema}]
    discovered, asked = read(TOOLS, pages(tools))
    assert discovered.catalog.tools[0].members["inputSchema"] == schema
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("value", "depth"),
    [
        (b"1", 0),
        (b"[]", 1),
        (b'{"a":[{}],"b":[]}', 3),
        (b'["[[[[{{{{"]', 1),
        (b'["\\"[[[",{}]', 2),
        (b'["\\\\",[]]', 2),
    ],
)
def test_depth_is_counted_outside_of_texts(value: bytes, depth: int) -> None:
    assert depth_of(Raw(value)) == depth
    assert not is_deeper(Raw(value), depth)
    assert depth == 0 or is_deeper(Raw(value), depth - 1)


@pytest.mark.requirement("C35")
def test_descriptions_lose_what_cannot_be_seen_and_names_stay() -> None:
    tools: list[object] = [
        {"name": "a\u202e", "description": "harm\u200bless\x00\U000e0041\n\tx"},
        {"name": "b", "title": "x" * 70_000},
        {"name": "c", "description": "caf\u00e9 \U0001f469\u200d\U0001f4bb"},
        {"name": "d", "description": 7},
    ]
    discovered, _ = read(TOOLS, pages(tools))
    found = discovered.catalog.tools
    assert found[0].key == "a\u202e"
    assert found[0].members["description"] == raw("harmless\n\tx")
    assert found[1].members["title"] == raw("x" * 65_535 + "\u2026")
    assert found[2].members["description"] == raw(
        "caf\u00e9 \U0001f469\u200d\U0001f4bb"
    )
    assert found[3].members["description"] == Raw(b"7")
    assert discovered.cleaned == ("a\u202e", "b")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert not is_deeper(Raw(b"[" + b",".join([b"[]"] * 500) + b"]"), 100)


@pytest.mark.requirement("C36")
@pytest.mark.parametrize("junk", [b"1,", b"{},"])
def test_a_huge_page_of_junk_is_refused_unread(junk: bytes) -> None:
    page = Raw(b'{"tools":[%b1]}' % (junk * 700_000))
    with pytest.raises(ProtocolError, match="too many entries"):
        read(TOOLS, lambda _: Told(result=page))


@pytest.mark.requirement("C36")
def test_a_huge_page_of_long_entries_is_read() -> None:
    words = "some words, and some more, "
    tools: list[object] = [
        {"name": f"t{n}", "description": words} for n in range(20_000)
    ]
    discovered, _ = read(TOOLS, pages(tools))
    assert len(discovered.catalog.tools) == 10_000
