"""The metrics text: what is counted, and that labels stay bounded."""

import pytest

from bridge.observe.metrics import Metrics
from bridge.observe.readings import Readings, Stalls, UpstreamReading


def lines(metrics: Metrics) -> list[str]:
    return metrics.text().decode().splitlines()


def test_calls_are_counted_by_upstream_and_outcome_with_their_time() -> None:
    metrics = Metrics()
    metrics.call_finished("time", "ok", seconds=0.02)
    metrics.call_finished("time", "ok", seconds=3)
    metrics.call_finished("time", "timeout", seconds=60)
    text = lines(metrics)
    assert 'bridge_calls_total{outcome="ok",upstream="time"} 2.0' in text
    assert 'bridge_calls_total{outcome="timeout",upstream="time"} 1.0' in text
    assert 'bridge_call_seconds_bucket{le="0.025",upstream="time"} 1.0' in text
    assert 'bridge_call_seconds_count{upstream="time"} 3.0' in text


@pytest.mark.parametrize(("up", "value"), [(True, "1.0"), (False, "0.0")])
def test_an_upstream_is_up_or_down(up: bool, value: str) -> None:  # noqa: FBT001 - a case
    metrics = Metrics()
    metrics.upstream_is("time", up=up, reconnections=2)
    text = lines(metrics)
    assert f'bridge_upstream_up{{upstream="time"}} {value}' in text
    assert 'bridge_upstream_reconnections{upstream="time"} 2.0' in text


@pytest.mark.requirement("E7")
def test_gauges_are_read_when_the_text_is_written_and_leave_nothing_behind() -> None:
    metrics = Metrics()
    queues = UpstreamReading(name="time", mailbox=1, in_flight=2, queued=3)
    metrics.watch(lambda: Readings(tasks=7, states={"backoff": 1}, upstreams=(queues,)))
    text = lines(metrics)
    assert "bridge_tasks 7.0" in text
    assert 'bridge_upstreams{state="backoff"} 1.0' in text
    assert 'bridge_upstream_mailbox{upstream="time"} 1.0' in text
    assert 'bridge_upstream_in_flight{upstream="time"} 2.0' in text
    assert 'bridge_upstream_queued{upstream="time"} 3.0' in text
    metrics.watch(Readings)
    assert not any("time" in line and "{" in line for line in lines(metrics))


def test_stalls_children_and_events_are_counted() -> None:
    metrics = Metrics()
    metrics.watch_stalls(lambda: Stalls(2, 0.5))
    metrics.watch_children(lambda: 3)
    metrics.watch_events(lambda: {"bridge.ready": 1})
    text = lines(metrics)
    assert "bridge_loop_stalls_total 2.0" in text
    assert "bridge_loop_longest_stall_seconds 0.5" in text
    assert "bridge_child_processes 3.0" in text
    assert 'bridge_events_total{event="bridge.ready"} 1.0' in text


def test_the_process_itself_is_measured() -> None:
    names = {line.split()[0] for line in lines(Metrics())}
    assert {"process_open_fds", "process_resident_memory_bytes"} <= names


def test_refusals_are_counted() -> None:
    metrics = Metrics()
    metrics.refused("guard.token_invalid")
    metrics.refused("guard.token_invalid")
    text = lines(metrics)
    assert 'bridge_guard_refusals_total{code="guard.token_invalid"} 2.0' in text


@pytest.mark.requirement("R158")
def test_refreshes_that_fail_are_counted() -> None:
    metrics = Metrics()
    metrics.login_step("files", "refresh", "oauth.grant_refused")
    assert (
        'bridge_oauth_steps_total{outcome="oauth.grant_refused",step="refresh",'
        'upstream="files"} 1.0'
    ) in lines(metrics)


def test_sessions_and_lost_lines_are_asked_for_when_the_text_is_written() -> None:
    metrics = Metrics()
    open_sessions = ["a"]
    metrics.watch_sessions(lambda: len(open_sessions))
    metrics.watch_dropped_lines(lambda: 7)
    open_sessions.append("b")
    text = lines(metrics)
    assert "bridge_sessions 2.0" in text
    assert "bridge_log_lines_dropped 7.0" in text


def test_a_removed_upstream_leaves_no_label_behind() -> None:
    metrics = Metrics()
    for name in ("gone", "stays"):
        metrics.call_finished(name, "ok", seconds=1)
        metrics.upstream_is(name, up=True, reconnections=0)
        metrics.login_step(name, "refresh", "ok")
    metrics.forget("gone")
    metrics.forget("never seen")
    assert not [line for line in lines(metrics) if '"gone"' in line]
    assert [line for line in lines(metrics) if '"stays"' in line]


def test_two_bridges_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.upstream_is("time", up=True, reconnections=0)
    assert not [line for line in lines(second) if '"time"' in line]
