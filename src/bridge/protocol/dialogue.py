"""A conversation with a peer as a generator: it yields requests, is sent answers.

The steps of a conversation (a handshake, the reading of lists) stay pure this way; a
driver carries each `Ask` over a link and sends the `Told` back in.
"""

from collections.abc import Generator
from typing import TypeVar

import msgspec
from msgspec import Raw

T = TypeVar("T")


class Ask(msgspec.Struct, frozen=True):
    """One request of our own. ``params`` is any value msgspec can write."""

    method: str
    params: object | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The peer's answer: exactly one of ``result`` and ``error``."""

    result: Raw | None = None
    error: Raw | None = None

    @property
    def code(self) -> int | None:
        """The JSON-RPC error code; None for a result or an unreadable error."""
        return None if self.error is None else _error_of(self.error).code

    @property
    def message(self) -> str:
        """The error's message, empty when there is none."""
        return "" if self.error is None else _error_of(self.error).message


class _Error(msgspec.Struct):
    code: int | None = None
    message: str = ""


_errors = msgspec.json.Decoder(_Error)


def _error_of(error: Raw) -> _Error:
    try:
        return _errors.decode(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()


#: A conversation that ends with a ``T``, or raises a `BridgeError`.
Dialogue = Generator[Ask, Told, T]
