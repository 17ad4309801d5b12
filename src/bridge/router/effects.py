"""Whether a call may be made twice without harm. Pure.

What changes nothing, or nothing more the second time, may: reading a resource, getting
a prompt, completing, and a tool its upstream calls read-only or idempotent
(``annotations``, MCP 2025-11-25 "Tool Annotations"). The word is the upstream's own,
so the bridge repeats such a call only where the configuration agrees (``repeatCalls``).
"""

import msgspec

from bridge.contract.catalog import Entry


class _Annotations(msgspec.Struct, rename="camel"):
    read_only_hint: bool | None = None
    idempotent_hint: bool | None = None


def tool_is_repeatable(entry: Entry) -> bool:
    """What the tool's annotations say; nothing, or nothing readable: no."""
    found = entry.members.get("annotations")
    if found is None:
        return False
    try:
        said = msgspec.json.decode(found, type=_Annotations)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return said.read_only_hint is True or said.idempotent_hint is True
