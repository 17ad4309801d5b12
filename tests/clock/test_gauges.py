"""The gauges of a bridge, read from its parts."""

import pytest
import trio
from trio.testing import MockClock

from bridge.gauges import Gauges
from bridge.observe.status import BridgeStatus, UpstreamStatus
from kit.routing import RouterRoom, policy, tool


@pytest.mark.requirement("E7")
async def test_queues_are_counted_where_they_are(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = RouterRoom(policy("a"))
    await room.start(nursery)
    room.up("a", tools=[tool("t")])
    client = await room.client()
    client.session.outbox.put(b"1234")
    status = BridgeStatus(
        version="1",
        ready=True,
        uptime=5.0,
        sessions=1,
        table_version=1,
        tools=1,
        prompts=0,
        resources=0,
        states={"connected": 1},
        upstreams=(
            UpstreamStatus(name="a", state="connected", in_flight=2, queued=3),
            UpstreamStatus(name="off", state="disabled"),
        ),
    )
    room.heard("a")
    queued = client.session.outbox.queued
    found = Gauges(
        status=lambda: status,
        sessions=room.sessions,
        router=room.mailbox,
        mailboxes=lambda: {"a": room.upstreams["a"].mailbox},
        calls_in_flight=lambda: 4,
        connections=lambda: 6,
    ).read()
    assert (found.ready, found.uptime, found.states) == (True, 5.0, {"connected": 1})
    assert (found.calls_in_flight, found.connections) == (4, 6)
    assert (found.outbox_frames, found.outbox_bytes >= 4) == (queued, True)
    assert found.tasks > 2
    [upstream] = found.upstreams
    assert (upstream.name, upstream.in_flight, upstream.queued) == ("a", 2, 3)
