"""A fast MCP server's answers, by search instead of parsing: the same text back.

It must cost little beside what is measured, so it knows only what the benchmarks ask.
"""

import json
import re
from typing import Any

Json = dict[str, Any]

_CALL = re.compile(rb'"method":\s?"tools/call"')
_ID = re.compile(rb'"id":\s?("?[\w-]+"?)')
_TEXT = re.compile(rb'"text":\s?"([^"]*)"')
_CHANGED = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'


class Echo:
    """Tools ``echo`` (the text), ``grow`` (one tool more, and list_changed)."""

    def __init__(self) -> None:
        self._grown = 0

    def answers(self, message: bytes) -> list[bytes]:
        """What to send for one message: nothing, an answer, a notification first."""
        if b'"grow"' in message:
            self._grown += 1
            return [_CHANGED, self._called(message)]
        if _CALL.search(message):
            return [self._called(message)]
        request: Json = json.loads(message)
        if "id" not in request or "method" not in request:
            return []
        result = self._result(request)
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": result}
        return [json.dumps(answer).encode()]

    def _called(self, message: bytes) -> bytes:
        # The last match: the envelope's id stands last with some, first with others,
        # and the text of a call holds neither.
        identity, text = _ID.findall(message)[-1], _TEXT.search(message)
        said = text[1] if text else b""
        return (
            b'{"jsonrpc":"2.0","id":%b,"result":{"content":'
            b'[{"type":"text","text":"%b"}],"isError":false}}' % (identity, said)
        )

    def _result(self, request: Json) -> Json:
        match request["method"]:
            case "initialize":
                return {
                    "protocolVersion": request["params"]["protocolVersion"],
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "echo", "version": "1"},
                }
            case "tools/list":
                grown = [f"grown_{number}" for number in range(self._grown)]
                return {"tools": [_tool(name) for name in ["echo", "grow", *grown]]}
            case _:
                return {}


def _tool(name: str) -> Json:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return {"name": name, "description": name, "inputSchema": schema}
