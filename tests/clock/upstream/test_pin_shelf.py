"""The record of pins on a disk that is full, broken, shared, or cut off by a kill."""

import errno
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from bridge.errors import StorageBusy, StorageError
from bridge.observe import catalogue as events
from bridge.upstream import pin_record
from bridge.upstream.pin_shelf import LOCK_WITHIN, PinShelf, PinStore
from bridge.upstream.pins import Book, Name, Pin, first_use
from kit.files import Killed, MemoryDisk, MemoryFiles, disk_full, read_only
from kit.journal import Journal

pytestmark = pytest.mark.requirement("C35")

HOME = Path("/home/me/.foxxy-bridge")
FILE = HOME / "pins" / "files.json"
COPY = HOME / "pins" / "files.json.corrupt"


def pin(key: str, digit: str = "a") -> Pin:
    return Pin(kind="tools", key=key, hash=digit * 64)


def book_of(*pins: Pin) -> dict[Name, Pin]:
    return {each.name: each for each in pins}


class Place:
    """A store, the disk under it, and what was logged."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.files = MemoryFiles(disk)
        self.disk = self.files.disk
        self.journal = Journal()
        self.store = PinStore(HOME, self.files, log=self.journal.log)
        self.shelf = self.store.shelf("files")

    def again(self) -> PinShelf:
        """As another process finds it."""
        return Place(self.disk).shelf

    def troubles(self) -> list[str]:
        return [str(e["reason"]) for e in self.journal.of(events.UPSTREAM_PINS_TROUBLE)]


async def test_without_a_file_nothing_has_been_seen(autojump_clock: MockClock) -> None:
    place = Place()
    assert await place.shelf.load() == Book()
    assert place.disk.files == {}


async def test_the_first_use_is_written_and_found_by_the_next_process(
    autojump_clock: MockClock,
) -> None:
    place = Place()
    place.shelf.trust(book_of(pin("a")))
    assert place.shelf.unsaved
    saved = await place.shelf.save()
    assert saved == first_use(book_of(pin("a")))
    assert not place.shelf.unsaved
    assert [*place.disk.files] == [FILE]
    assert await place.again().load() == saved
    assert place.store.shelf("files") is place.shelf


async def test_names_of_servers_never_become_paths(autojump_clock: MockClock) -> None:
    place = Place()
    names = ["../../etc/passwd", "Files", "files", "a/b", "a b"]
    paths = {place.store.shelf(name).path for name in names}
    assert len(paths) == len(names)
    assert {path.parent for path in paths} == {HOME / "pins"}


async def test_an_approval_is_added_to_what_the_file_says_by_then(
    autojump_clock: MockClock,
) -> None:
    place = Place()
    place.shelf.trust(book_of(pin("a"), pin("b")))
    await place.shelf.save()
    one, other = place.again(), place.again()
    one.approve(book_of(pin("a", "c")))
    other.approve(book_of(pin("b", "d")))
    await one.save()
    assert await other.save() == first_use(book_of(pin("a", "c"), pin("b", "d")))


async def test_of_two_first_uses_the_first_one_counts(
    autojump_clock: MockClock,
) -> None:
    place = Place()
    other = place.again()
    place.shelf.trust(book_of(pin("a")))
    other.trust(book_of(pin("a", "b")))
    await place.shelf.save()
    assert await other.save() == first_use(book_of(pin("a")))
    assert not other.unsaved


@pytest.mark.parametrize("refusal", [disk_full(), read_only()])
async def test_what_cannot_be_written_stays_in_memory_and_is_written_later(
    autojump_clock: MockClock, refusal: OSError
) -> None:
    place = Place()
    place.files.refuse = refusal
    place.shelf.trust(book_of(pin("a")))
    place.shelf.approve(book_of(pin("b")))
    with pytest.raises(StorageError, match=r"disk|folder"):
        await place.shelf.save()
    assert place.shelf.unsaved
    # The next actor of this upstream, in this process, finds it.
    expected = first_use(book_of(pin("a"), pin("b")))
    assert await place.store.shelf("files").load() == expected
    place.files.refuse = None
    assert await place.shelf.save() == expected
    assert await place.again().load() == expected


async def test_what_is_approved_while_it_writes_is_written_next(
    autojump_clock: MockClock,
) -> None:
    place = Place()
    place.files.delay = 1.0
    place.shelf.approve(book_of(pin("a")))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(place.shelf.save)
        await trio.sleep(2.5)
        place.shelf.approve(book_of(pin("a", "b"), pin("c")))
        place.shelf.trust(book_of(pin("z")))
    assert place.shelf.unsaved
    assert await place.shelf.save() == first_use(book_of(pin("a", "b"), pin("c")))


@pytest.mark.parametrize(
    "data", [b"{}", b"", b"junk", pin_record.encode(Book(opened=True), server="other")]
)
async def test_a_file_that_cannot_be_believed_approves_nothing_for_good(
    autojump_clock: MockClock, data: bytes
) -> None:
    place = Place()
    place.disk.put(FILE, data)
    assert await place.shelf.load() == Book(opened=True)
    assert place.disk.files.get(COPY, b"") == data
    (reason,) = place.troubles()
    assert "nothing is served until it is approved" in reason
    again = Place(place.disk)
    assert await again.shelf.load() == Book(opened=True)
    assert again.troubles() == []


@pytest.mark.parametrize("number", [errno.ELOOP, errno.EFBIG, errno.EACCES])
async def test_a_file_that_is_none_of_ours_approves_nothing(
    autojump_clock: MockClock, number: int
) -> None:
    place = Place()
    place.disk.broken[FILE] = OSError(number, "a symbolic link, say")
    assert await place.shelf.load() == Book(opened=True)
    del place.disk.broken[FILE]  # it was replaced
    assert await place.again().load() == Book(opened=True)


async def test_no_kill_makes_a_damaged_file_a_first_use(
    autojump_clock: MockClock,
) -> None:
    place = Place()
    for at in ("before", "after"):
        place.disk.put(FILE, b"junk")
        place.files.kill_at = at
        with pytest.raises(Killed):
            await place.shelf.load()
        assert (await place.again().load()).opened


async def test_a_damaged_file_on_a_full_disk_is_still_not_trusted(
    autojump_clock: MockClock,
) -> None:
    place = Place()
    place.disk.put(FILE, b"junk")
    place.files.refuse = disk_full()
    with pytest.raises(StorageError, match="No space left"):
        await place.shelf.load()
    assert place.disk.files == {FILE: b"junk"}


async def test_a_disk_that_fails_for_now_says_so(autojump_clock: MockClock) -> None:
    place = Place()
    place.disk.put(FILE, pin_record.encode(Book(opened=True), server="files"))
    place.disk.broken[FILE] = OSError(errno.EMFILE, "Too many open files")
    with pytest.raises(StorageError, match="Too many open files"):
        await place.shelf.load()
    assert FILE in place.disk.files


async def test_a_lock_that_is_never_freed_is_not_waited_for_for_ever(
    autojump_clock: MockClock,
) -> None:
    place = Place()
    place.disk.held.add(FILE)
    place.shelf.trust(book_of(pin("a")))
    began = trio.current_time()
    with pytest.raises(StorageBusy):
        await place.shelf.save()
    assert trio.current_time() - began <= LOCK_WITHIN + 1
    assert place.shelf.unsaved
    place.disk.held.clear()
    place.files.refuse = OSError(errno.EPERM, "it belongs to another user")
    with pytest.raises(StorageError, match="another user"):
        await place.shelf.save()


async def test_a_file_open_to_others_is_tightened_and_reported(
    autojump_clock: MockClock,
) -> None:
    place = Place()
    place.disk.put(FILE, pin_record.encode(Book(opened=True), server="files"))
    place.disk.wide = {FILE: 0o644, FILE.parent: 0o777}
    place.shelf.approve(book_of(pin("a")))
    await place.shelf.save()
    assert place.troubles() == [
        "it was open to others (mode 644) and is no more",
        "its folder was open to others (mode 777) and is no more",
    ]
