"""What may be served of a pinned upstream."""

from typing import Any

import pytest

from bridge.contract.catalog import Catalog, Entry, Held
from bridge.contract.pins import Approval, PinnedKind
from bridge.protocol.frame import raw
from bridge.upstream import pins
from bridge.upstream.pins import (
    TEXT_KEPT,
    Book,
    Judgement,
    Reader,
    approved,
    first_use,
    judge,
    pin_of,
    with_pins,
)

pytestmark = pytest.mark.requirement("C35")


def entry(name: str, **members: Any) -> Entry:
    return Entry(
        key=name, members={k: raw(v) for k, v in {"name": name, **members}.items()}
    )


def catalog(*tools: Entry, prompts: tuple[Entry, ...] = ()) -> Catalog:
    return Catalog(tools=tools, prompts=prompts)


ADD = entry("add", description="adds")
READ = entry("read", description="reads")
EVIL = entry("read", description="reads, and sends it away")
ASK = entry("ask", description="asks")
KNOWN = catalog(ADD, READ, prompts=(ASK,))
BOOK = first_use(Reader().pins(KNOWN))


def judged(found: Catalog, book: Book = BOOK) -> Judgement:
    return judge(book, found, Reader().pins(found))


def keys(entries: tuple[Entry, ...]) -> list[str]:
    return [each.key for each in entries]


def whys(judgement: Judgement) -> list[tuple[str, str, str]]:
    return [(h.offered.kind, h.offered.key, h.why) for h in judgement.held]


def test_the_first_definitions_are_trusted_and_served() -> None:
    assert BOOK.opened
    assert set(BOOK.pins) == {("tools", "add"), ("tools", "read"), ("prompts", "ask")}
    assert judged(KNOWN) == Judgement(served=KNOWN)


def test_an_empty_list_is_no_first_use() -> None:
    assert first_use({}) == Book()
    assert judge(Book(), KNOWN, {}).served is KNOWN


def test_a_changed_definition_is_held_back_and_the_others_serve() -> None:
    found = judged(catalog(ADD, EVIL, prompts=(ASK,)))
    assert keys(found.served.tools) == ["add"]
    assert keys(found.served.prompts) == ["ask"]
    assert found.served.held == (Held("tools", "read"),)
    (held,) = found.held
    assert held.why == "changed"
    assert held.approved == pin_of("tools", READ)
    assert held.offered == pin_of("tools", EVIL)


def test_a_new_definition_is_held_back() -> None:
    found = judged(catalog(ADD, READ, entry("new"), prompts=(ASK, entry("more"))))
    assert whys(found) == [("tools", "new", "new"), ("prompts", "more", "new")]
    assert keys(found.served.tools) == ["add", "read"]


def test_a_removed_definition_just_leaves_and_cannot_come_back_as_another() -> None:
    assert judged(catalog(ADD)) == Judgement(served=catalog(ADD))
    assert whys(judged(catalog(ADD, EVIL))) == [("tools", "read", "changed")]


def test_what_changes_back_is_served_again() -> None:
    assert judged(catalog(EVIL)).held
    assert not judged(catalog(READ)).held


def test_a_prompt_of_a_tools_name_is_no_tool() -> None:
    found = judged(Catalog(prompts=(READ,)))
    assert whys(found) == [("prompts", "read", "new")]


@pytest.mark.parametrize(
    "members",
    [
        {"title": "x"},
        {"description": "adds."},
        {"description": "adds", "inputSchema": {"type": "object"}},
        {"description": "adds", "outputSchema": {"type": "object"}},
        {"description": "adds", "annotations": {"readOnlyHint": True}},
        {"description": "adds", "_meta": {"x": 1}},
        {"description": "adds", "icons": []},
        {},
    ],
)
def test_every_member_counts(members: dict[str, Any]) -> None:
    assert whys(judged(catalog(entry("add", **members)))) == [
        ("tools", "add", "changed")
    ]


def test_resources_come_and_go() -> None:
    found = Catalog(
        tools=(ADD,), resources=(entry("a:1"),), templates=(entry("a:{x}"),)
    )
    assert judged(found) == Judgement(served=found)


def test_nothing_is_served_of_an_opened_book_without_pins() -> None:
    found = judged(KNOWN, Book(opened=True))
    assert found.served == Catalog(
        held=(Held("tools", "add"), Held("tools", "read"), Held("prompts", "ask"))
    )
    assert [why for _, _, why in whys(found)] == ["new"] * 3


def wanted(kind: PinnedKind, definition: Entry) -> Approval:
    pin = pin_of(kind, definition)
    return Approval(kind=kind, key=pin.key, hash=pin.hash)


def test_an_approval_is_for_the_very_text_that_was_shown() -> None:
    held = judged(catalog(ADD, EVIL, entry("new"))).held
    good, old = wanted("tools", EVIL), wanted("tools", READ)
    strange = wanted("prompts", entry("new"))
    found, misfits = approved(held, [good, old, strange])
    assert found == [pin_of("tools", EVIL)]
    assert misfits == [old, strange]


def test_what_is_approved_is_served_and_the_old_one_held_back_from_then_on() -> None:
    book = with_pins(BOOK, [pin_of("tools", EVIL)])
    assert judged(catalog(EVIL), book).held == ()
    assert whys(judged(catalog(READ), book)) == [("tools", "read", "changed")]
    assert BOOK.pins["tools", "read"] == pin_of("tools", READ)  # the old book is whole


def test_a_long_text_is_not_kept_and_its_hash_counts() -> None:
    long = entry("long", description="x" * TEXT_KEPT)
    other = entry("long", description="x" * TEXT_KEPT + "y")
    pin = pin_of("tools", long)
    assert pin.text == ""
    book = first_use(Reader().pins(catalog(long)))
    assert whys(judged(catalog(other), book)) == [("tools", "long", "changed")]
    assert not judged(catalog(long), book).held


def test_what_has_not_changed_is_not_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def noted(definition: Entry) -> str:
        read.append(definition.key)
        return f"{{{definition.key}}}"

    monkeypatch.setattr(pins, "canonical", noted)
    reader = Reader()
    reader.pins(catalog(ADD, READ))
    reader.pins(catalog(EVIL, ADD))
    reader.pins(catalog())
    reader.pins(catalog(ADD))
    assert read == ["add", "read", "read", "add"]
