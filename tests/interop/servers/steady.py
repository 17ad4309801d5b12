"""An MCP server that keeps a ledger of what it ran, standard library only.

Usage: ``steady.py LEDGER [--http PORT] [--deaf]``: on stdio, or streamable HTTP with
JSON answers. ``--deaf`` ignores SIGTERM and the end of its input.

Its tools:
  mark {marker}        adds a line to the ledger, then answers ``ran <marker>``
  sleep {seconds, marker}  the same after that time; other calls go on meanwhile
  echo {text}          answers the text
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

_OBJECT = {"type": "object"}
_TOOLS = ("mark", "sleep", "echo")
_METHOD_NOT_FOUND = -32601


class Ledger:
    """A file that gets one line for each execution, whole whatever kills us."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, marker: str) -> None:
        os.write(self._file, f"{marker}\n".encode())


class Server:
    """Answers requests; what it ran is in the ledger before it answers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def answer(self, request: Json) -> Json:
        """The response to one request."""
        params: Json = request.get("params") or {}
        match request["method"]:
            case "initialize":
                result: Json = {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "steady", "version": "1"},
                }
            case "ping":
                result = {}
            case "tools/list":
                result = {"tools": [_tool(name) for name in _TOOLS]}
            case "tools/call":
                text = self._run(params["name"], params.get("arguments") or {})
                result = {"content": [{"type": "text", "text": text}]}
            case _:
                error = {"code": _METHOD_NOT_FOUND, "message": "unknown method"}
                return {"jsonrpc": "2.0", "id": request["id"], "error": error}
        return {"jsonrpc": "2.0", "id": request["id"], "result": result}

    def _run(self, tool: str, arguments: Json) -> str:
        if tool == "echo":
            return str(arguments["text"])
        if tool == "sleep":
            time.sleep(float(arguments["seconds"]))
        self._ledger.add(arguments["marker"])
        return f"ran {arguments['marker']}"


def _tool(name: str) -> Json:
    return {"name": name, "description": name, "inputSchema": _OBJECT}


class Lines:
    """The server on stdio."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._writing = threading.Lock()

    def serve(self) -> None:
        """Until the client closes our standard input."""
        for line in sys.stdin:
            message = json.loads(line)
            if "id" not in message or "method" not in message:
                continue
            if message.get("params", {}).get("name") == "sleep":
                threading.Thread(
                    target=self._answer, args=(message,), daemon=True
                ).start()
            else:
                self._answer(message)

    def _answer(self, message: Json) -> None:
        line = json.dumps(self._server.answer(message)) + "\n"
        with self._writing:
            sys.stdout.write(line)
            sys.stdout.flush()


class Handler(BaseHTTPRequestHandler):
    """The server on streamable HTTP: JSON answers, one session for each start."""

    protocol_version = "HTTP/1.1"
    session = f"{os.getpid()}-{time.monotonic_ns()}"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the client has gone
            self.close_connection = True
            return
        message = json.loads(body)
        begins = message.get("method") == "initialize"
        if not begins and self.headers["Mcp-Session-Id"] != self.session:
            self._say(404)
        elif "id" in message and "method" in message:
            assert isinstance(self.server, Listener)
            self._say(200, json.dumps(self.server.mcp.answer(message)).encode())
        else:
            self._say(202)

    def do_GET(self) -> None:
        self._say(405)

    def do_DELETE(self) -> None:
        self._say(204)

    def _say(self, status: int, body: bytes = b"") -> None:
        # In one write: two would wait for each other's acknowledgement.
        head = (
            f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n"
            f"Mcp-Session-Id: {self.session}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nobody reads it."""


class Listener(ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, mcp: Server) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.mcp = mcp


def main() -> None:
    words = sys.argv[1:]
    deaf = "--deaf" in words
    if deaf:
        words.remove("--deaf")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = Server(Ledger(words[0]))
    if "--http" in words:
        Listener(int(words[-1]), server).serve_forever()
    else:
        Lines(server).serve()
    while deaf:
        time.sleep(60)


if __name__ == "__main__":
    main()
