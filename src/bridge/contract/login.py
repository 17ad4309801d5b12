"""The seam between a login and the listener its browser comes back to."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Attendance(Protocol):
    """One pending login, waiting for its browser."""

    async def redirected(self) -> Mapping[str, str]:
        """The query of the redirect: single-valued, with our ``state``; once.

        A forged, repeated or malformed redirect never gets here. Bounded by its caller.
        """
        ...

    def answer(self, *, success: bool) -> None:
        """What the person's page says, after the exchange: static text, no reason."""
        ...


class LoginDesk(Protocol):
    """Shared by all upstreams; listens on loopback only while a login is pending."""

    def redirect_uri(self, host: str) -> str:
        """``http://<host>:<oauth_port>/oauth/callback``; host as in `redirect_host`."""
        ...

    def attend(self, state: str) -> AbstractAsyncContextManager[Attendance]:
        """Listen for the redirect that carries ``state``, while the block runs.

        Entering raises `CallbackUnavailable` when the port cannot be had.
        """
        ...

    async def deliver(self, query: str) -> bool | None:
        """A redirect brought by hand (pasted). True and False: how that login ended,
        None: no pending login has this ``state``."""
        ...
