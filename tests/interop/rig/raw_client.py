"""Clients down to their sockets, for what no library would do: stall, vanish, flood."""

import json
import re
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from interop.rig.bridge import RunningBridge
from interop.rig.event_stream import INITIALIZED, Json, handshake, request

#: Closing with this says RST instead of goodbye.
_RESET = struct.pack("ii", 1, 0)
_SOON = 15.0


def connect(bridge: RunningBridge, *, buffer: int = 0) -> socket.socket:
    """A connection; ``buffer``: how little its client is ready to take in."""
    client = socket.socket()
    client.settimeout(_SOON)
    if buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", bridge.port))
    return client


def vanish(client: socket.socket) -> None:
    """Leave without a goodbye."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    client.close()


def head(bridge: RunningBridge, method: str, path: str, **headers: str) -> bytes:
    """The head of a request; underscores in the names of headers are hyphens."""
    named = {"host": f"127.0.0.1:{bridge.port}", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


def ask(bridge: RunningBridge, raw: bytes, *, within: float = _SOON) -> bytes:
    """What the bridge says to these bytes until it closes."""
    with connect(bridge) as client:
        client.settimeout(within)
        client.sendall(raw)
        return b"".join(iter(lambda: client.recv(65536), b""))


def post(
    bridge: RunningBridge, path: str, message: Json, **headers: str
) -> tuple[int, bytes]:
    """POST one message on a connection of its own: status and the whole answer."""
    body = json.dumps(message).encode()
    given = {
        "content_type": "application/json",
        "content_length": str(len(body)),
        "connection": "close",
        **headers,
    }
    said = ask(bridge, head(bridge, "POST", path, **given) + body)
    return int(said.split()[1]), said


class RawStream:
    """An open ``/sse`` whose client reads only when told to."""

    def __init__(self, bridge: RunningBridge, *, buffer: int = 0) -> None:
        self.bridge = bridge
        self.socket = connect(bridge, buffer=buffer)
        self.socket.sendall(head(bridge, "GET", "/sse"))
        self._said = b""
        self.endpoint = self._await(rb"data: (\S+)\n\n").decode()

    def await_bytes(self, text: bytes) -> None:
        """Read until ``text`` has come, now or earlier."""
        self._await(b"(" + re.escape(text) + b")")

    def _await(self, pattern: bytes) -> bytes:
        while not (found := re.search(pattern, self._said)):
            part = self.socket.recv(65536)
            assert part, self._said
            self._said += part
        return found[1]

    def greet(self) -> None:
        """The handshake."""
        self.post(handshake(0))
        self._await(rb'("id":0)')
        self.post(INITIALIZED)

    def post(self, message: Json) -> int:
        """The status of a message posted into this session."""
        return post(self.bridge, self.endpoint, message)[0]

    def call(self, number: int, tool: str, **arguments: object) -> int:
        """The status of a call posted into this session."""
        params = {"name": tool, "arguments": arguments}
        return self.post(request(number, "tools/call", params))


class RawMcp:
    """A session on ``/mcp``, one connection for each call."""

    def __init__(self, bridge: RunningBridge) -> None:
        self.bridge = bridge
        _, said = post(bridge, "/mcp", handshake(0))
        found = re.search(rb"mcp-session-id: (\S+)", said)
        assert found, said
        self.session = found[1].decode()

    def echo(self, text: str) -> float:
        """How long a small call takes, which must succeed."""
        began = time.monotonic()
        said = self.call("up__echo", text=text)
        took = time.monotonic() - began
        assert said == text
        return took

    def call(self, tool: str, **arguments: object) -> str:
        """The text a call gives, which must succeed."""
        asked = request(1, "tools/call", {"name": tool, "arguments": arguments})
        _, said = post(self.bridge, "/mcp", asked, mcp_session_id=self.session)
        answer = cast("Mapping[str, Any]", json.loads(said.partition(b"\r\n\r\n")[2]))
        assert "error" not in answer, answer
        return str(answer["result"]["content"][0]["text"])


def descriptors(bridge: RunningBridge) -> int:
    """How many files the bridge has open."""
    return len(list(Path(f"/proc/{bridge.process.pid}/fd").iterdir()))


def memory(bridge: RunningBridge) -> int:
    """What the bridge has in memory, in KiB."""
    status = Path(f"/proc/{bridge.process.pid}/status").read_text("utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1])


def cpu(bridge: RunningBridge) -> float:
    """Seconds of processor the bridge has used."""
    stat = Path(f"/proc/{bridge.process.pid}/stat").read_text("utf-8")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def leave(streams: list[RawStream]) -> None:
    """Half of them say goodbye."""
    for number, stream in enumerate(streams):
        if number % 2:
            stream.socket.close()
        else:
            vanish(stream.socket)
