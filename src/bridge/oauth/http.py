"""Requests and replies: the only vocabulary of this room's I/O."""

from collections.abc import Generator, Mapping
from enum import Enum
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Step(Enum):
    """What a request is for, in the words logs and `doctor` use."""

    RESOURCE_METADATA = "resource metadata"  # RFC 9728
    SERVER_METADATA = "server metadata"  # RFC 8414, OpenID Connect Discovery
    REGISTRATION = "registration"  # RFC 7591
    TOKEN = "token"  # noqa: S105 - the name of an endpoint
    REVOCATION = "revocation"  # RFC 7009
    DEVICE = "device authorization"  # RFC 8628


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """To be sent as it is. ``headers`` and ``body`` may hold secrets."""

    step: Step
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.step.value})"


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def __repr__(self) -> str:
        return f"HttpResponse({self.status})"


class HttpFailure(msgspec.Struct, frozen=True, kw_only=True):
    """No answer. ``refused``: the address was not even asked (threats D7).

    ``retry_after``: it was not asked because it wants patience, for so many seconds.
    """

    reason: str
    refused: bool = False
    retry_after: float | None = None


HttpReply = HttpResponse | HttpFailure
#: A dialogue with a server: yields requests, is sent replies, returns a ``T``.
Steps = Generator[HttpRequest, HttpReply, T]
