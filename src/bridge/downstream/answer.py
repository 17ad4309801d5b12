"""The plain answers: JSON, and refusals that say what is wrong and nothing else."""

from collections.abc import Iterable

import msgspec

from bridge.downstream.message import Response
from bridge.protocol.codes import Code, error_body, error_frame
from bridge.protocol.frame import Frame, encode, encode_unattributed

Headers = tuple[tuple[str, str], ...]

JSON: Headers = (("content-type", "application/json"),)


def json(value: object, *, status: int = 200, headers: Headers = ()) -> Response:
    """A value of ours as JSON."""
    return Response(
        status=status, headers=(*JSON, *headers), body=msgspec.json.encode(value)
    )


def refusal(
    status: int, error: str, message: str, *, headers: Headers = ()
) -> Response:
    """An error of HTTP: a stable word for programs and a sentence for people."""
    return json({"error": error, "message": message}, status=status, headers=headers)


def not_found(message: str = "there is nothing at this address") -> Response:
    return refusal(404, "not_found", message)


def method_not_allowed(allow: Iterable[str]) -> Response:
    allowed = ", ".join(allow)
    return refusal(
        405,
        "method_not_allowed",
        f"this address takes {allowed}",
        headers=(("allow", allowed),),
    )


def rpc_error(
    status: int,
    code: Code,
    message: str,
    *,
    asked: Frame | None = None,
    headers: Headers = (),
) -> Response:
    """An error of JSON-RPC, with the id of the request where it is known."""
    if asked is not None and asked.is_request:
        assert isinstance(asked.id, int | str)
        body = encode(error_frame(asked.id, code, message))
    else:
        body = encode_unattributed(error_body(code, message))
    return Response(status=status, headers=(*JSON, *headers), body=body)
