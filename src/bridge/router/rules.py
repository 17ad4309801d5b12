"""What the configuration says about the namespace. Pure."""

from bridge.config.model import AggregationConfig, BridgeConfig, Config, UpstreamConfig
from bridge.config.names import slug
from bridge.contract.router import Reconfigured, UpstreamPolicy
from bridge.router.limits import access_rules, tool_limits


def rules_of(config: Config) -> Reconfigured:
    """The enabled upstreams in file order, and the rules of their namespace."""
    bridge = config.bridge
    return Reconfigured(
        policies=tuple(
            policy_of(upstream, bridge)
            for upstream in config.upstreams
            if upstream.enabled
        ),
        conflict_resolution=bridge.conflict_resolution,
        separator=bridge.separator,
        aggregate=_aggregated(bridge.aggregation),
        access=access_rules(bridge.access),
    )


def policy_of(upstream: UpstreamConfig, bridge: BridgeConfig) -> UpstreamPolicy:
    """One upstream's place: its own namespaces, else its name or none (R118)."""
    default = upstream.name if bridge.default_namespace else ""

    def namespace(configured: str | None) -> str:
        return default if configured is None else configured

    return UpstreamPolicy(
        name=upstream.name,
        slug=slug(upstream.name),
        tool_namespace=namespace(upstream.tool_namespace),
        prompt_namespace=namespace(upstream.prompt_namespace),
        resource_namespace=namespace(upstream.resource_namespace),
        priority=upstream.priority,
        tags=frozenset(upstream.tags),
        stale_after=upstream.stale_after,
        tool_limits=tool_limits(upstream, bridge),
    )


def _aggregated(aggregation: AggregationConfig) -> frozenset[str]:
    kinds = {
        "tools": aggregation.tools,
        "prompts": aggregation.prompts,
        "resources": aggregation.resources,
    }
    return frozenset(kind for kind, wanted in kinds.items() if wanted)
