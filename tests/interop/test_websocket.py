"""A WebSocket upstream behind a whole bridge, over real sockets."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from interop.rig.bridge import running_bridge
from interop.rig.event_stream import BareClient, Json, bare_client
from interop.rig.places import SERVERS
from interop.rig.process import Running, answers, free_port

pytestmark = pytest.mark.interop

BACKOFF = 0.3


@contextmanager
def feed(folder: Path, port: int) -> Generator[Running]:
    """The server, listening; it may be ended before."""
    script = str(SERVERS / "websocket_server.py")
    server = Running([sys.executable, script, str(port)], folder)
    try:
        server.wait_until(lambda: answers(port), 30)
        yield server
    finally:
        server.end()


def text(answer: Json) -> str:
    return str(answer["result"]["content"][0]["text"])


async def call(client: BareClient, name: str, **arguments: object) -> Json:
    return await client.answer(await client.call(name, **arguments))


@pytest.mark.requirement("R6", "R60")
@pytest.mark.parametrize("more", [{"transport": "websocket"}, {"transport": "ws"}, {}])
async def test_a_websocket_server_is_listed_called_and_found_again(
    more: Json, tmp_path: Path
) -> None:
    port = free_port()
    entry = {
        "url": f"ws://127.0.0.1:{port}/mcp",
        "healthCheck": {"restartDelay": BACKOFF * 1000},
        **more,
    }
    config = {"mcpServers": {"feed": entry}}
    with (
        feed(tmp_path / "first", port) as server,
        running_bridge(config, tmp_path / "bridge", args=["--no-auth"]) as bridge,
    ):
        async with bare_client(bridge.url) as client:
            long = "é" * 200_000
            assert text(await call(client, "feed__echo", text=long)) == long
            assert text(await call(client, "feed__pid")) == str(server.pid)
            server.end()
            assert (await call(client, "feed__pid"))["result"]["isError"]
            with feed(tmp_path / "second", port) as reborn:
                await until_answered_by(client, reborn.pid)


async def until_answered_by(client: BareClient, pid: int) -> None:
    with trio.fail_after(30):
        while text(await call(client, "feed__pid")) != str(pid):  # noqa: ASYNC110 - over the wire
            await trio.sleep(0.1)
