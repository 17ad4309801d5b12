"""A small server of the Python SDK over ``sse`` or ``streamable-http`` on loopback.

Usage: ``sdk_server.py sse|streamable-http PORT``
"""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("sdk-server")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


@server.resource("demo://motto")
def motto() -> str:
    """Give one resource."""
    return "many behind one"


if __name__ == "__main__":
    port = int(sys.argv[2])
    if sys.argv[1] == "sse":
        server.run("sse", port=port)
    else:
        server.run("streamable-http", port=port)
