"""The seam between an upstream actor and a transport.

A *transport* knows how to open a link; a *link* is one open connection. The actor
never awaits the wire: `Link.send` only queues. What the wire does comes back as events
from `Link.receive`, in order. Background tasks of a link never raise into the actor:
trouble of one request is a `RequestFailed` event, trouble of the whole link is the
`LinkError` that `receive` raises from then on.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from bridge.errors import LinkError
from bridge.protocol.frame import Frame

#: Asked before every HTTP request, so that a refreshed bearer is used at once (R106).
HeaderSource = Callable[[], Mapping[str, str]]


class Refusal(msgspec.Struct, frozen=True):
    """No better token for a request that got a 401.

    ``passing``: why there is none for the moment; empty: somebody has to log in, as
    ``advice`` says (it reads on after the upstream's name).
    """

    passing: str = ""
    advice: str = ""


class BearerSource(Protocol):
    """Who holds the token of an upstream. All but `renew` is synchronous."""

    @property
    def generation(self) -> int:
        """Counts the tokens; 0: requests carry none now."""
        ...

    def headers(self) -> Mapping[str, str]:
        """What every request carries now."""
        ...

    def accepted(self, generation: int) -> None:
        """The server took this token."""
        ...

    async def renew(self, generation: int, challenge: str) -> Refusal | None:
        """401 to a request of this generation. None: repeat it, once, with the token
        of now. Bounded."""
        ...

    def insufficient(self, generation: int, challenge: str) -> None:
        """403 to a request of this generation: it may want more scopes."""
        ...


class NoBearer:
    """For upstreams without a login: static headers, if any, are all there is."""

    generation = 0

    def headers(self) -> Mapping[str, str]:
        return {}

    def accepted(self, generation: int) -> None:
        """Nothing to learn."""

    async def renew(self, generation: int, challenge: str) -> Refusal | None:  # noqa: ARG002 - the seam
        return Refusal()

    def insufficient(self, generation: int, challenge: str) -> None:
        """Nothing to ask for."""


class Outgoing:
    """One frame on its way out.

    ``upstream_id`` is set for requests. ``written`` turns True just before the first
    byte is handed to the operating system: from then on the request may have run. One
    that was ``revoked`` before is never written.
    """

    __slots__ = ("frame", "revoked", "upstream_id", "written")

    def __init__(self, frame: Frame, *, upstream_id: int | None = None) -> None:
        self.frame = frame
        self.upstream_id = upstream_id
        self.written = False
        self.revoked = False

    def revoke(self) -> bool:
        """Take it back. False: too late, it may run."""
        self.revoked = not self.written
        return self.revoked


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A frame came in. ``related``: the request whose response stream carried it."""

    frame: Frame
    related: int | None = None


class RequestFailed(msgspec.Struct, frozen=True, kw_only=True):
    """Only this request failed (an HTTP error, a refused body); the link is well."""

    upstream_id: int
    error: LinkError


class FrameRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Something came in that is no frame; skipped. ``kind`` is a short slug."""

    kind: str
    size: int


LinkEvent = Received | RequestFailed | FrameRefused


class Link(Protocol):
    """One open transport to an upstream."""

    def send(self, outgoing: Outgoing) -> None:
        """Queue a frame; never waits. Raises `LinkBusy` or `LinkLost`."""
        ...

    def cancel(self, upstream_id: int) -> None:
        """Stop waiting for one request's response stream; nothing more comes of it.

        Telling the server (``notifications/cancelled``) is the actor's business.
        """
        ...

    async def receive(self) -> LinkEvent:
        """The next event. Raises `LinkError` once the link is lost, for good."""
        ...

    def agreed(self, revision: str) -> None:
        """The handshake settled on this revision (HTTP headers depend on it).

        Called before ``notifications/initialized`` is sent. A streamable HTTP link
        opens its standalone GET stream after that notification was accepted.
        """
        ...


class Transport(Protocol):
    """How to reach one upstream."""

    def open(self) -> AbstractAsyncContextManager[Link]:
        """Open a link; on exit it is closed in bounded time, children reaped.

        Entering raises `LinkError` (`ConnectFailed`, `Unauthorized`, ...).
        """
        ...
