"""What a client is told when a request cannot be answered by its upstream. Pure.

A failed ``tools/call`` is a *result* with ``isError`` (the model shall read it), any
other request a JSON-RPC error; what is the client's own mistake is an error for both
(protocol 4.6).
"""

from msgspec import Raw

from bridge.errors import (
    BridgeError,
    CallTimeout,
    FrameInvalid,
    LinkError,
    LoginNeeded,
    Overloaded,
    ProtocolError,
    UnknownName,
    UpstreamLost,
    UpstreamUnavailable,
)
from bridge.protocol.codes import Code, error_frame
from bridge.protocol.frame import Frame, raw
from bridge.protocol.methods import RESOURCES_READ, TOOLS_CALL

#: Where a failed tool call carries what an error's ``data`` would.
META_KEY = "mcp-trio-bridge/error"

_CODES: tuple[tuple[type[BridgeError], Code], ...] = (
    (UnknownName, Code.INVALID_PARAMS),
    (FrameInvalid, Code.INVALID_PARAMS),
    (ProtocolError, Code.INVALID_REQUEST),
    (LoginNeeded, Code.LOGIN_NEEDED),
    (UpstreamUnavailable, Code.UPSTREAM_UNAVAILABLE),
    (CallTimeout, Code.DEADLINE_PASSED),
    (Overloaded, Code.OVERLOADED),
    (UpstreamLost, Code.CONNECTION_LOST),
    (LinkError, Code.UPSTREAM_UNAVAILABLE),
)

#: Failures of the way, not of the question: the model may read them and go on.
_OF_THE_WAY = (
    UpstreamUnavailable,
    CallTimeout,
    Overloaded,
    UpstreamLost,
    LinkError,
)


def code_of(error: BridgeError) -> Code:
    """The JSON-RPC code of an error of the tree."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return Code.INTERNAL_ERROR


def data_of(error: BridgeError) -> dict[str, object]:
    """``error.data``: upstream, state, and when a retry may help."""
    data: dict[str, object] = {"reason": error.code, "retryable": error.retryable}
    for name in ("upstream", "state"):
        found = getattr(error, name, "")
        if found:
            data[name] = found
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        data["retryAfterMs"] = round(retry_after * 1000)
    if isinstance(error, UpstreamLost):
        data["mayHaveRun"] = error.written
    return data


def failure(id: int | str, method: str, error: BridgeError) -> Frame:  # noqa: A002 - the wire's own word
    """The response a client gets for ``error``."""
    if method == TOOLS_CALL and isinstance(error, _OF_THE_WAY):
        return Frame(id=id, result=_tool_result(error))
    code = code_of(error)
    if method == RESOURCES_READ and isinstance(error, UnknownName):
        code = Code.RESOURCE_NOT_FOUND
    return error_frame(id, code, error.public, data_of(error))


def _tool_result(error: BridgeError) -> Raw:
    return raw(
        {
            "content": [{"type": "text", "text": error.public}],
            "isError": True,
            "_meta": {META_KEY: {"code": int(code_of(error)), **data_of(error)}},
        }
    )
