"""What one upstream offers, carried unopened."""

import msgspec
from msgspec import Raw

from bridge.contract.pins import PinnedKind


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One tool, prompt, resource or template.

    ``key`` identifies it at its upstream: the name of a tool or prompt, the URI of a
    resource, the URI template of a template. ``members`` is the object as the
    upstream sent it, one level decoded, so that unknown members survive.
    """

    key: str
    members: dict[str, Raw]


class Held(msgspec.Struct, frozen=True):
    """A definition that waits for approval: its name stays its upstream's, but nobody
    is shown it and its calls are refused."""

    kind: PinnedKind
    key: str


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one upstream listed, in its own order, keys unique per kind.

    What is in ``held`` is in none of the lists.
    """

    tools: tuple[Entry, ...] = ()
    prompts: tuple[Entry, ...] = ()
    resources: tuple[Entry, ...] = ()
    templates: tuple[Entry, ...] = ()
    held: tuple[Held, ...] = ()
    capabilities: dict[str, Raw] = {}
    server_info: Raw = Raw(b"{}")
    instructions: str = ""
    revision: str = ""
