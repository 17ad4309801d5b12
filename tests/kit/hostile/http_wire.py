"""Raw HTTP/1.1 for servers that break it. Standard library only."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
JSON = "application/json"
EVENTS = "text/event-stream"
_HEAD = 65_536


class Closed(OSError):
    """The behaviour is done with the connection."""


class Asked:
    """One request as it came in."""

    def __init__(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.message: Json = json.loads(body) if body else {}

    @property
    def calls(self) -> str:
        """The JSON-RPC method."""
        return str(self.message.get("method", ""))

    @property
    def wants_answer(self) -> bool:
        return "id" in self.message and bool(self.calls)


class Wire:
    """One connection. Ends its thread by OSError when the other side has gone."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._reader = peer.makefile("rb")

    def asked(self) -> Asked | None:
        """The next request; None at the end."""
        line = self._reader.readline(_HEAD).decode("latin-1").split()
        if len(line) < 2:
            return None
        headers: dict[str, str] = {}
        while (field := self._reader.readline(_HEAD)) not in {b"\r\n", b""}:
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self._reader.read(int(headers.get("content-length", "0")))
        return Asked(line[0], line[1], headers=headers, body=body)

    def read(self, size: int) -> bytes:
        """So many bytes of what follows; fewer at the end."""
        return self._reader.read(size)

    def raw(self, data: bytes) -> None:
        self._peer.sendall(data)

    def head(self, status: int, **fields: str) -> None:
        self.raw(head(status, **fields))

    def whole(self, status: int, body: bytes = b"", **fields: str) -> None:
        self.head(status, content_length=str(len(body)), **fields)
        self.raw(body)

    def json(self, message: Json, **fields: str) -> None:
        self.whole(200, json.dumps(message).encode(), content_type=JSON, **fields)

    def events(self, **fields: str) -> None:
        self.head(200, content_type=EVENTS, connection="close", **fields)

    def event(self, data: bytes | str, name: str = "message") -> None:
        self.raw(event(data, name))

    def reset(self) -> None:
        """Closed with RST."""
        linger = struct.pack("ii", 1, 0)
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def half_close(self) -> None:
        """No more from here; the other side may go on."""
        self._peer.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._reader.close()
        self._peer.close()


Act = Callable[[Wire, Asked], None]


def head(status: int, *lines: str, **fields: str) -> bytes:
    """The head of a response; underscores in names of fields are hyphens."""
    named = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    text = "".join(f"{line}\r\n" for line in (*named, *lines))
    return f"HTTP/1.1 {status} X\r\n{text}\r\n".encode("latin-1")


def event(data: bytes | str, name: str = "message") -> bytes:
    """One event, its data on one line."""
    text = data if isinstance(data, bytes) else data.encode()
    return b"event: %b\ndata: %b\n\n" % (name.encode(), text)


def serve(port: int, acts: Mapping[str, Act]) -> None:
    """For ever, at every loopback address; the first part of a path names what its
    requests get."""
    with socket.create_server(("", port), backlog=128) as listener:
        while True:
            peer, (host, _) = listener.accept()
            if not host.startswith("127."):
                peer.close()
                continue
            threading.Thread(target=_converse, args=(peer, acts), daemon=True).start()


def _converse(peer: socket.socket, acts: Mapping[str, Act]) -> None:
    wire = Wire(peer)
    try:
        while asked := wire.asked():
            acts[asked.path.split("/")[1]](wire, asked)
    except (OSError, ValueError):
        pass
    wire.close()
