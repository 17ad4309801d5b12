"""When to ask an upstream whether it is well, and when it counts as lost. Pure.

Two clocks: the *keepalive* rests while anything at all is heard, the *probe* while
calls are answered. Failures of both count together; any success forgives them.
"""

from enum import Enum

import msgspec
from mcp_types import METHOD_NOT_FOUND
from msgspec import Raw
from msgspec.structs import replace

from bridge.config.model import HealthCheckConfig, UpstreamConfig
from bridge.errors import FrameInvalid
from bridge.protocol.dialogue import Ask, Told
from bridge.protocol.frame import members
from bridge.protocol.handshake import Agreement

_LISTS = {
    "list_tools": ("tools", "tools/list"),
    "list_prompts": ("prompts", "prompts/list"),
    "list_resources": ("resources", "resources/list"),
}
_HTTP = frozenset({"health", "status"})
_LEAST = 1.0  # seconds: a smaller interval is a mistake, not a wish


class Check(Enum):
    """What is due."""

    PING = "ping"
    PROBE = "probe"


class HttpProbe(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request that tells how the server is (R15)."""

    method: str
    path: str
    expected_status: int
    expected_content: str


class HealthPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one upstream, in seconds."""

    enabled: bool = True
    probe_every: float = 30.0
    probe_timeout: float = 5.0
    ping_every: float = 60.0
    ping_timeout: float = 10.0
    allowed: int = 3


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """``heard_at``: any frame; ``answered_at``: a good answer; then our own tries."""

    heard_at: float
    answered_at: float
    pinged_at: float
    probed_at: float
    failures: int = 0


def plan_of(config: UpstreamConfig) -> HealthPlan:
    """The plan an upstream's ``healthCheck`` describes."""
    check = config.health_check
    return HealthPlan(
        enabled=check.enabled,
        probe_every=max(check.interval, _LEAST),
        probe_timeout=check.timeout,
        ping_every=max(check.keep_alive_interval, _LEAST),
        ping_timeout=check.keep_alive_timeout,
        allowed=check.max_consecutive_failures,
    )


def newborn(
    now: float, *, plan: HealthPlan | None = None, chance: float = 0.0
) -> Health:
    """The health of a connection that was just made.

    ``chance`` in [0, 1) moves its beat: of many upstreams that were connected at the
    same moment, each has its own, so that their probes come spread over the interval.
    """
    plan = plan or HealthPlan()
    probed = now - chance * plan.probe_every
    pinged = now - chance * plan.ping_every
    return Health(
        heard_at=pinged, answered_at=probed, pinged_at=pinged, probed_at=probed
    )


def heard(health: Health, now: float) -> Health:
    """Something came in: the link lives."""
    return replace(health, heard_at=now)


def answered(health: Health, now: float) -> Health:
    """A request was answered well: the server lives."""
    return replace(health, heard_at=now, answered_at=now, failures=0)


def failed(health: Health) -> Health:
    """A ping or a probe failed."""
    return replace(health, failures=health.failures + 1)


def began(health: Health, check: Check, now: float) -> Health:
    """A ping or a probe was sent."""
    if check is Check.PING:
        return replace(health, pinged_at=now)
    return replace(health, probed_at=now)


def is_lost(plan: HealthPlan, health: Health) -> bool:
    """Too many failures in a row: connect anew."""
    return health.failures >= max(plan.allowed, 1)


def next_check(plan: HealthPlan, health: Health) -> tuple[float, Check] | None:
    """When something is due, and what; None: never."""
    if not plan.enabled:
        return None
    probe_at = max(health.answered_at, health.probed_at) + plan.probe_every
    ping_at = max(health.heard_at, health.pinged_at) + plan.ping_every
    if probe_at <= ping_at:
        return probe_at, Check.PROBE
    return ping_at, Check.PING


def probe_of(
    config: HealthCheckConfig, agreement: Agreement, *, http: bool
) -> Ask | HttpProbe:
    """What the configured ``operation`` asks; a ping where it cannot be asked."""
    operation = config.operation
    if operation in _HTTP and http and config.http_path:
        return HttpProbe(
            method=config.http_method,
            path=config.http_path,
            expected_status=config.expected_status,
            expected_content=config.expected_content,
        )
    if operation in _LISTS:
        capability, method = _LISTS[operation]
        return Ask(method) if agreement.offers(capability) else Ask("ping")
    return _call_of(config) or Ask("ping")


def _call_of(config: HealthCheckConfig) -> Ask | None:
    match config.operation:
        case "call_tool" if config.tool_name:
            arguments = config.tool_arguments
            params = {"name": config.tool_name, "arguments": arguments}
            return Ask("tools/call", params)
        case "read_resource" if config.resource_uri:
            return Ask("resources/read", {"uri": config.resource_uri})
        case "get_prompt" if config.prompt_name:
            arguments = config.prompt_arguments
            params = {"name": config.prompt_name, "arguments": arguments}
            return Ask("prompts/get", params)
        case _:
            return None


def objection(told: Told) -> str:
    """What is wrong with the answer to a probe; empty: the server is well.

    A method the server does not know was answered, too: it lives.
    """
    if told.result is None:
        return "" if told.code == METHOD_NOT_FOUND else f"error {told.code}"
    try:
        is_error = members(told.result).get("isError") == Raw(b"true")
    except FrameInvalid:
        return "not understood"
    return "the tool says isError" if is_error else ""


def http_objection(probe: HttpProbe, status: int, body: bytes) -> str:
    """What is wrong with an HTTP answer; empty: the server is well."""
    if status != probe.expected_status:
        return f"status {status}"
    expected = probe.expected_content.encode()
    return "" if expected in body else "the expected content is missing"
