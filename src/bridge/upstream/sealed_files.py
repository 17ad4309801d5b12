"""Files encrypted at rest, under a key in the system's keyring.

A wrapper of the Files port for ``bridge.token_store: "keyring"``. What is written is
sealed with AES-256-GCM; the file's name is part of what is authenticated, so that one
server's file cannot be put in another's place. Plain files found are read as they are
and sealed with the next write. Besides OSError, everything raises `StorageError` where
the keyring cannot be used.
"""

import base64
import binascii
import errno
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import trio
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bridge.errors import StorageError
from bridge.ports import Entropy, Files, OnTightened

T = TypeVar("T")

#: What a sealed file begins with; the rest is nonce and ciphertext.
SEAL = b"bridge-sealed-1\n"
SERVICE = "mcp-trio-bridge"
ACCOUNT = "token store key"
_NONCE, _KEY, _TAG = 12, 32, 16
#: Desktop keyrings may ask a person to unlock them.
_KEYRING_WITHIN = 30.0
_ADVICE = 'unlock or install one, or set bridge.token_store to "file"'


class Keyring(Protocol):
    """The two calls used of the library of that name. Both block."""

    def get_password(self, service_name: str, username: str, /) -> str | None: ...
    def set_password(
        self, service_name: str, username: str, password: str, /
    ) -> None: ...


def is_sealed(data: bytes) -> bool:
    return data.startswith(SEAL)


def system_keyring() -> Keyring:
    """The keyring of this system. Blocks; takes its time to find the backend."""
    import keyring  # noqa: PLC0415 - slow to import, and rarely wanted

    return keyring.get_keyring()


class StoreKey:
    """The one key of a token store, made when it is first needed.

    The keyring is asked once in the life of a process: never in the window between a
    token answer and the disk, if `fetch` was called before.
    """

    def __init__(
        self,
        *,
        entropy: Entropy,
        files: Files,
        folder: Path,
        find_keyring: Callable[[], Keyring] = system_keyring,
    ) -> None:
        self._entropy = entropy
        self._files = files
        self._lock = folder / "keyring"
        self._find_keyring = find_keyring
        self._limiter = trio.CapacityLimiter(1)
        self._key: bytes | None = None

    async def fetch(self) -> bytes:
        """The key (32 bytes). Raises StorageError; OSError of the lock."""
        if self._key is None:
            self._key = await self._ask() or await self._make()
        return self._key

    async def _ask(self) -> bytes | None:
        text = await self._call(lambda ring: ring.get_password(SERVICE, ACCOUNT))
        if text is None:
            return None
        try:
            key = base64.b64decode(text, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY:
            raise StorageError(
                f"the keyring's entry {SERVICE!r} ({ACCOUNT}) is no key of this "
                f"program; delete it and log in again"
            )
        return key

    async def _make(self) -> bytes:
        # One maker over all processes: two keys would make one of their files a riddle.
        async with self._files.lock(self._lock, within=_KEYRING_WITHIN):
            if (key := await self._ask()) is not None:
                return key
            made = bytes.fromhex(self._entropy.token(_KEY))
            text = base64.b64encode(made).decode()
            await self._call(lambda ring: ring.set_password(SERVICE, ACCOUNT, text))
            if await self._ask() != made:
                raise StorageError(f"the system's keyring keeps nothing; {_ADVICE}")
            return made

    async def _call(self, ask: Callable[[Keyring], T]) -> T:
        with trio.move_on_after(_KEYRING_WITHIN):
            # Abandoned when it is over: a dialog on a screen nobody looks at.
            return await trio.to_thread.run_sync(
                lambda: self._asked(ask), abandon_on_cancel=True, limiter=self._limiter
            )
        raise StorageError(
            f"the system's keyring gave no answer in {_KEYRING_WITHIN:.0f} s; {_ADVICE}"
        )

    def _asked(self, ask: Callable[[Keyring], T]) -> T:
        try:
            return ask(self._find_keyring())
        except Exception as error:  # whatever a backend raises; none is ours
            name = type(error).__name__
            raise StorageError(
                f"the system's keyring cannot be used ({name}); {_ADVICE}"
            ) from error


class SealedFiles:
    """`bridge.ports.Files` that keeps content secret from whoever copies the disk."""

    def __init__(self, files: Files, *, key: StoreKey, entropy: Entropy) -> None:
        self._files = files
        self._key = key
        self._entropy = entropy

    async def read(
        self, path: Path, *, limit: int, on_tightened: OnTightened | None = None
    ) -> bytes | None:
        """EBADMSG: sealed with another key, or changed since."""
        whole = limit + len(SEAL) + _NONCE + _TAG
        data = await self._files.read(path, limit=whole, on_tightened=on_tightened)
        if data is None or not is_sealed(data):
            return data
        return _unseal(data, await self._key.fetch(), path)

    async def replace(
        self, path: Path, data: bytes, *, on_tightened: OnTightened | None = None
    ) -> None:
        nonce = bytes.fromhex(self._entropy.token(_NONCE))
        sealed = AESGCM(await self._key.fetch()).encrypt(nonce, data, _context(path))
        content = SEAL + nonce + sealed
        await self._files.replace(path, content, on_tightened=on_tightened)

    async def remove(self, path: Path) -> bool:
        return await self._files.remove(path)

    async def set_aside(self, path: Path) -> Path:
        return await self._files.set_aside(path)

    async def stamp(self, path: Path) -> str:
        return await self._files.stamp(path)

    @asynccontextmanager
    async def lock(self, path: Path, *, within: float) -> AsyncGenerator[None]:
        # Whoever locks is about to write: without a key nothing must be asked of a
        # provider, for its answer could not be kept.
        await self._key.fetch()
        async with self._files.lock(path, within=within):
            yield


def _unseal(data: bytes, key: bytes, path: Path) -> bytes:
    rest = data[len(SEAL) :]
    try:
        return AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], _context(path))
    except (InvalidTag, ValueError) as error:
        reason = "changed since it was encrypted, or encrypted with another key"
        raise OSError(errno.EBADMSG, reason, path) from error


def _context(path: Path) -> bytes:
    return SEAL + path.name.encode()
