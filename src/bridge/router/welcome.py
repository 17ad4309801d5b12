"""The bridge as a server: its answer to a legacy ``initialize``. Pure.

The capabilities are a static superset: a session cannot renegotiate them, and the
answer never waits for an upstream (protocol 3.2).
"""

from typing import Any, cast

import msgspec
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION
from msgspec import Raw

from bridge.errors import FrameInvalid
from bridge.protocol.frame import raw
from bridge.protocol.methods import required_text

CAPABILITIES: dict[str, object] = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}
INSTRUCTIONS = (
    "This endpoint joins several MCP servers. A name before the separator tells which "
    "server a tool or prompt belongs to; lists may change while servers come and go."
)


class ClientHello(msgspec.Struct, frozen=True):
    """What a client said of itself."""

    revision: str  # what both speak from now on
    client: str
    capabilities: frozenset[str]
    elicitation_modes: frozenset[str]


def read_initialize(params: dict[str, Raw]) -> ClientHello:
    """Check an ``initialize``. Raises `FrameInvalid` naming what is missing."""
    asked = required_text(params, "protocolVersion")
    capabilities = _object(params, "capabilities")
    info = _object(params, "clientInfo")
    elicitation: object = capabilities.get("elicitation")
    modes = cast("dict[str, Any]", elicitation) if isinstance(elicitation, dict) else {}
    return ClientHello(
        revision=negotiated(asked),
        client=f"{info.get('name', '')} {info.get('version', '')}".strip()[:200],
        capabilities=frozenset(capabilities),
        # An empty object means form mode (MCP 2025-11-25, elicitation).
        elicitation_modes=frozenset(modes) or frozenset({"form"}),
    )


def negotiated(asked: str) -> str:
    """The asked revision if it is a legacy one, else the newest legacy one."""
    if asked in HANDSHAKE_PROTOCOL_VERSIONS:
        return asked
    return LATEST_HANDSHAKE_VERSION


def initialize_result(hello: ClientHello, *, name: str, version: str) -> Raw:
    """The result body."""
    return raw(
        {
            "protocolVersion": hello.revision,
            "capabilities": CAPABILITIES,
            "serverInfo": {"name": name, "version": version},
            "instructions": INSTRUCTIONS,
        }
    )


def _object(params: dict[str, Raw], key: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(params[key], type=dict[str, Any])
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise FrameInvalid(f"params.{key} must be an object") from None
