"""A server that wants a login and is its own provider, with faults on demand.

Whoever comes to its log-in page is sent back with a code at once.
"""

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from interop.rig.process import free_port
from interop.rig.servers import Entry

Json = dict[str, Any]
_OBJECT = {"type": "object"}
_PROVIDER = ("/.well-known/oauth-authorization-server", "/authorize", "/token")


class Vault:
    """What the server knows. ``provider_is_up`` and ``flowing`` are for the tests."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self.provider_is_up = True
        #: Clear: nothing comes through, in either direction, and nobody is told.
        self.flowing = threading.Event()
        self.flowing.set()
        self.logins = 0
        self.refreshes = 0
        self.executed: list[str] = []
        self._valid: dict[str, float] = {}
        self._newest = ""

    def grant(self, form: dict[str, list[str]]) -> Json | None:
        """The answer to a token request; None: it is refused."""
        if form["grant_type"] == ["refresh_token"]:
            if form["refresh_token"] != [self._newest]:
                return None
            self.refreshes += 1
        else:
            self.logins += 1
        number = self.logins * 1000 + self.refreshes
        self._newest = f"refresh-{number}"
        access = f"access-{number}"
        self._valid[access] = time.monotonic() + self.lifetime
        return {
            "access_token": access,
            "refresh_token": self._newest,
            "token_type": "Bearer",
            "expires_in": round(self.lifetime),
        }

    def knows(self, header: str) -> bool:
        """Whether this is the Authorization of a login that has not expired."""
        token = header.removeprefix("Bearer ")
        return self._valid.get(token, 0.0) > time.monotonic()

    def answer(self, request: Json) -> Json:
        params: Json = request.get("params") or {}
        match request["method"]:
            case "initialize":
                result: Json = {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "vault", "version": "1"},
                }
            case "tools/list":
                names = ("echo", "sleep")
                tools = [{"name": name, "inputSchema": _OBJECT} for name in names]
                result = {"tools": tools}
            case "tools/call":
                text = self._run(params["name"], params["arguments"])
                result = {"content": [{"type": "text", "text": text}]}
            case _:
                result = {}
        return {"jsonrpc": "2.0", "id": request["id"], "result": result}

    def _run(self, tool: str, arguments: Json) -> str:
        if tool == "echo":
            return str(arguments["text"])
        time.sleep(arguments["seconds"])
        self.executed.append(arguments["marker"])
        return f"ran {arguments['marker']}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _vault(self) -> Vault:
        return cast("_Listener", self.server).vault

    @property
    def _base(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._is_cut_off():
            return
        match self.path:
            case "/register":
                self._say(201, {"client_id": "a-bridge"})
            case "/token":
                granted = self._vault.grant(parse_qs(body.decode()))
                refused = {"error": "invalid_grant"}
                self._say(200 if granted else 400, granted or refused)
            case _:
                self._take(json.loads(body))

    def _take(self, message: Json) -> None:
        if not self._vault.knows(self.headers.get("Authorization", "")):
            self._say(401, {})
        elif "id" in message and "method" in message:
            answer = self._vault.answer(message)
            self._vault.flowing.wait()
            self._say(200, answer)
        else:
            self._say(202, {})

    def do_GET(self) -> None:
        if self._is_cut_off():
            return
        place = urlsplit(self.path)
        match place.path:
            case "/.well-known/oauth-authorization-server":
                self._say(200, self._provider())
            case "/authorize":
                self._send_back(parse_qs(place.query))
            case path if path.startswith("/.well-known/oauth-protected-resource"):
                issuers = [self._base]
                resource = f"{self._base}/mcp"
                self._say(200, {"resource": resource, "authorization_servers": issuers})
            case _:
                self._say(405, {})

    def do_DELETE(self) -> None:
        self._say(200, {})

    def _is_cut_off(self) -> bool:
        self._vault.flowing.wait()
        cut = self.path.startswith(_PROVIDER) and not self._vault.provider_is_up
        self.close_connection = self.close_connection or cut
        return cut

    def _send_back(self, query: dict[str, list[str]]) -> None:
        answer = {"code": "a-code", "state": query["state"][0], "iss": self._base}
        self.send_response(302)
        self.send_header("Location", f"{query['redirect_uri'][0]}?{urlencode(answer)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

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
            "authorization_response_iss_parameter_supported": True,
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


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, vault: Vault) -> None:
        super().__init__(("127.0.0.1", free_port()), _Handler)
        self.vault = vault

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is none of ours."""


@contextmanager
def running_vault(lifetime: float = 3600) -> Generator[tuple[Vault, Entry]]:
    """The vault, and the entry that reaches it."""
    vault = Vault(lifetime)
    server = _Listener(vault)
    serve: Callable[[float], None] = server.serve_forever
    thread = threading.Thread(target=serve, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield (
            vault,
            {
                "url": f"http://127.0.0.1:{server.server_port}/mcp",
                "transport": "streamablehttp",
                "oauth": {"enabled": True},
            },
        )
    finally:
        vault.flowing.set()
        server.shutdown()
        server.server_close()
        thread.join()
