"""Pure: what an HTTP answer of an upstream means."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from bridge.errors import (
    Forbidden,
    FrameInvalid,
    LinkError,
    RequestRefused,
    SessionLost,
    Unauthorized,
)
from bridge.protocol.frame import Frame, decode_upstream

JSON = "application/json"
EVENT_STREAM = "text/event-stream"

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
#: A server may ask for patience, not for oblivion (C20).
_LONGEST_RETRY_AFTER = 300.0
#: Visible ASCII (MCP 2025-03-26, session management); a bound keeps it a header.
_SESSION_ID = re.compile(r"[\x21-\x7e]{1,512}")
_CHALLENGE_OCTETS = 4096
#: Statuses whose body may be the JSON-RPC answer itself.
_ANSWERED_BY_BODY = frozenset({400, 404, 405, 406, 409, 415, 422, 500})


def media_type(headers: Mapping[str, str]) -> str:
    """The content type without its parameters, in lower case."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_session_id(text: str) -> bool:
    """A session id that may be kept and sent back (C25)."""
    return _SESSION_ID.fullmatch(text) is not None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wish of the server in seconds, clamped; None: none, or junk.

    A date is read against the answer's own ``Date``: no clock is asked.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        # Digits beyond these mean "very long" and would take long to read.
        seconds = float(value[:9])
    else:
        seconds = _seconds_between(headers.get("date", ""), value)
    return None if seconds is None else max(0.0, min(_LONGEST_RETRY_AFTER, seconds))


def _seconds_between(date: str, later: str) -> float | None:
    try:
        difference = parsedate_to_datetime(later) - parsedate_to_datetime(date)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return difference.total_seconds()


def challenge(headers: Mapping[str, str]) -> str:
    """The WWW-Authenticate header, bounded."""
    return headers.get("www-authenticate", "")[:_CHALLENGE_OCTETS]


def refusal(
    status: int, headers: Mapping[str, str], *, name: str, in_session: bool = False
) -> LinkError | None:
    """The error a status stands for; None for the statuses of success."""
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, section 15.3
        return None
    match status:
        case 401:
            return Unauthorized(
                f"'{name}' asks for authorization", challenge=challenge(headers)
            )
        case 403:
            return Forbidden(
                f"'{name}' forbids the request", challenge=challenge(headers)
            )
        case 404 if in_session:
            return SessionLost(f"'{name}' no longer knows the session")
        case _:
            return RequestRefused(
                f"'{name}' answered with HTTP status {status}",
                status=status,
                retry_after=retry_after(headers),
            )


def may_carry_answer(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a refusal's body is worth reading for a JSON-RPC error."""
    return status in _ANSWERED_BY_BODY and media_type(headers) == JSON


def error_in(body: bytes, upstream_id: int) -> Frame | None:
    """The JSON-RPC error in a refusal's body, as the answer to ``upstream_id``.

    Servers that refuse before they have read the id send it as null.
    """
    try:
        frames = decode_upstream(body)
    except FrameInvalid:
        return None
    for frame in frames:
        ours = frame.id is msgspec.UNSET or frame.id == upstream_id
        if ours and frame.error is not msgspec.UNSET:
            return Frame(id=upstream_id, error=frame.error)
    return None
