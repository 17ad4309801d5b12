"""JSON-RPC and MCP error codes, and the error frames the bridge authors.

Codes of the standards come from `mcp_types`; those above 1000 are the bridge's own
(protocol 4.6) and lie outside the range JSON-RPC reserves.
"""

from enum import IntEnum

from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
)
from msgspec import Raw

from bridge.protocol.frame import Frame, raw

#: `resources/read` of an unknown URI by a legacy client (MCP 2025-11-25, resources).
RESOURCE_NOT_FOUND = -32002


class Code(IntEnum):
    """Every code the bridge itself puts on the wire."""

    PARSE_ERROR = PARSE_ERROR
    INVALID_REQUEST = INVALID_REQUEST
    METHOD_NOT_FOUND = METHOD_NOT_FOUND
    INVALID_PARAMS = INVALID_PARAMS
    INTERNAL_ERROR = INTERNAL_ERROR
    RESOURCE_NOT_FOUND = RESOURCE_NOT_FOUND
    UPSTREAM_UNAVAILABLE = 1001
    DEADLINE_PASSED = 1002
    LOGIN_NEEDED = 1003
    OVERLOADED = 1004
    CONNECTION_LOST = 1005


def error_body(code: Code, message: str, data: object | None = None) -> Raw:
    """The ``error`` member of a response."""
    body: dict[str, object] = {"code": int(code), "message": message}
    if data is not None:
        body["data"] = data
    return raw(body)


def error_frame(
    id: int | str,  # noqa: A002 - the wire's own word
    code: Code,
    message: str,
    data: object | None = None,
) -> Frame:
    """An error response to the request ``id``."""
    return Frame(id=id, error=error_body(code, message, data))
