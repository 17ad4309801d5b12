"""What may be called twice without harm."""

import pytest

from bridge.contract.catalog import Entry
from bridge.protocol.frame import raw
from bridge.router.effects import tool_is_repeatable


@pytest.mark.parametrize(
    ("annotations", "repeatable"),
    [
        ({"readOnlyHint": True}, True),
        ({"idempotentHint": True, "destructiveHint": True}, True),
        ({"readOnlyHint": False, "idempotentHint": True}, True),
        ({"readOnlyHint": False}, False),
        ({"openWorldHint": True}, False),
        ({}, False),
        ({"readOnlyHint": "yes"}, False),
        ("nonsense", False),
        (None, False),
    ],
)
def test_a_tool_is_repeatable_only_where_its_upstream_says_so(
    annotations: object, *, repeatable: bool
) -> None:
    tool = Entry(key="t", members={"annotations": raw(annotations)})
    assert tool_is_repeatable(tool) is repeatable


def test_a_tool_without_annotations_is_not_repeatable() -> None:
    assert not tool_is_repeatable(Entry(key="t", members={}))
