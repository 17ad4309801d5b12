"""Where logins are kept between runs: the seam, whatever is behind it."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio

from bridge.oauth.credential import Credential
from bridge.oauth.provider import Client


class Unsaved:
    """What the disk did not take yet: one for all owners of a login in this process.

    For an upstream's next edition begins while the one before still serves.

    ``lock`` is held while it is being stored, so that older tokens never replace newer.
    """

    def __init__(self) -> None:
        self.credential: Credential | None = None
        self.lock = trio.Lock()


class Shelf(Protocol):
    """The place of one upstream in the store. Every method raises `StorageError`."""

    @property
    def unsaved(self) -> Unsaved: ...

    @property
    def url_hash(self) -> str:
        """12 hex digits of the SHA-256 of the canonical server URL."""
        ...

    async def load(self) -> Credential | None:
        """The stored login; None when there is none, or none that can be read.

        A corrupt file is set aside and logged (R101). A file of an older layout or of
        another program (no provider stored) is imported as far as it goes (R97).
        """
        ...

    async def save(self, credential: Credential) -> None:
        """On the disk when this returns (R109)."""
        ...

    async def erase(self) -> bool:
        """False: there was nothing."""
        ...

    async def stamp(self) -> str:
        """Changes when anybody replaces or removes the stored login."""
        ...

    def hold(self) -> AbstractAsyncContextManager[None]:
        """One owner across processes, for re-read, refresh or login result, save."""
        ...

    async def load_client(self, issuer: str) -> Client | None:
        """The registration at ``issuer``, if there is one."""
        ...

    async def save_client(self, client: Client) -> None:
        """Keep a registration, under its issuer."""
        ...

    async def erase_client(self, issuer: str) -> None:
        """Forget a registration the server no longer knows."""
        ...


class TokenStore(Protocol):
    def serve(self, servers: Iterable[tuple[str, str]]) -> None:
        """From now on, shelves are for these names and addresses."""
        ...

    def shelf(self, *, name: str, url: str) -> Shelf:
        """The place of the upstream ``name`` at ``url``."""
        ...
