"""Clients that mean no good, over real sockets: many, slow, deaf, or gone."""

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.gauges import open_files
from interop.rig.process import descendants
from interop.rig.raw_client import (
    RawMcp,
    RawStream,
    ask,
    connect,
    cpu,
    head,
    leave,
    memory,
    vanish,
)
from interop.rig.servers import scripted_entry

pytestmark = pytest.mark.interop

STREAMS = 1000
CYCLES = 2000
SLOW = 100
FILES = 64
LIMITS = {"sessions": 1100, "sessions_per_principal": 1100}
#: Others are served as usual, on a machine others use too.
PROMPT = 2.0
BIG = "x" * 2_000_000
#: Outbox, what is being written, and what the allocator keeps of it.
DEAF_COSTS = 60 * 1024


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBridge]:
    config = {
        "mcpServers": {"up": scripted_entry()},
        "bridge": {"limits": LIMITS},
    }
    folder = tmp_path_factory.mktemp("hostile")
    with running_bridge(config, folder, args=["--no-auth"]) as running:
        yield running


@pytest.mark.usefixtures("many_files")
@pytest.mark.requirement("B11")
def test_a_thousand_idle_streams_cost_little_and_leave_nothing(
    bridge: RunningBridge,
) -> None:
    leave([RawStream(bridge) for _ in range(20)])  # warm
    files = open_files(bridge, 0, within=2)
    before = memory(bridge)
    streams = [RawStream(bridge) for _ in range(STREAMS)]
    each = (memory(bridge) - before) / STREAMS
    began = time.monotonic()
    streams.append(RawStream(bridge))
    one_more = time.monotonic() - began
    leave(streams)
    left = open_files(bridge, files)
    print(f"{each:.1f} KiB per stream; one more in {one_more:.3f} s")
    assert each < 256
    assert one_more < PROMPT
    assert left <= files + 10


def cycle(bridge: RunningBridge, number: int) -> None:
    """Connect, begin something, be gone."""
    unfinished = {"content_type": "application/json", "content_length": "1000"}
    begun = (
        b"",
        b"GET /sse HT",
        head(bridge, "GET", "/sse"),
        head(bridge, "POST", "/mcp", **unfinished) + b"{",
    )
    client = connect(bridge)
    client.sendall(begun[number % len(begun)])
    vanish(client)


@pytest.mark.requirement("B15")
def test_clients_that_come_and_vanish_leave_nothing(bridge: RunningBridge) -> None:
    for number in range(400):  # warm
        cycle(bridge, number)
    files = open_files(bridge, 0, within=2)
    before = memory(bridge)
    for number in range(CYCLES):
        cycle(bridge, number)
    left = open_files(bridge, files)
    grown = (memory(bridge) - before) / 1024
    print(f"{CYCLES} cycles: {left - files:+} files, {grown:+.1f} MiB")
    assert left <= files + 10
    assert grown < 20


@pytest.mark.requirement("B7")
def test_slow_requests_do_not_slow_others(bridge: RunningBridge) -> None:
    other = RawMcp(bridge)
    body = {"content_type": "application/json", "content_length": "1000"}
    with ExitStack() as stack:
        slow: list[socket.socket] = []
        for begun in (b"", b"GET /he", head(bridge, "POST", "/mcp", **body)):
            new = [stack.enter_context(connect(bridge)) for _ in range(SLOW)]
            slow += new
            for client in new:
                client.sendall(begun)
        worst = 0.0
        for _ in range(10):
            for client in slow[SLOW:]:
                client.sendall(b"x")
            worst = max(worst, other.echo("quick"))
    print(f"a call beside {3 * SLOW} slow requests: {worst:.3f} s at worst")
    assert worst < PROMPT


@pytest.mark.requirement("B13", "R59")
def test_a_client_that_stops_reading_costs_a_bounded_amount_of_memory(
    bridge: RunningBridge,
) -> None:
    other = RawMcp(bridge)
    other.echo(BIG)  # warm
    before = memory(bridge)
    deaf = RawStream(bridge, buffer=4096)
    deaf.greet()
    statuses = [deaf.call(number, "up__echo", text=BIG) for number in range(1, 16)]
    worst = peak = 0.0
    for _ in range(20):
        worst = max(worst, other.echo("quick"))
        peak = max(peak, memory(bridge) - before)
    refused = deaf.call(99, "up__echo", text="")
    vanish(deaf.socket)
    print(f"{peak / 1024:.0f} MiB for 30 MB owed; others {worst:.3f} s at worst")
    assert set(statuses) <= {202, 404}
    assert refused == 404
    assert peak < DEAF_COSTS
    assert worst < PROMPT


@pytest.mark.requirement("B4", "B1")
def test_no_second_request_is_smuggled_in(bridge: RunningBridge) -> None:
    hidden = head(bridge, "GET", "/health")
    both = {"content_length": "3", "transfer_encoding": "chunked"}
    plain = head(bridge, "POST", "/mcp", content_type="application/json")[:-2]
    doubled = b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    spaced = b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"
    coded = b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"
    begun = b"Transfer-Encoding: chunked\r\n\r\n"
    for sent in (
        head(bridge, "POST", "/mcp", **both) + b"0\r\n\r\n",
        plain + doubled,
        plain + spaced,
        plain + coded,
        *(plain + begun + bad for bad in (b"0x2\r\n{}", b"-1\r\n", b"2\r\n{}x\r\n")),
    ):
        said = ask(bridge, sent + hidden)
        assert re.findall(rb"HTTP/1.1 (\d+)", said) in ([b"400"], [b"501"]), sent


FEW_FILES = ("sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh")


@pytest.mark.requirement("E5")
def test_clients_cannot_take_the_descriptors_of_upstreams(tmp_path: Path) -> None:
    config = {"mcpServers": {"up": scripted_entry(retryDelay=100)}}
    with (
        running_bridge(
            config, tmp_path, args=["--no-auth"], within=FEW_FILES
        ) as bridge,
        ExitStack() as stack,
    ):
        for _ in range(2 * FILES):
            stack.enter_context(connect(bridge))
        [child] = descendants(bridge.process.pid)
        used = cpu(bridge)
        os.kill(child, signal.SIGKILL)
        bridge.process.wait_until(lambda: _new_child(bridge, child), PROMPT + 3)
        assert cpu(bridge) - used < 1.0
        stack.close()
        bridge.process.wait_until(lambda: _times_ready(bridge) > 1, PROMPT)
        RawMcp(bridge).echo("served again")
        assert bridge.events("server.accept_paused")


def _times_ready(bridge: RunningBridge) -> int:
    changes = bridge.events("upstream.state_changed")
    return sum(change["to"] == "connected" for change in changes)


def _new_child(bridge: RunningBridge, old: int) -> bool:
    return any(pid != old for pid in descendants(bridge.process.pid))


@pytest.mark.requirement("E1")
def test_a_stop_waits_for_no_client_that_does_not_read(tmp_path: Path) -> None:
    config = {"mcpServers": {"up": scripted_entry()}}
    with running_bridge(config, tmp_path, args=["--no-auth"]) as bridge:
        deaf = RawStream(bridge, buffer=4096)
        deaf.greet()
        for number in range(1, 8):
            deaf.call(number, "up__echo", text=BIG)
        half = connect(bridge)
        half.sendall(b"GET /he")
        began = time.monotonic()
        bridge.stop()
        took = time.monotonic() - began
        vanish(deaf.socket)
        half.close()
    print(f"stopped in {took:.2f} s")
    assert took < 10
