"""A server behind a login nobody finishes: it says where to log in, and waits."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from interop.rig.process import free_port
from interop.rig.servers import Entry

Json = dict[str, Any]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/register":
            self._say(201, {"client_id": "a-bridge", "redirect_uris": []})
        else:
            self._say(401, {})

    def do_GET(self) -> None:
        match self.path.rpartition("/.well-known/")[2].partition("/")[0]:
            case "oauth-protected-resource":
                servers = [self._base]
                resource = f"{self._base}/mcp"
                self._say(200, {"resource": resource, "authorization_servers": servers})
            case "oauth-authorization-server":
                self._say(200, self._provider())
            case _:
                self._say(401 if self.path == "/mcp" else 404, {})

    @property
    def _base(self) -> str:
        return f"http://{self.headers['Host']}"

    def _provider(self) -> Json:
        return {
            "issuer": self._base,
            "authorization_endpoint": f"{self._base}/authorize",
            "token_endpoint": f"{self._base}/token",
            "registration_endpoint": f"{self._base}/register",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _say(self, status: int, value: Json) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        if status == 401:
            page = f"{self._base}/.well-known/oauth-protected-resource/mcp"
            self.send_header("WWW-Authenticate", f'Bearer resource_metadata="{page}"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nobody reads it."""


@contextmanager
def running_locked_server() -> Generator[Entry]:
    """The entry that reaches it."""
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield {
            "url": f"http://127.0.0.1:{server.server_port}/mcp",
            "transport": "streamablehttp",
            "oauth": {"enabled": True},
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
