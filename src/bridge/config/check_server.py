"""What types cannot say of one server: transport, credentials, headers (R7, R8)."""

import re
from collections.abc import Mapping

import msgspec

from bridge.config.address import SOCKET, WEB, Address, parse_address, resource_fault
from bridge.config.check import NAME_CHARACTERS, check_provider
from bridge.config.findings import Findings
from bridge.config.jsonc import Path
from bridge.config.model import OAuthConfig, UpstreamConfig

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
# Set by the transport itself; a second one would break the request's frame.
_OWN_HEADERS = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "host",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "mcp-session-id",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
_PROBE_NEEDS = {
    "call_tool": ("toolName", "tool_name"),
    "read_resource": ("resourceUri", "resource_uri"),
    "get_prompt": ("promptName", "prompt_name"),
}


def settle(server: UpstreamConfig) -> UpstreamConfig:
    """The transport where it follows from the rest; an http(s) url is asked later."""
    if server.transport is not None:
        return server
    if server.command:
        return msgspec.structs.replace(server, transport="stdio")
    if server.url.startswith(("ws://", "wss://")):
        return msgspec.structs.replace(server, transport="websocket")
    return server


def check_server(server: UpstreamConfig, path: Path, findings: Findings) -> None:
    """Report all that is wrong with one settled, enabled server."""
    check = _ServerCheck(server, path, findings)
    check.texts()
    check.namespaces()
    check.health()
    check.headers()
    if server.transport == "stdio":
        check.local()
    else:
        check.remote()


class _ServerCheck:
    def __init__(self, server: UpstreamConfig, path: Path, findings: Findings) -> None:
        self._server = server
        self._path = path
        self._findings = findings

    def _error(self, keys: tuple[str | int, ...], reason: str, hint: str = "") -> None:
        self._findings.error((*self._path, *keys), reason, hint)

    def _warn(self, keys: tuple[str | int, ...], reason: str, hint: str = "") -> None:
        self._findings.warning((*self._path, *keys), reason, hint)

    def texts(self) -> None:
        """Nothing a system call or a frame could not carry."""
        server = self._server
        for keys, text in (
            (("command",), server.command),
            (("working_directory",), server.working_directory),
            *((("args", index), text) for index, text in enumerate(server.args)),
            *((("env", name), text) for name, text in server.env.items()),
        ):
            if _UNSENDABLE.search(text):
                self._error(keys, "holds a character no program can be given")
        for name in server.env:
            if not name or "=" in name or _UNSENDABLE.search(name):
                self._error(("env", name), "not a name a variable can have")

    def namespaces(self) -> None:
        server = self._server
        for key, namespace in (
            ("toolNamespace", server.tool_namespace),
            ("resourceNamespace", server.resource_namespace),
            ("promptNamespace", server.prompt_namespace),
        ):
            if namespace and not NAME_CHARACTERS.fullmatch(namespace):
                self._error((key,), "only letters, digits, '_', '-' and '.'")

    def health(self) -> None:
        probe = self._server.health_check
        if probe.operation not in _PROBE_NEEDS:
            return
        key, field = _PROBE_NEEDS[probe.operation]
        if not getattr(probe, field):
            self._error(("healthCheck", key), f"missing; {probe.operation} needs it")

    def headers(self) -> None:
        for name, value in self._server.headers.items():
            if fault := _header_fault(name, value):
                self._error(("headers", name), fault)

    def local(self) -> None:
        server = self._server
        if not server.command:
            self._error(("command",), "missing; transport stdio needs a command")
        if server.oauth.enabled:
            self._error(
                ("oauth",),
                "OAuth is only for network servers (sse, streamablehttp, websocket)",
                "give a local server its credentials in env",
            )
        for key, given in (
            ("url", server.url),
            ("headers", server.headers),
            ("authentication", server.authentication.type != "none"),
        ):
            if given:
                self._warn((key,), "ignored by a stdio server")

    def remote(self) -> None:
        server = self._server
        if not server.url:
            self._missing_url()
            return
        for key, given in (
            ("command", server.command),
            ("args", server.args),
            ("env", server.env),
            ("working_directory", server.working_directory),
        ):
            if given:
                self._warn((key,), "ignored by a network server")
        self._unverified()
        schemes = SOCKET if server.transport == "websocket" else WEB
        address = parse_address(server.url, schemes)
        if isinstance(address, str):
            self._error(("url",), address)
            return
        self._credentials(address)
        self._oauth(server.oauth, address)

    def _missing_url(self) -> None:
        transport = self._server.transport
        if transport is not None:
            self._error(("url",), f"missing; transport {transport} needs a url")
        elif not self._findings.is_faulty((*self._path, "command")):
            self._error(("url",), "missing; a server needs a url, or a command")

    def _unverified(self) -> None:
        """R145: said for each server, at each start."""
        server = self._server
        reason = "certificates are not verified: anybody on the way can read and write"
        hint = "only for development"
        if not server.verify_ssl:
            self._warn(("verify_ssl",), reason, hint)
        if server.oauth.enabled and not server.oauth.verify_ssl:
            self._warn(("oauth", "verify_ssl"), reason, hint)

    def _credentials(self, address: Address) -> None:
        server = self._server
        self._static()
        secret = server.authentication.type != "none" or _authorizes(server.headers)
        if secret and not address.private:
            self._warn(("url",), "credentials are sent without encryption")

    def _static(self) -> None:
        given = self._server.authentication
        needs = {
            "bearer": ("token", given.token),
            "api_key": ("key", given.key),
            "basic": ("username", given.username),
        }
        if given.type not in needs:
            return
        key, value = needs[given.type]
        if not value:
            self._error(("authentication", key), f"missing; {given.type} needs it")
        for part, text in (("token", given.token), ("key", given.key)):
            if fault := _header_fault("Authorization", text):
                self._error(("authentication", part), fault)
        if fault := _header_fault(given.header, ""):
            self._error(("authentication", "header"), fault)
        if ":" in given.username:
            self._error(("authentication", "username"), "a user holds no colon")

    def _oauth(self, oauth: OAuthConfig, address: Address) -> None:
        if not oauth.enabled:
            return
        if not address.private:
            self._error(
                ("url",),
                "a token is never sent without encryption; the address must be "
                f"{'wss' if address.scheme == 'ws' else 'https'}",
            )
        if fault := resource_fault(self._server.url):
            self._error(("url",), fault)
        for key, url in (
            ("issuer", oauth.issuer),
            ("authorization_url", oauth.authorization_url),
            ("token_url", oauth.token_url),
            ("registration_url", oauth.registration_url),
            ("client_metadata_url", oauth.client_metadata_url),
        ):
            if url:
                check_provider(url, (*self._path, "oauth", key), self._findings)
        if oauth.type == "static" and not oauth.client_id:
            self._error(("oauth", "client_id"), "missing; type static needs it")
        self._client(oauth)
        self._two_credentials()

    def _client(self, oauth: OAuthConfig) -> None:
        """What the chosen way to prove oneself needs."""
        method = oauth.token_endpoint_auth_method
        needs = {
            "client_secret_basic": ("client_secret", oauth.client_secret),
            "client_secret_post": ("client_secret", oauth.client_secret),
            "private_key_jwt": ("private_key", oauth.private_key),
        }
        if method in needs and oauth.client_id:
            key, value = needs[method]
            if not value:
                self._error(("oauth", key), f"missing; {method} needs it")
        if oauth.grant == "client_credentials" and not oauth.client_id:
            self._error(
                ("oauth", "client_id"), "missing; client_credentials needs a client"
            )

    def _two_credentials(self) -> None:
        server = self._server
        if server.authentication.type in {"bearer", "basic"}:
            self._error(
                ("authentication",), "two credentials: OAuth sets the same header"
            )
        if _authorizes(server.headers):
            self._error(("headers",), "two credentials: OAuth sets Authorization")


def _authorizes(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "authorization" for name in headers)


def _header_fault(name: str, value: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        return "not a name a header can have"
    if name.lower() in _OWN_HEADERS:
        return "set by the bridge itself"
    if not _HEADER_VALUE.fullmatch(value):
        return "a header's value holds no line break, control code or wide character"
    return ""
