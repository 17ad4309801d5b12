"""A request that is cut while its body is being sent leaves nothing behind."""

import gc
import warnings

import pytest
import trio
from trio.testing import MockClock

from bridge.http import HttpClients
from bridge.protocol.frame import Frame, encode
from bridge.wire.link import Outgoing
from bridge.wire.posts import Body
from kit.network import SimulatedNetwork
from kit.scripted_http import HOST, PORT, URL


@pytest.mark.parametrize("whole", [True, False])
async def test_a_body_cut_in_the_middle_is_not_left_to_the_collector(
    autojump_clock: MockClock, *, whole: bool
) -> None:
    network = SimulatedNetwork()
    await network.listen(HOST, PORT)
    network.latency = 1.0  # of the connection, of the head, of the body
    outgoing = Outgoing(Frame(method="ping", id=1), upstream_id=1)
    parts = Body(outgoing)
    body = encode(outgoing.frame) if whole else parts
    client = HttpClients(network).client()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with trio.move_on_after(2.5) as scope:
            async with client.exchange(
                "POST", URL, headers={"Content-Length": str(len(parts))}, content=body
            ):
                raise AssertionError("nobody answers")
        await client.aclose()
        gc.collect()
    assert scope.cancelled_caught
    assert outgoing.written is not whole
    assert not [each for each in warned if each.category is ResourceWarning]
