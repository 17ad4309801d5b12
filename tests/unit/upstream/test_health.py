"""When to look after an upstream, and what its answers mean."""

import pytest
from msgspec import Raw

from bridge.config.model import HealthCheckConfig, UpstreamConfig
from bridge.protocol.dialogue import Ask, Told
from bridge.protocol.frame import raw
from bridge.protocol.handshake import Agreement
from bridge.upstream.health import (
    Check,
    HealthPlan,
    HttpProbe,
    answered,
    began,
    failed,
    heard,
    http_objection,
    is_lost,
    newborn,
    next_check,
    objection,
    plan_of,
    probe_of,
)

PLAN = HealthPlan(probe_every=30, ping_every=60)
ALL = Agreement(
    revision="2025-11-25",
    capabilities={name: Raw(b"{}") for name in ("tools", "prompts", "resources")},
)


@pytest.mark.requirement("R135", "R15")
def test_the_settings_are_read_in_milliseconds() -> None:
    check = HealthCheckConfig(
        interval_ms=10_000,
        timeout_ms=2_000,
        keep_alive_interval_ms=20_000,
        keep_alive_timeout_ms=3_000,
        max_consecutive_failures=5,
    )
    assert plan_of(UpstreamConfig(health_check=check)) == HealthPlan(
        probe_every=10,
        probe_timeout=2,
        ping_every=20,
        ping_timeout=3,
        allowed=5,
    )


def test_an_interval_of_nothing_is_a_mistake() -> None:
    check = HealthCheckConfig(interval_ms=0, keep_alive_interval_ms=-1)
    plan = plan_of(UpstreamConfig(health_check=check))
    assert (plan.probe_every, plan.ping_every) == (1, 1)


def test_a_probe_is_due_when_no_call_was_answered_for_its_interval() -> None:
    health = newborn(0.0)
    assert next_check(PLAN, health) == (30, Check.PROBE)
    assert next_check(PLAN, answered(health, 20.0)) == (50, Check.PROBE)
    assert next_check(PLAN, began(health, Check.PROBE, 30.0)) == (60, Check.PROBE)


def test_a_ping_is_due_when_nothing_was_heard_for_its_interval() -> None:
    plan = HealthPlan(probe_every=1000, ping_every=60)
    health = newborn(0.0)
    assert next_check(plan, health) == (60, Check.PING)
    assert next_check(plan, heard(health, 20.0)) == (80, Check.PING)
    assert next_check(plan, began(health, Check.PING, 60.0)) == (120, Check.PING)


def test_switched_off_nothing_is_due() -> None:
    assert next_check(HealthPlan(enabled=False), newborn(0.0)) is None


def test_failures_in_a_row_are_a_loss_and_a_success_forgives() -> None:
    health = newborn(0.0)
    for _ in range(3):
        assert not is_lost(PLAN, health)
        health = failed(health)
    assert is_lost(PLAN, health)
    assert not is_lost(PLAN, answered(health, 1.0))
    assert not is_lost(HealthPlan(allowed=0), newborn(0.0))


@pytest.mark.requirement("R15", "R135")
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (HealthCheckConfig(), Ask("tools/list")),
        (HealthCheckConfig(operation="list_prompts"), Ask("prompts/list")),
        (HealthCheckConfig(operation="list_resources"), Ask("resources/list")),
        (HealthCheckConfig(operation="ping"), Ask("ping")),
        (
            HealthCheckConfig(
                operation="call_tool", tool_name="t", tool_arguments={"a": 1}
            ),
            Ask("tools/call", {"name": "t", "arguments": {"a": 1}}),
        ),
        (HealthCheckConfig(operation="call_tool"), Ask("ping")),
        (
            HealthCheckConfig(operation="read_resource", resource_uri="a:1"),
            Ask("resources/read", {"uri": "a:1"}),
        ),
        (HealthCheckConfig(operation="read_resource"), Ask("ping")),
        (
            HealthCheckConfig(
                operation="get_prompt", prompt_name="p", prompt_arguments={"a": "1"}
            ),
            Ask("prompts/get", {"name": "p", "arguments": {"a": "1"}}),
        ),
        (HealthCheckConfig(operation="get_prompt"), Ask("ping")),
        (
            HealthCheckConfig(operation="health", http_path="/h", http_method="HEAD"),
            HttpProbe(
                method="HEAD", path="/h", expected_status=200, expected_content=""
            ),
        ),
        (HealthCheckConfig(operation="status"), Ask("ping")),
    ],
)
def test_each_operation_has_its_probe(
    config: HealthCheckConfig, expected: Ask | HttpProbe
) -> None:
    assert probe_of(config, ALL, http=True) == expected


def test_what_cannot_be_asked_is_a_ping() -> None:
    nothing = Agreement(revision="2025-11-25")
    assert probe_of(HealthCheckConfig(), nothing, http=False) == Ask("ping")
    over_http = HealthCheckConfig(operation="health", http_path="/h")
    assert probe_of(over_http, ALL, http=False) == Ask("ping")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Told(result=raw({})), ""),
        (Told(result=raw({"content": [], "isError": False})), ""),
        (Told(result=raw({"isError": True})), "the tool says isError"),
        (Told(result=raw(["isError"])), "not understood"),
        (Told(error=raw({"code": -32601})), ""),
        (Told(error=raw({"code": -32603})), "error -32603"),
        (Told(error=Raw(b'"\xff"')), "error None"),
    ],
)
def test_what_an_answer_means(told: Told, expected: str) -> None:
    assert objection(told) == expected


@pytest.mark.requirement("R135")
def test_what_an_http_answer_means() -> None:
    probe = HttpProbe(
        method="GET", path="/", expected_status=200, expected_content="ok"
    )
    assert http_objection(probe, 200, b"it is ok") == ""
    assert http_objection(probe, 204, b"it is ok") == "status 204"
    assert "missing" in http_objection(probe, 200, b"")
