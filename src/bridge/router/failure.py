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
    RoutingError,
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


def may_have_run(error: BridgeError) -> bool:
    """False: the request was provably not executed, and will not be."""
    match error:
        case RoutingError():
            return error.written
        case ProtocolError():
            return False
        case _:
            return True  # nobody knows, so nobody claims it


def data_of(error: BridgeError, *, repeatable: bool = False) -> dict[str, object]:
    """``error.data``: what became of the request, and what may be done about it.

    ``executed`` is ``no`` or ``unknown``. ``retrySafe``: asking again does nothing
    twice. ``retryable``: it may succeed without anybody changing anything.
    """
    unknown = may_have_run(error)
    data: dict[str, object] = {
        "reason": error.code,
        "executed": "unknown" if unknown else "no",
        "retrySafe": repeatable or not unknown,
        "retryable": error.retryable,
    }
    for name in ("upstream", "state"):
        found = getattr(error, name, "")
        if found:
            data[name] = found
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        data["retryAfterMs"] = round(retry_after * 1000)
    return data


def failure(
    id: int | str,  # noqa: A002 - the wire's own word
    method: str,
    error: BridgeError,
    *,
    repeatable: bool = False,
) -> Frame:
    """The response a client gets for ``error``.

    ``repeatable``: what was asked changes nothing when it is done twice.
    """
    data = data_of(error, repeatable=repeatable)
    if method == TOOLS_CALL and isinstance(error, _OF_THE_WAY):
        return Frame(id=id, result=_tool_result(error, data))
    code = code_of(error)
    if method == RESOURCES_READ and isinstance(error, UnknownName):
        code = Code.RESOURCE_NOT_FOUND
    return error_frame(id, code, error.public, data)


def _tool_result(error: BridgeError, data: dict[str, object]) -> Raw:
    return raw(
        {
            "content": [{"type": "text", "text": error.public}],
            "isError": True,
            "_meta": {META_KEY: {"code": int(code_of(error)), **data}},
        }
    )
