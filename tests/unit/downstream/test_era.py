"""Which era a request speaks."""

import pytest
from msgspec import UNSET, Raw, UnsetType

from bridge.downstream.era import is_modern, names_modern, names_unknown
from bridge.protocol.frame import Frame

KEY = b'"io.modelcontextprotocol/protocolVersion":"2026-07-28"'


@pytest.mark.requirement("B16")
@pytest.mark.parametrize(
    ("params", "version", "modern"),
    [
        (UNSET, None, False),
        (UNSET, "2025-11-25", False),
        (UNSET, "2026-07-28", True),
        (Raw(b"{}"), None, False),
        (Raw(b'{"_meta":{' + KEY + b"}}"), None, True),
        (Raw(b'{"arguments":{' + KEY + b"}}"), None, False),
        (Raw(b'{"_meta":{"x":{' + KEY + b"}}}"), None, False),
        (Raw(b"[{" + KEY + b"}]"), None, False),
    ],
)
def test_an_era_is_told_by_header_or_meta(
    params: Raw | UnsetType, version: str | None, *, modern: bool
) -> None:
    frame = Frame(id=1, method="tools/list", params=params)
    assert is_modern(frame, version) is modern


def test_versions_are_known_or_not() -> None:
    assert not names_unknown(None)
    assert not names_unknown("2024-11-05")
    assert not names_unknown("2026-07-28")
    assert names_unknown("2025-11-26")
    assert names_unknown("")
    assert not names_modern(None)
