"""Logins in files: ``<home>/auth/server-hash-<12 hex>.json``, one for each server.

Beside each: ``client-hash-…`` with its registrations by issuer, ``….lock``, files set
aside as ``….corrupt-<n>``, and ``import-hash-….done`` once a login of an older layout
was taken over, so that a logout or a deleted file is not undone by the next start.
Servers with one address get ``-<name>`` added; when that begins or ends to be so, they
log in anew, for nobody knows whose the login was.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from bridge.config.model import BridgeConfig
from bridge.errors import StorageError
from bridge.oauth import record
from bridge.oauth.address import canonical_resource
from bridge.oauth.credential import Credential
from bridge.oauth.provider import Client
from bridge.observe.logging import Log
from bridge.ports import Files, Ports
from bridge.upstream.sealed_files import SealedFiles, StoreKey
from bridge.upstream.store_files import StoreFiles
from bridge.upstream.store_names import (
    file_slug,
    old_files,
    old_homes,
    shared_urls,
    short_hash,
)
from bridge.upstream.token_store import Unsaved

#: A server moves to a new issuer now and then; dynamic ones must not fill the file.
MOST_CLIENTS = 16
#: The owner holds a lock for one round trip to a provider, which has its own deadline.
LOCK_WITHIN = 60.0

_DONE = b"A login of an older layout was taken over. Delete this to do it again.\n"

Clients = Mapping[str, Client]  # by issuer, the oldest first


def open_store(
    config: BridgeConfig,
    ports: Ports,
    *,
    home: Path,
    log: Log,
    servers: Iterable[tuple[str, str]],
) -> "FileStore":
    """The token store the configuration asks for. ``servers``: names and addresses.

    Nothing is touched before a shelf is used. Raises `AddressRefused`.
    """
    files: Files = ports.files
    if config.token_store == "keyring":  # noqa: S105 - a kind of store
        key = StoreKey(entropy=ports.entropy, files=files, folder=home / "auth")
        files = SealedFiles(files, key=key, entropy=ports.entropy)
    olds = old_homes(ports.environment)
    return FileStore(home, files, log=log, servers=servers, old_homes=olds)


class FileStore:
    """`bridge.upstream.token_store.TokenStore` on the Files port."""

    def __init__(
        self,
        home: Path,
        files: Files,
        *,
        log: Log,
        servers: Iterable[tuple[str, str]] = (),
        old_homes: tuple[Path, ...] = (),
        lock_within: float = LOCK_WITHIN,
    ) -> None:
        self._folder = home / "auth"
        self._files = files
        self._log = log
        self._shared = shared_urls(servers)
        self._home = home
        self._old_homes = old_homes
        self._lock_within = lock_within
        self._unsaved: dict[Path, Unsaved] = {}

    def serve(self, servers: Iterable[tuple[str, str]]) -> None:
        """A shelf in use keeps its files. Raises `AddressRefused`."""
        self._shared = shared_urls(servers)

    def shelf(self, *, name: str, url: str) -> "FileShelf":
        """Raises `AddressRefused` where ``url`` is no http(s) or ws(s) address."""
        resource = canonical_resource(url)
        digits = short_hash(resource)
        shared = digits in self._shared
        stem = f"{digits}-{file_slug(name)}" if shared else digits
        tokens = self._folder / f"server-hash-{stem}.json"
        return FileShelf(
            resource=resource,
            url_hash=digits,
            tokens=tokens,
            unsaved=self._unsaved.setdefault(tokens, Unsaved()),
            clients=self._folder / f"client-hash-{stem}.json",
            done=self._folder / f"import-hash-{stem}.done",
            old=old_files(
                (self._folder, self._home),
                self._old_homes,
                name=name,
                url=None if shared else url,
            ),
            files=StoreFiles(self._files, log=self._log, upstream=name),
            lock_within=self._lock_within,
        )


class FileShelf:
    """`bridge.upstream.token_store.Shelf` on files."""

    def __init__(
        self,
        *,
        resource: str,
        url_hash: str,
        tokens: Path,
        clients: Path,
        done: Path,
        old: tuple[Path, ...],
        files: StoreFiles,
        lock_within: float,
        unsaved: Unsaved,
    ) -> None:
        self.unsaved = unsaved
        self._resource = resource
        self._url_hash = url_hash
        self._tokens = tokens
        self._clients = clients
        self._done = done
        self._old = old
        self._files = files
        self._lock_within = lock_within
        self._settled = False  # older layouts are looked at once

    @property
    def url_hash(self) -> str:
        return self._url_hash

    async def load(self) -> Credential | None:
        try:
            data = await self._files.read(self._tokens)
            if data is None:
                return await self._import()
            credential = self._of(record.decode(data))
        except record.RecordInvalid as invalid:
            await self._files.set_aside(self._tokens, str(invalid))
            return None
        await self._settle()
        return credential

    async def save(self, credential: Credential) -> None:
        data = record.encode(credential, server_url=self._resource)
        await self._files.replace(self._tokens, data)

    async def erase(self) -> bool:
        await self._settle()
        return await self._files.remove(self._tokens)

    async def stamp(self) -> str:
        return await self._files.stamp(self._tokens)

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[None]:
        async with self._files.lock(self._tokens, within=self._lock_within):
            yield

    # --- older layouts ---

    def _of(self, found: record.Record) -> Credential:
        """The login, if it is this server's; its resource, where the file says none."""
        if found.server_url not in {"", self._resource}:
            raise record.RecordInvalid("it belongs to another server")
        credential = found.credential
        if credential.resource:
            return credential
        return msgspec.structs.replace(credential, resource=self._resource)

    async def _import(self) -> Credential | None:
        """Take a login over, the old file stays as it is. Once (see the top)."""
        if self._settled or await self._files.stamp(self._done):
            self._settled = True
            return None
        for path in self._old:
            if (credential := await self._old_login(path)) is not None:
                await self.save(credential)
                await self._settle()
                return credential
        self._settled = True
        return None

    async def _old_login(self, path: Path) -> Credential | None:
        try:
            data = await self._files.read(path)
            return None if data is None else self._of(record.decode(data))
        except (record.RecordInvalid, StorageError) as error:
            self._files.report(path, f"it is not taken over: {error}")
            return None

    async def _settle(self) -> None:
        """From now on, what lies in older places is none of our business."""
        if self._settled or await self._files.stamp(self._done):
            self._settled = True
            return
        stamps = [await self._files.stamp(path) for path in self._old]
        if any(stamps):  # elsewhere the mark would be one more file for nothing
            await self._files.replace(self._done, _DONE)
        self._settled = True

    # --- registrations ---

    async def load_client(self, issuer: str) -> Client | None:
        return (await self._read_clients()).get(issuer)

    async def save_client(self, client: Client) -> None:
        await self._edit_clients(lambda known: _with(known, client))

    async def erase_client(self, issuer: str) -> None:
        await self._edit_clients(lambda known: _without(known, issuer))

    async def _edit_clients(self, edit: Callable[[Clients], Clients]) -> None:
        async with self._files.lock(self._clients, within=self._lock_within):
            known = await self._read_clients()
            changed = edit(known)
            if [*changed.items()] != [*known.items()]:  # the order tells the age
                data = record.encode_clients(changed)
                await self._files.replace(self._clients, data)

    async def _read_clients(self) -> Clients:
        try:
            data = await self._files.read(self._clients)
            return {} if data is None else record.decode_clients(data)
        except record.RecordInvalid as invalid:
            await self._files.set_aside(self._clients, str(invalid))
            return {}


def _with(known: Clients, client: Client) -> Clients:
    """The newest last; the oldest go where there are too many."""
    kept = [*_without(known, client.issuer).items(), (client.issuer, client)]
    return dict(kept[-MOST_CLIENTS:])


def _without(known: Clients, issuer: str) -> Clients:
    return {name: client for name, client in known.items() if name != issuer}
