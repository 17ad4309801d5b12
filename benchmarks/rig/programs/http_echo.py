"""The echo server on streamable HTTP (JSON answers): ``http_echo.py PORT CPU``."""

import asyncio
import os
import re
import sys

from echo import Echo

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_STATUS = {"POST": b"202 Accepted", "DELETE": b"204 No Content"}


class Connection(asyncio.Protocol):
    """One client, requests one after another."""

    def __init__(self) -> None:
        self._echo = Echo()
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head, body = self._got[:end], end + 4
            length = _LENGTH.search(head)
            after = body + (int(length[1]) if length else 0)
            if len(self._got) < after:
                return
            request, self._got = self._got[body:after], self._got[after:]
            self._answer(head.partition(b" ")[0].decode(), request)

    def _answer(self, method: str, body: bytes) -> None:
        answers = self._echo.answers(body) if method == "POST" else []
        if answers:
            head = b"200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: one"
        else:
            head = _STATUS.get(method, b"405 Method Not Allowed")
        said = answers[-1] if answers else b""
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(said), said)
        )


async def _main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    if (cpu := int(sys.argv[2])) >= 0:
        os.sched_setaffinity(0, {cpu})
    asyncio.run(_main())
