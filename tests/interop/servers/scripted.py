"""A scripted MCP server on stdio, standard library only, so that it starts fast.

Usage: ``scripted.py [SECONDS]``: wait that long before it reads anything.

Its tools:
  echo {text}          answers the text
  pid {}               answers its process id
  sleep {seconds}      answers after that time; other calls go on meanwhile
  grow {}              adds a tool ``grown_<n>`` and says so by list_changed
  born_<pid> {}        answers its process id: each start offers another tool
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Tool = Callable[[Json], str]

_OBJECT = {"type": "object"}
_METHOD_NOT_FOUND = -32601
_INVALID_PARAMS = -32602


class Server:
    """Answers what a client asks; each answer is one line, written whole."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._tools: dict[str, Tool] = {
            "echo": lambda arguments: str(arguments.get("text", "")),
            "pid": lambda _: str(os.getpid()),
            f"born_{os.getpid()}": lambda _: str(os.getpid()),
            "grow": self._grow,
            "sleep": _sleep,
        }

    def serve(self) -> None:
        """Until the client closes our standard input."""
        for line in sys.stdin:
            message = json.loads(line)
            if "id" in message and "method" in message:
                self._take(message)

    def _take(self, request: Json) -> None:
        params = request.get("params", {})
        if params.get("name") == "sleep":
            # On its own thread: a slow call must not hold up the others.
            threading.Thread(target=self._answer, args=(request,), daemon=True).start()
        else:
            self._answer(request)

    def _answer(self, request: Json) -> None:
        params = request.get("params", {})
        match request["method"]:
            case "initialize":
                result = self._initialize(params)
            case "ping":
                result = {}
            case "tools/list":
                result = {"tools": [self._tool(name) for name in self._tools]}
            case "tools/call" if params["name"] in self._tools:
                result = self._call(params)
            case "tools/call":
                self._refuse(request, _INVALID_PARAMS, "unknown tool")
                return
            case _:
                self._refuse(request, _METHOD_NOT_FOUND, "unknown method")
                return
        self._write({"id": request["id"], "result": result})

    def _initialize(self, params: Json) -> Json:
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "scripted", "version": "1"},
        }

    def _tool(self, name: str) -> Json:
        return {"name": name, "description": name, "inputSchema": _OBJECT}

    def _call(self, params: Json) -> Json:
        text = self._tools[params["name"]](params.get("arguments") or {})
        return {"content": [{"type": "text", "text": text}]}

    def _grow(self, _: Json) -> str:
        name = f"grown_{len(self._tools)}"
        self._tools[name] = str
        self._write({"method": "notifications/tools/list_changed"})
        return name

    def _refuse(self, request: Json, code: int, message: str) -> None:
        error = {"code": code, "message": message}
        self._write({"id": request["id"], "error": error})

    def _write(self, message: Json) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message})
        with self._writing:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def _sleep(arguments: Json) -> str:
    seconds = float(arguments["seconds"])
    time.sleep(seconds)
    return f"slept {seconds}"


if __name__ == "__main__":
    # No argparse: it doubles the time a start takes.
    if len(sys.argv) > 1:
        time.sleep(float(sys.argv[1]))
    Server().serve()
