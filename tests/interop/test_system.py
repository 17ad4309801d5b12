import time

import pytest
import trio

from bridge.system import TrioProcesses, child_processes, real_ports

pytestmark = pytest.mark.interop


def test_the_clock_is_the_machines() -> None:
    assert real_ports({}).clock.now() == pytest.approx(time.time(), abs=5)


def test_tokens_are_long_and_never_the_same() -> None:
    entropy = real_ports({}).entropy
    tokens = {entropy.token(16) for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {32}
    assert real_ports({}).entropy.random.random() != entropy.random.random()


async def test_what_listens_is_connected_to() -> None:
    network = real_ports({}).network
    (listener,) = await network.listen("127.0.0.1", 0)
    assert isinstance(listener, trio.SocketListener)
    port = listener.socket.getsockname()[1]
    client = await network.connect("127.0.0.1", port)
    server = await listener.accept()
    await client.send_all(b"hi")
    assert await server.receive_some() == b"hi"
    with pytest.raises(OSError, match="in use"):
        await network.listen("127.0.0.1", port)
    for stream in (client, server, listener):
        await stream.aclose()
    with pytest.raises(OSError, match="failed"):
        await network.connect("127.0.0.1", port)


async def test_signals_to_a_process_that_is_gone_are_silent() -> None:
    processes = real_ports({}).processes
    process = await processes.spawn(["/bin/sh", "-c", "exit 5"], env={}, cwd=None)
    assert await process.wait() == 5
    assert process.pid > 0
    process.terminate()
    process.kill()
    for stream in (process.stdin, process.stdout, process.stderr):
        await stream.aclose()


@pytest.mark.requirement("E7")
async def test_children_are_counted_while_they_live() -> None:
    before = child_processes()
    process = await TrioProcesses().spawn(["sleep", "60"], env={}, cwd=None)
    assert child_processes() == before + 1
    process.kill()
    await process.wait()
    assert child_processes() == before
