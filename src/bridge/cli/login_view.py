"""Pure: how logins are shown to people and programs. Times are epoch seconds."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from enum import Enum
from typing import Protocol

import msgspec

from bridge.errors import OAuthError
from bridge.observe.status import OAuthStatus

COLUMNS = ("Server", "OAuth Status", "Token Expiry")
#: The last second a calendar of four digits has.
_END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class Verdict(Enum):
    """What a login is worth now. ``sign`` stands before ``words`` on a terminal."""

    VALID = ("valid", "✓", "Valid")
    EXPIRED = ("expired", "⚠", "Expired")
    NO_TOKENS = ("no_tokens", "✗", "No tokens")

    def __init__(self, label: str, sign: str, words: str) -> None:
        self.label = label
        self.sign = sign
        self.words = words

    def shown(self, *, signs: bool) -> str:
        return f"{self.sign} {self.words}" if signs else self.words


def verdict(status: OAuthStatus, *, now: float) -> Verdict:
    """A token that works; one that is known not to; or none.

    A token whose end was not said counts as good while nobody has refused it (R110).
    """
    ends = status.expires_at
    alive = ends is not None and ends > now
    match status.state:
        case "absent":
            return Verdict.NO_TOKENS
        case "valid":
            return Verdict.VALID if ends is None or alive else Verdict.EXPIRED
        case "refreshing" | "login_pending" if alive:
            return Verdict.VALID
        case "stale" | "refreshing":
            return Verdict.EXPIRED
        case _:
            return Verdict.NO_TOKENS if ends is None else Verdict.EXPIRED


def is_pending(status: OAuthStatus) -> bool:
    """A login is under way; where ``login_url`` is set it waits for a person."""
    waits = status.state == "login_pending" or bool(status.login_url)
    return waits or status.logging_in


def expiry(ends: float | None, *, zone: tzinfo | None = None) -> str:
    """``YYYY-MM-DD HH:MM:SS`` in ``zone`` (None: where this machine is); else ``-``."""
    if ends is None:
        return "-"
    try:
        moment = datetime.fromtimestamp(ends, tz=UTC).astimezone(zone)
    except (OverflowError, OSError, ValueError):
        moment = _END_OF_TIME
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def rows(
    statuses: Iterable[OAuthStatus],
    *,
    now: float,
    signs: bool,
    zone: tzinfo | None = None,
) -> Iterator[tuple[str, str, str]]:
    """One row for each server."""
    for status in statuses:
        shown = verdict(status, now=now).shown(signs=signs)
        yield status.name, shown, expiry(status.expires_at, zone=zone)


def notes(statuses: Iterable[OAuthStatus], *, now: float) -> Iterator[str]:
    """What stands below the table: where to log in, and what went wrong."""
    for status in statuses:
        if status.login_url:
            yield from invitation(status)
        elif status.last_error and verdict(status, now=now) is not Verdict.VALID:
            yield f"{status.name}: {status.last_error}"


def invitation(status: OAuthStatus) -> Iterator[str]:
    """Where a person logs in. The address has a line of its own, to be copied."""
    if status.user_code:
        yield f"to log in to '{status.name}', type {status.user_code} at this address:"
    else:
        yield f"to log in to '{status.name}', open this address in a browser:"
    yield status.login_url


def as_json(statuses: Iterable[OAuthStatus], *, now: float) -> dict[str, object]:
    """The same for programs; ``status`` is valid, expired or no_tokens."""
    servers: list[dict[str, object]] = []
    for status in statuses:
        said: dict[str, object] = msgspec.to_builtins(status)
        servers.append({**said, "status": verdict(status, now=now).label})
    return {"servers": servers, "count": len(servers)}


def explained(error: OAuthError) -> list[str]:
    """An error as its sentence and, each on a line, what led to it."""
    return [error.public, *(f"  {line}" for line in explanation(error))]


class Explained(Protocol):
    """The texts of an `OAuthError`, whoever holds them."""

    @property
    def asked(self) -> str: ...
    @property
    def answered(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def advice(self) -> str: ...


def explanation(what: Explained) -> Iterator[str]:
    """What led to a trouble, a line for each text that is there; advice last."""
    parts = (
        ("asked", what.asked),
        ("answered", what.answered),
        ("rule", what.rule),
        ("what to do", what.advice),
    )
    yield from (f"{name}: {text}" for name, text in parts if text)
