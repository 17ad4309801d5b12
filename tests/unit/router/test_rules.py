import pytest

from bridge.config.model import AggregationConfig, BridgeConfig, Config
from bridge.config.server import UpstreamConfig
from bridge.router.policy import View
from bridge.router.rules import policy_of, rules_of


@pytest.mark.requirement("R118")
def test_the_default_namespace_is_the_servers_name() -> None:
    made = policy_of(UpstreamConfig(name="git hub"), BridgeConfig())
    assert made.tool_namespace == "git hub"
    assert made.prompt_namespace == "git hub"
    assert made.resource_namespace == "git hub"


@pytest.mark.requirement("R118")
def test_without_default_namespaces_names_stay_as_they_are() -> None:
    bridge = BridgeConfig(default_namespace=False)
    made = policy_of(UpstreamConfig(name="a", prompt_namespace="p"), bridge)
    assert (made.tool_namespace, made.prompt_namespace) == ("", "p")


def test_an_empty_namespace_is_not_an_absent_one() -> None:
    made = policy_of(UpstreamConfig(name="a", tool_namespace=""), BridgeConfig())
    assert made.tool_namespace == ""


@pytest.mark.requirement("R25")
def test_a_server_is_found_by_its_name_and_by_its_form_in_addresses() -> None:
    made = policy_of(UpstreamConfig(name="Git Hub"), BridgeConfig())
    assert View(server="Git Hub").admits(made)
    assert View(server="git-hub").admits(made)
    assert not View(server="git").admits(made)


@pytest.mark.requirement("R129")
def test_rules_hold_the_enabled_servers_and_the_wanted_kinds() -> None:
    config = Config(
        upstreams=(
            UpstreamConfig(name="a", tags=("x",), priority=3, stale_after=9.0),
            UpstreamConfig(name="off", enabled=False),
        ),
        bridge=BridgeConfig(
            conflict_resolution="priority",
            separator=".",
            aggregation=AggregationConfig(prompts=False),
        ),
    )
    rules = rules_of(config)
    [only] = rules.policies
    assert (only.name, only.priority, only.stale_after) == ("a", 3, 9.0)
    assert only.tags == {"x"}
    assert (rules.conflict_resolution, rules.separator) == ("priority", ".")
    assert rules.aggregate == {"tools", "resources"}
