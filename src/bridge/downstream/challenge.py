"""What a refused request is answered (pure): status, challenge, and no detail."""

import msgspec

from bridge.downstream.authority import HostInvalid, HostRefused
from bridge.downstream.message import Response
from bridge.errors import (
    GuardError,
    KeysUnavailable,
    OriginRefused,
    ScopeInsufficient,
    TokenMissing,
)

#: Seconds until the issuer is asked again, roughly.
RETRY_AFTER = "5"


class Refusal(msgspec.Struct, frozen=True):
    """The body of an answer at the door."""

    error: str


def challenge(
    error: GuardError, *, resource_metadata: str, scopes: tuple[str, ...] = ()
) -> Response:
    """The answer to a refused request (RFC 6750, RFC 9728).

    ``resource_metadata`` is the address of the metadata of the resource asked for;
    ``scopes`` what every request needs. Nothing of the token or of the reason is in
    the answer: why is for the log.
    """
    match error:
        case HostInvalid():
            return _refuse(400, "invalid_host")
        case HostRefused():
            return _refuse(421, "misdirected_request")
        case OriginRefused():
            return _refuse(403, "forbidden_origin")
        case KeysUnavailable():
            return _refuse(503, "temporarily_unavailable", ("retry-after", RETRY_AFTER))
        case ScopeInsufficient():
            fields = {
                "error": "insufficient_scope",
                "scope": " ".join(error.scopes),
                "resource_metadata": resource_metadata,
            }
            return _challenge(403, fields)
        case _:
            return _unauthorized(error, resource_metadata, scopes)


def _unauthorized(
    error: GuardError, resource_metadata: str, scopes: tuple[str, ...]
) -> Response:
    fields = {"resource_metadata": resource_metadata, "scope": " ".join(scopes)}
    if not isinstance(error, TokenMissing):  # no error= when no token was sent (A35)
        fields = {"error": "invalid_token", **fields}
    return _challenge(401, fields)


def _challenge(status: int, fields: dict[str, str]) -> Response:
    quoted = ((name, _quoted(value)) for name, value in fields.items())
    parts = [f'{name}="{value}"' for name, value in quoted if value]
    return _refuse(
        status,
        fields.get("error", "unauthorized"),
        ("www-authenticate", f"Bearer {', '.join(parts)}".strip()),
    )


def _quoted(value: str) -> str:
    """The inside of a quoted-string: printable ASCII, with its escapes."""
    plain = "".join(c for c in value if " " <= c <= "~")
    return plain.replace("\\", "\\\\").replace('"', '\\"')


def _refuse(status: int, error: str, *headers: tuple[str, str]) -> Response:
    return Response(
        status=status,
        headers=(
            *headers,
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
        ),
        body=msgspec.json.encode(Refusal(error)),
    )
