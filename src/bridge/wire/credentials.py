"""Pure: the headers a configuration gives every request of an upstream (R14)."""

import base64
from collections.abc import Mapping

from bridge.config.model import AuthenticationConfig, UpstreamConfig
from bridge.wire.link import HeaderSource

#: What the link itself says; a configured value would break the transport.
_OURS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "last-event-id",
        "mcp-protocol-version",
        "mcp-session-id",
        "transfer-encoding",
    }
)


def static_headers(config: UpstreamConfig) -> dict[str, str]:
    """Configured headers, and the static credentials over them; names in lower case."""
    configured = {name.lower(): value for name, value in config.headers.items()}
    kept = {name: value for name, value in configured.items() if name not in _OURS}
    return kept | authentication_headers(config.authentication)


def authentication_headers(config: AuthenticationConfig) -> dict[str, str]:
    """What ``authentication`` stands for; nothing for the type ``none``."""
    match config.type:
        case "bearer":
            return {"authorization": f"Bearer {config.token}"}
        case "api_key":
            return {config.header.lower(): config.key}
        case "basic":
            pair = f"{config.username}:{config.password}".encode()
            return {"authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
        case "none":
            return {}


def with_static(config: UpstreamConfig, dynamic: HeaderSource) -> HeaderSource:
    """A source of the static headers and, over them, what ``dynamic`` says now."""
    static = static_headers(config)

    def headers() -> Mapping[str, str]:
        return static | {name.lower(): value for name, value in dynamic().items()}

    return headers
