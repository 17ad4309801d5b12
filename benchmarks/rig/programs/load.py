"""The load generator: many clients, one epoll, no parsing of what comes back.

Reads one JSON object from standard input (see `rig.load.Load`), prints one. Each client
has a session and connections of its own, and sends its next call when the last one has
been answered. The processor time of the measured process is read here, so that start
and warm-up are not counted.
"""

import itertools
import json
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_SLICE = 0.1  # seconds; see `measure`
_PATIENCE = 30.0
_INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "load", "version": "1"},
}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, to the nanosecond."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        spent += int((task / "schedstat").read_bytes().split()[0])
    return spent / 1e9


class Client:
    """One MCP client. ``send`` starts a call, ``hear`` takes what has come."""

    def __init__(self, load: Json, tool: str = "echo") -> None:
        self._load = load
        self._tool = tool
        self._host = f"127.0.0.1:{load['port']}"
        self._posts = socket.create_connection(("127.0.0.1", load["port"]))
        self._session = ""
        self._got = bytearray()
        self.began = 0.0
        self.sockets = [self._posts]

    def open(self) -> None:
        """Shake hands; blocks."""
        head, body = self._exchange(self._message("initialize", _INITIALIZE, 1))
        assert b'"result"' in body, head + body
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b": ")
            if name.lower() == b"mcp-session-id":
                self._session = f"mcp-session-id: {value.decode()}\r\n"
        self._exchange(self._message("notifications/initialized"))
        self._ready()

    def _ready(self) -> None:
        text = {"text": "x" * self._load["size"]}
        call = {"name": self._tool, "arguments": text}
        self._call = self._request(self._message("tools/call", call, 7))
        for each in self.sockets:
            each.settimeout(0)

    def send(self) -> None:
        self.began = time.perf_counter()
        rest = memoryview(self._call)
        while rest:
            try:
                rest = rest[self._posts.send(rest) :]
            except BlockingIOError:
                select.select([], [self._posts], [], _PATIENCE)

    def hear(self, where: socket.socket) -> bool:
        """Whether the answer is whole now."""
        del where
        data = self._posts.recv(1 << 18)
        if not data:
            raise ConnectionError("closed by the server")
        self._got += data
        whole = _whole(self._got)
        if whole:
            assert b'"result"' in self._got, bytes(self._got[:500])
            assert b'"isError":true' not in self._got, bytes(self._got[:500])
            self._got.clear()
        return whole

    def _exchange(self, message: bytes) -> tuple[bytes, bytes]:
        self._posts.settimeout(_PATIENCE)
        self._posts.sendall(self._request(message))
        got = bytearray()
        while not _whole(got):
            got += self._posts.recv(1 << 16)
        head, _, body = bytes(got).partition(b"\r\n\r\n")
        return head, body

    def _message(self, method: str, params: Json | None = None, at: int = 0) -> bytes:
        message: Json = {"jsonrpc": "2.0", "method": method}
        if at:
            message["id"] = at
        if params is not None:
            message["params"] = params
        return json.dumps(message, separators=(",", ":")).encode()

    def _request(self, body: bytes) -> bytes:
        return (
            f"POST {self._path()} HTTP/1.1\r\nHost: {self._host}\r\n{self._session}"
            f"{self._authorization()}Content-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def _path(self) -> str:
        return str(self._load["path"])

    def _authorization(self) -> str:
        token = self._load.get("token")
        return f"Authorization: Bearer {token}\r\n" if token else ""


class SseClient(Client):
    """The same over HTTP+SSE: a call has ended when its event has come."""

    def open(self) -> None:
        self._stream = socket.create_connection(("127.0.0.1", self._load["port"]))
        self._stream.settimeout(_PATIENCE)
        self._stream.sendall(
            f"GET {self._load['path']} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"{self._authorization()}Accept: text/event-stream\r\n\r\n".encode()
        )
        self.sockets = [self._posts, self._stream]
        opening = self._until(b"session_id=")
        self._address = opening.partition(b"data: ")[2].split()[0].decode()
        self._exchange(self._message("initialize", _INITIALIZE, 1))
        self._until(b'"result"')
        self._exchange(self._message("notifications/initialized"))
        self._ready()

    def hear(self, where: socket.socket) -> bool:
        data = where.recv(1 << 18)
        if not data:
            raise ConnectionError("closed by the server")
        if where is self._posts:
            assert b" 202 " in data[:20], data
            return False
        self._got += data
        whole = self._got.endswith(b"\n\n\r\n") and b'"result"' in self._got
        if whole:
            self._got.clear()
        return whole

    def _until(self, mark: bytes) -> bytes:
        got = b""
        while mark not in got or not got.endswith(b"\n\n\r\n"):
            got += self._stream.recv(1 << 16)
        return got

    def _path(self) -> str:
        return self._address


def _whole(got: bytearray) -> bool:
    """A response with a Content-Length has come to its end."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(got[:end]).lower()
    at = head.find(b"content-length:")
    assert at >= 0, head
    return len(got) >= end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])


class Run:
    """All clients against one server for some seconds."""

    def __init__(self, load: Json) -> None:
        make = SseClient if load["transport"] == "sse" else Client
        tools = itertools.cycle(load["tools"])
        self._clients = [make(load, next(tools)) for _ in range(load["clients"])]
        self._poll = select.epoll()
        self._at: dict[int, tuple[Client, socket.socket]] = {}
        for client in self._clients:
            client.open()
            for each in client.sockets:
                self._at[each.fileno()] = (client, each)
                self._poll.register(each.fileno(), select.EPOLLIN)
        self.waits: list[float] = []

    def begin(self) -> None:
        for client in self._clients:
            client.send()

    def until(self, over: Callable[[], bool]) -> None:
        """Take answers and send the next calls."""
        while not over():
            ready = self._poll.poll(_PATIENCE)
            if not ready:
                raise TimeoutError("no answer")
            for number, _ in ready:
                client, where = self._at[number]
                if client.hear(where):
                    self.waits.append(time.perf_counter() - client.began)
                    client.send()


def measure(load: Json) -> Json:
    """Warm up, then count in short slices.

    Neighbours on the machine (its caches, its host) make a slice dearer, never
    cheaper: the lower quartile of many slices repeats far better than their mean.
    """
    run = Run(load)
    run.begin()
    warm = time.perf_counter() + load["warm_up"]
    run.until(lambda: time.perf_counter() >= warm)
    run.waits.clear()
    began = time.perf_counter()
    slices: list[float] = []
    while time.perf_counter() < began + load["seconds"]:
        slices.append(_slice(run, load["pid"]))
    waits = sorted(run.waits)
    return {
        "calls": len(waits),
        "per_second": len(waits) / (time.perf_counter() - began),
        "p50_us": waits[len(waits) // 2] * 1e6,
        "p99_us": waits[len(waits) * 99 // 100] * 1e6,
        "slices_us": slices,
    }


def _slice(run: Run, pid: int) -> float:
    """Processor time per call, in microseconds."""
    calls, spent = len(run.waits), cpu_seconds(pid)
    end = time.perf_counter() + _SLICE
    run.until(lambda: time.perf_counter() >= end and len(run.waits) > calls)
    return (cpu_seconds(pid) - spent) / (len(run.waits) - calls) * 1e6


if __name__ == "__main__":
    print(json.dumps(measure(json.load(sys.stdin))))
