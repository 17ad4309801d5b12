"""A thousand clients that only listen, and one that does not even do that."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from interop.rig.bridge import UNTRACED, RunningBridge, running_bridge
from interop.rig.gauges import open_files, sessions, settled
from interop.rig.raw_client import RawMcp, RawStream, leave, memory, vanish
from interop.rig.servers import scripted_entry

STREAMS = int(os.environ.get("STREAMS", "1000"))
LIMITS = {"sessions": STREAMS + 100, "sessions_per_principal": STREAMS + 100}
#: KiB of memory for each (issue 4), of a bridge that is not traced for coverage.
EACH = 30
PROMPT = 2.0
CHANGED = b"notifications/tools/list_changed"
#: What the deaf client is owed, in answers of this size.
PIECE = "x" * 100_000
OWED = 300
#: Its outbox, the answer on its way to the socket, and what the sockets hold.
QUEUE = 8 * 1024  # KiB

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[RunningBridge]:
    config = {"mcpServers": {"up": scripted_entry()}, "bridge": {"limits": LIMITS}}
    args = ["--no-auth"]
    with running_bridge(config, tmp_path, args=args, env=UNTRACED) as running:
        yield running


def listener(bridge: RunningBridge) -> RawStream:
    """An open session that has shaken hands."""
    stream = RawStream(bridge)
    stream.greet()
    return stream


@pytest.mark.usefixtures("many_files")
@pytest.mark.requirement("B11", "E7", "P4")
def test_a_thousand_sessions_cost_little_hear_of_changes_and_leave_nothing(
    bridge: RunningBridge,
) -> None:
    leave([listener(bridge) for _ in range(50)])  # warm
    settled(lambda: sessions(bridge), 0)
    files, before = open_files(bridge, 0, within=2), memory(bridge)
    streams = [listener(bridge) for _ in range(STREAMS)]
    each = (memory(bridge) - before) / STREAMS

    began = time.monotonic()
    streams.append(listener(bridge))
    one_more = time.monotonic() - began

    other = RawMcp(bridge)
    began = time.monotonic()
    other.call("up__grow")
    for stream in streams:
        stream.await_bytes(CHANGED)
    told = time.monotonic() - began

    leave(streams)
    left = open_files(bridge, files)
    sessions_left = settled(lambda: sessions(bridge), 1)
    print(
        f"{each:.1f} KiB for each of {STREAMS}; one more in {one_more:.3f} s; all told "
        f"of a change in {told:.2f} s; {left - files:+} files"
    )
    assert each <= EACH
    assert one_more < PROMPT
    assert left <= files + 10
    assert sessions_left == 1  # the one on /mcp


@pytest.mark.requirement("B13", "P3", "P4", "R59")
def test_a_client_that_stops_reading_owes_no_more_than_its_queue(
    bridge: RunningBridge,
) -> None:
    other = RawMcp(bridge)
    for _ in range(20):
        other.echo(PIECE)  # warm
    before = memory(bridge)
    worst = peak = 0.0
    with ExitStack() as stack:
        deaf = RawStream(bridge, buffer=4096)
        stack.callback(vanish, deaf.socket)
        deaf.greet()
        statuses: list[int] = []
        for number in range(1, OWED + 1):
            statuses.append(deaf.call(number, "up__echo", text=PIECE))
            if number % 10 == 0:
                worst = max(worst, other.echo("quick"))
                peak = max(peak, memory(bridge) - before)
    dropped = settled(lambda: -len(bridge.events("session.overflowed")), -1)
    print(
        f"{peak / 1024:.1f} MiB for {OWED * len(PIECE) / 1e6:.0f} MB owed, after "
        f"{statuses.count(202)} calls; others {worst:.3f} s at worst"
    )
    assert set(statuses) == {202, 404}  # taken, until it was dropped
    assert statuses == sorted(statuses)
    assert dropped == -1  # one line says so
    # The answers that wait, once more while they are encoded, and the allocator's part.
    assert peak < 3 * QUEUE
    assert worst < PROMPT
