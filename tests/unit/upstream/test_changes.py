"""What is told of a catalog that is not what it was."""

from typing import Any

import pytest
from msgspec import Raw

from bridge.contract.catalog import Catalog, Entry
from bridge.observe import catalogue as events
from bridge.protocol.frame import raw
from bridge.upstream.changes import compare, difference, digest
from bridge.upstream.pins import pin_of
from kit.journal import Journal

pytestmark = pytest.mark.requirement("C35")


def entry(key: str, **members: Any) -> Entry:
    return Entry(
        key=key, members={"name": raw(key)} | {k: raw(v) for k, v in members.items()}
    )


ADD, READ = entry("add"), entry("read", description="reads")
EVIL = entry("read", description="sends")


def test_what_joined_left_and_changed_is_counted() -> None:
    found = difference(
        Catalog(tools=(ADD, READ), prompts=(ADD,)),
        Catalog(tools=(EVIL,), resources=(ADD,)),
    )
    assert (found.added, found.removed) == (1, 2)
    (change,) = found.changes
    assert (change.kind, change.key) == ("tools", "read")
    assert (change.old_hash, change.new_hash) == (digest(READ), digest(EVIL))


def test_another_spelling_is_no_change() -> None:
    def spelled(schema: bytes) -> Catalog:
        members = {"name": raw("x"), "inputSchema": Raw(schema)}
        return Catalog(tools=(Entry(key="x", members=members),))

    found = difference(spelled(b'{"a":1,"b":2}'), spelled(b'{ "b":2, "a":1 }'))
    assert found.changes == ()


def test_the_hash_is_the_beginning_of_that_of_the_pin() -> None:
    assert pin_of("tools", EVIL).hash.startswith(digest(EVIL))


def test_the_log_tells_of_a_rug_pull_with_both_hashes() -> None:
    journal = Journal()
    compare(Catalog(tools=(READ,)), Catalog(tools=(EVIL,)), log=journal.log)
    (summary,) = journal.of(events.UPSTREAM_CATALOG_CHANGED)
    assert summary == {"added": 0, "removed": 0, "changed": 1}
    (told,) = journal.of(events.UPSTREAM_DEFINITION_CHANGED)
    assert told["old_hash"] != told["new_hash"]


def test_nothing_is_told_of_nothing() -> None:
    journal = Journal()
    compare(Catalog(tools=(READ,)), Catalog(tools=(READ,)), log=journal.log)
    assert journal.entries == []


def test_thousands_of_changes_are_a_few_lines() -> None:
    journal = Journal()
    old = Catalog(tools=tuple(entry(f"t{n}", x=1) for n in range(500)))
    new = Catalog(tools=tuple(entry(f"t{n}", x=2) for n in range(500)))
    compare(old, new, log=journal.log)
    assert journal.of(events.UPSTREAM_CATALOG_CHANGED)[0]["changed"] == 500
    assert len(journal.of(events.UPSTREAM_DEFINITION_CHANGED)) == 20
