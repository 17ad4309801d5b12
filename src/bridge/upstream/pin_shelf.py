"""The file of one upstream's pins: ``<home>/pins/<server>.json``, mode 600.

A shelf outlives the actors of its upstream: what could not be written (a full disk, a
home that is read-only) stays in memory here, and is written when that works again. A
file that cannot be believed is never followed by trust: a copy is kept beside it as
``….corrupt``, and a record in which nothing is approved takes its place, in one step,
so that no kill in between makes the next start a first use.

Bridges that share a home share the record: changes are made under its lock, on what
the file says by then.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bridge.errors import StorageBusy
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import Files
from bridge.upstream import pin_record
from bridge.upstream.pin_record import LARGEST_BYTES, PinsInvalid
from bridge.upstream.pins import Book, Name, Pin, first_use, with_pins
from bridge.upstream.store_files import OF_THE_FILE, reason_of, storage_error
from bridge.upstream.store_names import file_slug

#: Others hold it for one read and one write.
LOCK_WITHIN = 10.0


class PinStore:
    """The shelves of a home."""

    def __init__(self, home: Path, files: Files, *, log: Log) -> None:
        self._folder = home / "pins"
        self._files = files
        self._log = log
        self._shelves: dict[str, PinShelf] = {}

    def shelf(self, name: str) -> "PinShelf":
        """The one shelf of an upstream."""
        found = self._shelves.get(name)
        if found is None:
            path = self._folder / f"{file_slug(name)}.json"
            found = PinShelf(path, self._files, name=name, log=self._log)
            self._shelves[name] = found
        return found


class PinShelf:
    """The record of one upstream. What is asynchronous raises `StorageError`."""

    def __init__(self, path: Path, files: Files, *, name: str, log: Log) -> None:
        self._path = path
        self._files = files
        self._name = name
        self._log = log
        # Changes that are not in the file yet.
        self._seen: dict[Name, Pin] = {}
        self._approved: dict[Name, Pin] = {}

    @property
    def path(self) -> Path:
        return self._path

    @property
    def unsaved(self) -> bool:
        """Something is in memory only."""
        return bool(self._seen or self._approved)

    def trust(self, pins: Mapping[Name, Pin]) -> None:
        """The first use: counts where there is no record yet."""
        self._seen = dict(pins)

    def approve(self, pins: Mapping[Name, Pin]) -> None:
        self._approved.update(pins)

    async def load(self) -> Book:
        """What is approved, with what is not in the file yet."""
        return self._changed(await self._read())

    async def save(self) -> Book:
        """Write what is in memory only; what is approved by now."""
        async with self._lock():
            before = await self._read()
            seen, approved = self._seen, dict(self._approved)
            after = self._changed(before)
            if after != before:
                await self._write(after)
            self._forget(seen, approved)
            return self._changed(after)

    def _changed(self, book: Book) -> Book:
        if self._seen and not book.opened:
            book = first_use(self._seen)
        return with_pins(book, self._approved.values()) if self._approved else book

    def _forget(self, seen: dict[Name, Pin], approved: dict[Name, Pin]) -> None:
        """They are written; what came in meanwhile is not."""
        if self._seen is seen:
            self._seen = {}
        for name, pin in approved.items():
            if self._approved.get(name) is pin:
                del self._approved[name]

    async def _read(self) -> Book:
        try:
            data = await self._files.read(
                self._path, limit=LARGEST_BYTES, on_tightened=self._tightened
            )
        except OSError as error:
            if error.errno not in OF_THE_FILE:
                raise storage_error(error, self._path) from error
            return await self._nothing_approved(reason_of(error))
        if data is None:
            return Book()
        try:
            return pin_record.decode(data, server=self._name)
        except PinsInvalid as invalid:
            return await self._nothing_approved(str(invalid), copy=data)

    async def _nothing_approved(self, reason: str, *, copy: bytes = b"") -> Book:
        """In place of what cannot be believed: everything waits for approval."""
        kept = self._path.with_name(f"{self._path.name}.corrupt")
        if copy:
            await self._put(kept, copy)
        book = Book(opened=True)
        await self._write(book)
        self._report(
            f"{reason}; nothing is served until it is approved",
            moved_to=str(kept) if copy else "",
        )
        return book

    async def _write(self, book: Book) -> None:
        await self._put(self._path, pin_record.encode(book, server=self._name))

    async def _put(self, path: Path, data: bytes) -> None:
        try:
            await self._files.replace(path, data, on_tightened=self._tightened)
        except OSError as error:
            raise storage_error(error, path) from error

    @asynccontextmanager
    async def _lock(self) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            lock = self._files.lock(self._path, within=LOCK_WITHIN)
            try:
                await stack.enter_async_context(lock)
            except TimeoutError as error:
                raise StorageBusy(f"{self._path}: {reason_of(error)}") from error
            except OSError as error:
                raise storage_error(error, self._path) from error
            yield

    def _tightened(self, path: Path, mode: int) -> None:
        where = "it" if path == self._path else "its folder"
        self._report(f"{where} was open to others (mode {mode:o}) and is no more")

    def _report(self, reason: str, *, moved_to: str = "") -> None:
        self._log.emit(
            events.UPSTREAM_PINS_TROUBLE,
            upstream=self._name,
            file=str(self._path),
            reason=reason,
            moved_to=moved_to,
        )
