"""Messages to the router actor."""

from collections.abc import Callable

import msgspec

from bridge.contract.access import AccessRule, ToolLimits
from bridge.contract.catalog import Catalog
from bridge.contract.upstream import UpstreamAddress, UpstreamState
from bridge.protocol.frame import Frame


class UpstreamUp(msgspec.Struct, frozen=True, kw_only=True):
    """Connected, handshaken and read: its names are served from now on."""

    address: UpstreamAddress
    epoch: int
    catalog: Catalog


class CatalogChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The same connection offers something else now."""

    name: str
    epoch: int
    catalog: Catalog


class UpstreamDown(msgspec.Struct, frozen=True, kw_only=True):
    """Not served now. Its last catalog stays listed until ``stale_after``.

    ``address`` is set from the first message on, so that the router can tell an
    upstream that exists from one that was removed. ``retry_at`` is trio time.
    """

    address: UpstreamAddress
    epoch: int
    state: UpstreamState
    reason: str
    retry_at: float | None = None


class Succeeded(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream at this address serves the name now, whatever its state.

    Until then the router keeps to the edition before, as long as that is up; a
    successor that comes up takes over without being told.
    """

    address: UpstreamAddress


class Overtaken(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream at this address serves no more; it may not know that yet.

    It has been removed, or was a successor whose turn never came.
    """

    address: UpstreamAddress


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """``heard`` is called once everything sent before has taken effect."""

    heard: Callable[[], None]


class Notified(msgspec.Struct, frozen=True, kw_only=True):
    """A notification that is of no single call (``resources/updated``, log)."""

    name: str
    epoch: int
    frame: Frame


class UpstreamPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What configuration says about an upstream's place in the namespace.

    A namespace of ``""`` keeps names unchanged. ``slug`` is the name as it stands in
    addresses (R25).
    """

    name: str
    slug: str = ""
    tool_namespace: str
    prompt_namespace: str
    resource_namespace: str
    priority: int = 100
    tags: frozenset[str] = frozenset()
    stale_after: float = 900.0  # seconds an absent upstream stays listed
    tool_limits: ToolLimits = ToolLimits()


class Reconfigured(msgspec.Struct, frozen=True, kw_only=True):
    """The upstreams in configuration order, and the rules of the namespace."""

    policies: tuple[UpstreamPolicy, ...]
    conflict_resolution: str = "namespace"
    separator: str = "__"
    aggregate: frozenset[str] = frozenset({"tools", "prompts", "resources"})
    access: tuple[AccessRule, ...] = ()  # empty: everybody sees everything


class SubscriptionsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A session subscribed, unsubscribed, set a log level, or left."""


RouterMessage = (
    UpstreamUp
    | CatalogChanged
    | UpstreamDown
    | Succeeded
    | Overtaken
    | Checkpoint
    | Notified
    | Reconfigured
    | SubscriptionsChanged
)
