"""One text for one definition, however its JSON was written. Pure.

Two definitions with the same canonical text mean the same to every reader of JSON: the
order of members and the spelling of texts and numbers do not count. Where readers may
differ (a member given twice, a number of thousands of digits) every byte counts.
"""

import json
from hashlib import sha256
from typing import Any

from bridge.contract.catalog import Entry
from bridge.protocol.frame import raw

#: How a text of bytes begins; a canonical text begins with a brace.
_BYTES = "bytes "


class _Doubled(ValueError):
    """A member stands twice in one object: readers differ in which one counts."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Doubled
    return found


def canonical(entry: Entry) -> str:
    """The definition as a text: JSON, or ``bytes`` and the JSON as it was sent."""
    written = bytes(raw(entry.members)).decode("utf-8", "replace")
    try:
        tree = json.loads(written, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return _BYTES + written
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(text: str) -> str:
    """The SHA-256 of a canonical text, as hex."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
