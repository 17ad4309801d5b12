"""A small MCP server over WebSocket, on the library the bridge's client also uses.

Usage: ``websocket_server.py PORT``. Its tools: ``echo {text}`` and ``pid {}``.
"""

import os
import sys
from typing import Any

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

Json = dict[str, Any]
_METHOD_NOT_FOUND = -32601
_TOOLS = [
    {"name": name, "description": name, "inputSchema": {"type": "object"}}
    for name in ("echo", "pid")
]


async def converse(request: WebSocketRequest) -> None:
    """One client, until it leaves."""
    if "mcp" not in request.proposed_subprotocols:
        await request.reject(400)
        return
    connection = await request.accept(subprotocol="mcp")
    try:
        while True:
            message = msgspec.json.decode(await connection.get_message())
            if "id" in message:
                answer = {"jsonrpc": "2.0", "id": message["id"], **answered(message)}
                await connection.send_message(msgspec.json.encode(answer).decode())
    except ConnectionClosed:
        return


def answered(message: Json) -> Json:
    """The result of a request, or its error."""
    params = message.get("params", {})
    match message["method"]:
        case "initialize":
            return {
                "result": {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "feed", "version": "1"},
                }
            }
        case "ping":
            return {"result": {}}
        case "tools/list":
            return {"result": {"tools": _TOOLS}}
        case "tools/call":
            echoed = params.get("arguments", {}).get("text", "")
            text = echoed if params["name"] == "echo" else str(os.getpid())
            return {"result": {"content": [{"type": "text", "text": text}]}}
        case _:
            return {"error": {"code": _METHOD_NOT_FOUND, "message": "unknown method"}}


if __name__ == "__main__":
    trio.run(serve_websocket, converse, "127.0.0.1", int(sys.argv[1]), None)
