"""Idle sessions: opened with little work on this side, then only held."""

import itertools
import json
import select
import socket
import time
from typing import Any

Json = dict[str, Any]
_PATIENCE = 60.0
_HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "idle", "version": "1"},
}


class Caller:
    """Posts JSON-RPC messages over one connection."""

    def __init__(self, port: int, token: str) -> None:
        self._head = (
            f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: application/json, text/event-stream\r\n"
        )
        self._port = port
        self._socket = self._connect()
        self._ids = itertools.count(1)

    def post(self, path: str, message: Json, *, session: str = "") -> tuple[str, str]:
        """Head and body of the answer."""
        body = json.dumps({"jsonrpc": "2.0", **message})
        named = f"Mcp-Session-Id: {session}\r\n" if session else ""
        self._socket.sendall(
            f"POST {path} HTTP/1.1\r\n{self._head}{named}Content-Type: application/json"
            f"\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        return self._answer()

    def request(
        self, path: str, method: str, params: Json, *, session: str = ""
    ) -> str:
        """Ask; the head of the answer, which must not be a refusal."""
        message = {"id": next(self._ids), "method": method, "params": params}
        head, body = self.post(path, message, session=session)
        if head.split()[1] not in {"200", "202"}:
            raise RuntimeError(head + body)
        return head

    def open_mcp(self) -> str:
        """A session on ``/mcp`` without a stream; its id."""
        head = self.request("/mcp", "initialize", _HELLO)
        session = _header(head, "mcp-session-id")
        ready = {"method": "notifications/initialized"}
        self.post("/mcp", ready, session=session)
        return session

    def open_sse(self) -> socket.socket:
        """A session on ``/sse``; its stream, up to the handshake's answer."""
        stream = self._connect()
        stream.sendall(f"GET /sse HTTP/1.1\r\n{self._head}\r\n".encode())
        opening = _read_until(stream, "session_id=")
        address = opening.partition("data: ")[2].split()[0]
        self.request(address, "initialize", _HELLO)
        _read_until(stream, '"result"')
        self.post(address, {"method": "notifications/initialized"})
        return stream

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), _PATIENCE)

    def _answer(self) -> tuple[str, str]:
        got = ""
        while "\r\n\r\n" not in got:
            got += self._socket.recv(1 << 16).decode()
        head, _, body = got.partition("\r\n\r\n")
        length = int(_header(head, "content-length") or 0)
        while len(body.encode()) < length:
            body += self._socket.recv(1 << 16).decode()
        return head, body


def seconds_until_all_hear(streams: list[socket.socket], mark: bytes) -> float:
    """How long until every stream has brought an event that holds ``mark``."""
    began = time.perf_counter()
    poll = select.epoll()
    waiting = {stream.fileno(): stream for stream in streams}
    for number in waiting:
        poll.register(number, select.EPOLLIN)
    while waiting:
        ready = poll.poll(_PATIENCE)
        if not ready:
            raise TimeoutError(f"{len(waiting)} streams heard nothing")
        for number, _ in ready:
            if number in waiting and mark in waiting[number].recv(1 << 16):
                del waiting[number]
                poll.unregister(number)
    return time.perf_counter() - began


def _header(head: str, name: str) -> str:
    for line in head.split("\r\n"):
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return ""


def _read_until(stream: socket.socket, mark: str) -> str:
    got = ""
    while mark not in got or not got.endswith("\n\n\r\n"):
        got += stream.recv(1 << 16).decode()
    return got
