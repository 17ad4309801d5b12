"""Which page a path is, and which view of the namespace it shows. Pure.

/sse                          HTTP+SSE over everything
/sse/mcp/{server}             over one server
/sse/tag/{a+b} /sse/tag/{a,b} over the servers with all, or any, of the tags
/messages?session_id=...      what HTTP+SSE clients post
/mcp                          streamable HTTP; /mcp/server/{server} (or
                              /mcp/mcp/{server}) and /mcp/tag/{tags} are its views
"""

from enum import Enum

import msgspec

from bridge.config.client_identity import CLIENT_METADATA_PATH
from bridge.router.policy import EVERYTHING, View

WELL_KNOWN = "/.well-known/oauth-protected-resource"


class Page(Enum):
    """What can be asked for. ``public``: without a token; ``methods``: how."""

    SSE = ("sse", ("GET",))
    MESSAGES = ("messages", ("POST",))
    MCP = ("mcp", ("GET", "POST", "DELETE"))
    HEALTH = ("health", ("GET", "HEAD"))
    READY = ("ready", ("GET", "HEAD"))
    METADATA = ("metadata", ("GET", "HEAD"))
    CLIENT = ("client", ("GET", "HEAD"))
    STATUS = ("status", ("GET",))
    SERVERS = ("servers", ("GET",))
    TAGS = ("tags", ("GET",))
    TOOLS = ("tools", ("GET",))
    SERVER_STATUS = ("server_status", ("GET",))
    RECONNECT = ("reconnect", ("POST",))
    RESCAN = ("rescan", ("POST",))
    METRICS = ("metrics", ("GET",))
    TREE = ("tree", ("GET",))

    def __init__(self, label: str, methods: tuple[str, ...]) -> None:
        self.label = label
        self.methods = methods

    @property
    def public(self) -> bool:
        """Served without a token: liveness, readiness, where to get a token, and who
        we are to the providers of our upstreams."""
        return self in _PUBLIC


_PUBLIC = frozenset({Page.HEALTH, Page.READY, Page.METADATA, Page.CLIENT})


class Route(msgspec.Struct, frozen=True):
    """One page over one view."""

    page: Page
    view: View = EVERYTHING


_FIXED = {
    "/sse": Page.SSE,
    "/messages": Page.MESSAGES,
    "/messages/": Page.MESSAGES,
    "/mcp": Page.MCP,
    "/health": Page.HEALTH,
    "/healthz": Page.HEALTH,
    "/readyz": Page.READY,
    "/status": Page.STATUS,
    "/metrics": Page.METRICS,
    "/api/tree": Page.TREE,
    "/sse/servers": Page.SERVERS,
    "/sse/tags": Page.TAGS,
    "/sse/list_tools": Page.TOOLS,
    "/sse/tools/rescan": Page.RESCAN,
    WELL_KNOWN: Page.METADATA,
    CLIENT_METADATA_PATH: Page.CLIENT,
}

_OF_SERVER: dict[tuple[str, ...], Page] = {
    (): Page.SSE,
    ("status",): Page.SERVER_STATUS,
    ("list_tools",): Page.TOOLS,
    ("reconnect",): Page.RECONNECT,
}
_OF_TAGS: dict[tuple[str, ...], Page] = {(): Page.SSE, ("list_tools",): Page.TOOLS}


def find(path: str) -> Route | None:
    """The route of a (percent-decoded) path; None when there is none."""
    page = _FIXED.get(path)
    if page is not None:
        return Route(page)
    if path.startswith(WELL_KNOWN + "/"):
        return Route(Page.METADATA)
    return _view_of(path)


def _view_of(path: str) -> Route | None:
    match path.split("/"):
        case ["", "sse", "mcp", server, *rest] if server:
            return _route(_OF_SERVER.get(tuple(rest)), View(server=server))
        case ["", "sse", "tag", tags, *rest]:
            return _route(_OF_TAGS.get(tuple(rest)), tagged(tags))
        case ["", "mcp", "mcp" | "server", server] if server:
            return Route(Page.MCP, View(server=server))
        case ["", "mcp", "tag", tags]:
            return _route(Page.MCP, tagged(tags))
        case _:
            return None


def tagged(text: str) -> View | None:
    """The view of ``a+b`` (all) or ``a,b`` (any); None for a mixture or a blank."""
    if "+" in text and "," in text:
        return None
    names = text.split("," if "," in text else "+")
    if not all(names):
        return None
    return View(tags=frozenset(names), match="any" if "," in text else "all")


def _route(page: Page | None, view: View | None) -> Route | None:
    return None if page is None or view is None else Route(page, view)
