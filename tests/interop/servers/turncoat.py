"""An MCP server on stdio that offers whatever a file says at the moment.

Usage: ``turncoat.py FILE``: a JSON list of tools. Each of them answers its own
description. When the file changes, the server says so by list_changed.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_POLL = 0.1


class Turncoat:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._writing = threading.Lock()

    def serve(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()
        for line in sys.stdin:
            message = json.loads(line)
            if "id" in message and "method" in message:
                result = self._result(message["method"], message.get("params", {}))
                self._say({"id": message["id"], "result": result})

    def _watch(self) -> None:
        before = self._file.read_bytes()
        while True:
            time.sleep(_POLL)
            now = self._file.read_bytes()
            if now != before:
                before = now
                self._say({"method": "notifications/tools/list_changed"})

    def _tools(self) -> list[Json]:
        return json.loads(self._file.read_text())

    def _result(self, method: str, params: Json) -> Json:
        match method:
            case "initialize":
                return {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "turncoat", "version": "1"},
                }
            case "tools/list":
                return {"tools": self._tools()}
            case "tools/call":
                said = {tool["name"]: tool["description"] for tool in self._tools()}
                text = said[params["name"]]
                return {"content": [{"type": "text", "text": text}]}
            case _:
                return {}

    def _say(self, message: Json) -> None:
        with self._writing:
            print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


if __name__ == "__main__":
    Turncoat(Path(sys.argv[1])).serve()
