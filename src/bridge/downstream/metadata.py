"""Protected resource metadata (RFC 9728): who may issue tokens for us.

One document per MCP address a client may be configured with. ``resource`` is exactly
the address the well-known path was built from, because clients compare the two.
"""

import re
from collections.abc import Callable

import msgspec

from bridge.downstream.authority import parse_authority
from bridge.downstream.message import Request, Response

WELL_KNOWN = "/.well-known/oauth-protected-resource"

#: `/sse`, `/mcp`, and the views of one server or of tags below them.
_RESOURCE = re.compile(
    r"/(?:sse|mcp)(?:/(?:mcp|server|tag)/[A-Za-z0-9._~+,%-]{1,256})?"
)
_MESSAGES = re.compile(r"/messages/?")


class ProtectedResource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document. It names nothing that only a token may see."""

    resource: str
    authorization_servers: tuple[str, ...]
    bearer_methods_supported: tuple[str, ...]
    scopes_supported: tuple[str, ...] = ()
    resource_name: str = ""


class ResourceMetadata:
    """Builds the documents, and the addresses a challenge points to.

    ``issuer`` is asked each time: its exact name may be learnt after the start.
    Without a ``public_url`` an address starts with the Host the client used, which the
    authority check has allowed before; without a Host with ``listening``.
    """

    def __init__(
        self,
        *,
        public_url: str,
        listening: str,
        issuer: Callable[[], str],
        scopes: tuple[str, ...] = (),
        name: str = "MCP bridge",
    ) -> None:
        self._public = public_url.rstrip("/")
        self._listening = listening
        self._issuer = issuer
        self._scopes = tuple(scope for scope in scopes if scope != "offline_access")
        self._name = name

    def answer(self, request: Request) -> Response | None:
        """The document a request to a well-known path asks for; None: no such one."""
        if not request.path.startswith(WELL_KNOWN):
            return None
        path = self._without_prefix(request.path.removeprefix(WELL_KNOWN))
        if path and not _RESOURCE.fullmatch(path):
            return None
        document = ProtectedResource(
            resource=self._base(request) + path,
            authorization_servers=(self._issuer(),),
            bearer_methods_supported=("header",),
            scopes_supported=self._scopes,
            resource_name=self._name,
        )
        return Response(
            status=200,
            headers=(
                ("content-type", "application/json"),
                ("cache-control", "max-age=300"),
            ),
            body=msgspec.json.encode(document),
        )

    def url_for(self, request: Request) -> str:
        """Where the metadata of the resource is that ``request`` was made to."""
        scheme, _, rest = self._base(request).partition("://")
        host, slash, prefix = rest.partition("/")
        path = slash + prefix + resource_of(request.path)
        return f"{scheme}://{host}{WELL_KNOWN}{path}"

    def _base(self, request: Request) -> str:
        if self._public:
            return self._public
        hosts = [value for name, value in request.headers if name == "host"]
        authority = parse_authority(hosts[0]) if len(hosts) == 1 else None
        return f"{request.scheme}://{authority or self._listening}"

    def _without_prefix(self, path: str) -> str:
        """A public address may have a path of its own in front of ours."""
        _, _, rest = self._public.partition("://")
        _, slash, prefix = rest.partition("/")
        if prefix and (path + "/").startswith(f"/{prefix}/"):
            path = path.removeprefix(slash + prefix)
        return "" if path == "/" else path


def resource_of(path: str) -> str:
    """The resource a request path belongs to: itself, `/sse` for its messages, or all
    of the bridge."""
    if _MESSAGES.fullmatch(path):
        return "/sse"
    return path if _RESOURCE.fullmatch(path) else ""
