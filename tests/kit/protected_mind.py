"""What a protected server knows of MCP: a handshake, a list, and tools that echo."""

from itertools import count
from typing import Any

import trio


class ProtectedMind:
    """Sessions and answers. ``tools`` are the names listed; each echoes its text."""

    def __init__(self) -> None:
        self.tools = ["echo"]
        self.sessions: set[str] = set()
        #: How long a call takes, in s.
        self.latency = 0.0
        self._numbers = count(1)

    def open_session(self) -> str:
        session = f"session-{next(self._numbers)}"
        self.sessions.add(session)
        return session

    def tool_of(self, message: dict[str, Any]) -> str:
        """The tool a message calls; empty: none."""
        called = message.get("method") == "tools/call"
        return str(message["params"]["name"]) if called else ""

    async def answer(self, message: dict[str, Any]) -> dict[str, object] | None:
        """The answer to a message; None: it wants none."""
        if "id" not in message or "method" not in message:
            return None
        if message["method"] == "tools/call":
            await trio.sleep(self.latency)
        head: dict[str, object] = {"jsonrpc": "2.0", "id": message["id"]}
        result = self._result(message["method"], message.get("params", {}))
        if result is None:
            error = {"code": -32601, "message": "no such method"}
            return head | {"error": error}
        return head | {"result": result}

    def _result(self, method: str, params: dict[str, Any]) -> dict[str, object] | None:
        match method:
            case "initialize":
                return {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "protected", "version": "1"},
                }
            case "ping":
                return {}
            case "tools/list":
                schema = {"type": "object"}
                listed = [{"name": t, "inputSchema": schema} for t in self.tools]
                return {"tools": listed}
            case "tools/call":
                text = str(params.get("arguments", {}).get("text", ""))
                return {"content": [{"type": "text", "text": text}]}
            case _:
                return None
