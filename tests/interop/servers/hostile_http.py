"""MCP servers on HTTP and WebSocket that behave badly: ``hostile_http.py PORT``.

The first part of a path names the behaviour; the names are those of
``kit.hostile.http``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from kit.hostile.http import WEB
from kit.hostile.http_wire import serve

if __name__ == "__main__":
    serve(int(sys.argv[1]), {name: entry.play for name, entry in WEB.items()})
