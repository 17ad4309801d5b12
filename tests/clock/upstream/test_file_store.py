"""The token store on a disk in memory."""

import errno
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from bridge.errors import AddressRefused, StorageError
from bridge.oauth import record
from bridge.oauth.provider import Client
from bridge.observe import catalogue as events
from bridge.upstream.file_store import MOST_CLIENTS, FileShelf, FileStore
from bridge.upstream.sealed_files import SEAL
from bridge.upstream.store_files import LARGEST_BYTES
from bridge.upstream.store_names import file_slug, short_hash, url_hash
from bridge.upstream.token_store import Shelf, TokenStore
from kit.files import Killed, MemoryDisk, MemoryFiles, disk_full, read_only
from kit.journal import Journal
from kit.logins import AUTH, CREDENTIAL, HOME, ISSUER, TOKENS, URL, renewed

OLD = Path("/home/me/.config/foxxy-bridge/auth")
CLIENTS = AUTH / f"client-hash-{url_hash(URL)}.json"
GUIDE = json.dumps(
    {"access_token": "old-access", "refresh_token": "old-refresh", "created_at": 5}
).encode()


class Place:
    """A store, the disk under it, and what was logged."""

    def __init__(
        self,
        disk: MemoryDisk | None = None,
        *,
        servers: tuple[tuple[str, str], ...] = (("git", URL),),
    ) -> None:
        self.files = MemoryFiles(disk)
        self.disk = self.files.disk
        self.journal = Journal()
        store = FileStore(
            HOME,
            self.files,
            log=self.journal.log,
            servers=servers,
            old_homes=(OLD,),
            lock_within=10.0,
        )
        self.store: TokenStore = store
        self.shelf: Shelf = self.shelf_of("git")

    def shelf_of(self, name: str, url: str = URL) -> FileShelf:
        shelf = self.store.shelf(name=name, url=url)
        assert isinstance(shelf, FileShelf)
        return shelf

    @property
    def troubles(self) -> list[dict[str, object]]:
        return self.journal.of(events.OAUTH_STORE_TROUBLE)

    @property
    def only_trouble(self) -> str:
        (fields,) = self.troubles
        assert fields["upstream"] == "git"
        return f"{fields['file']}: {fields['reason']}"


@pytest.mark.requirement("R96", "R97", "R98", "D9")
async def test_a_login_lies_in_the_file_of_its_server() -> None:
    place = Place()
    assert await place.shelf.load() is None
    assert await place.shelf.stamp() == ""
    await place.shelf.save(CREDENTIAL)
    assert set(place.disk.files) == {TOKENS}
    found = record.decode(place.disk.files[TOKENS])
    assert found == record.Record(credential=CREDENTIAL, server_url=URL)
    assert await Place(place.disk).shelf.load() == CREDENTIAL
    assert place.shelf.url_hash == TOKENS.name[12:-5]
    assert place.journal.entries == []


async def test_the_stamp_tells_of_every_change() -> None:
    place = Place()
    other = Place(place.disk)
    stamps = [await place.shelf.stamp()]
    await place.shelf.save(CREDENTIAL)
    stamps.append(await place.shelf.stamp())
    await other.shelf.save(renewed(1))
    stamps.append(await place.shelf.stamp())
    assert len(set(stamps)) == 3
    assert await place.shelf.stamp() == stamps[-1]


@pytest.mark.requirement("R101")
async def test_a_file_deleted_by_hand_is_no_login() -> None:
    place = Place()
    await place.shelf.save(CREDENTIAL)
    place.disk.delete(TOKENS)
    assert await place.shelf.stamp() == ""
    assert await place.shelf.load() is None
    assert place.troubles == []


async def test_what_is_erased_is_gone_and_erasing_nothing_says_so() -> None:
    place = Place()
    await place.shelf.save(CREDENTIAL)
    assert await place.shelf.erase()
    assert place.disk.files == {}
    assert not await place.shelf.erase()


@pytest.mark.requirement("R101", "R103")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"access_token": "canary',
        b'{"access_token": ["canary"]}',
        b'{"access_token": "canary", "version": 99}',
        b"\x00" * 100,
        b" " * (LARGEST_BYTES + 1),
    ],
)
async def test_a_file_nobody_can_read_is_set_aside_and_absent(data: bytes) -> None:
    place = Place()
    place.disk.put(TOKENS, data)
    assert await place.shelf.load() is None
    aside = TOKENS.with_name(f"{TOKENS.name}.corrupt-1")
    assert place.disk.files == {aside: data}
    assert place.troubles[0]["moved_to"] == str(aside)
    assert "canary" not in str(place.journal.entries)
    await place.shelf.save(CREDENTIAL)
    assert await place.shelf.load() == CREDENTIAL


@pytest.mark.parametrize("number", [errno.ELOOP, errno.EACCES, errno.EBADMSG])
async def test_a_file_that_is_the_trouble_itself_is_set_aside(number: int) -> None:
    place = Place()
    place.disk.put(TOKENS, b"x")
    place.disk.broken[TOKENS] = OSError(number, "reason")
    assert await place.shelf.load() is None
    assert place.only_trouble == f"{TOKENS}: reason"
    assert TOKENS not in place.disk.files


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EPERM])
async def test_trouble_that_may_pass_costs_no_login(number: int) -> None:
    place = Place()
    await place.shelf.save(CREDENTIAL)
    place.disk.broken[TOKENS] = OSError(number, "reason")
    with pytest.raises(StorageError, match=r"server-hash-\w+\.json: reason; \w+"):
        await place.shelf.load()
    place.disk.broken.clear()
    assert await place.shelf.load() == CREDENTIAL


async def test_a_file_another_process_set_aside_first_is_absent() -> None:
    place = Place()
    place.disk.broken[TOKENS] = OSError(errno.ELOOP, "reason")
    assert await place.shelf.load() is None
    assert place.troubles == []


async def test_the_login_of_another_server_is_not_used() -> None:
    place = Place()
    data = record.encode(CREDENTIAL, server_url="https://other.example.com/sse")
    place.disk.put(TOKENS, data)
    assert await place.shelf.load() is None
    assert "belongs to another server" in place.only_trouble


async def test_an_encrypted_file_is_kept_and_the_setting_named() -> None:
    place = Place()
    place.disk.put(TOKENS, SEAL + b"sealed")
    with pytest.raises(StorageError, match=r'bridge\.token_store to "keyring"'):
        await place.shelf.load()
    assert TOKENS in place.disk.files


@pytest.mark.requirement("R99")
async def test_modes_that_were_too_wide_are_reported() -> None:
    place = Place()
    await place.shelf.save(CREDENTIAL)
    place.disk.wide = {TOKENS: 0o644, AUTH: 0o755}
    await place.shelf.load()
    assert place.only_trouble == (
        f"{TOKENS}: it was open to others (mode 644) and is no more"
    )
    await place.shelf.save(CREDENTIAL)
    assert "755" in str(place.troubles[-1])
    assert not place.disk.wide


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (disk_full(), "No space left on device; free some space on that disk"),
        (read_only(), "Read-only file system; make the folder writable"),
        (OSError("odd"), "OSError; check the folder's owner, mode and free space"),
    ],
)
async def test_what_cannot_be_written_says_why_and_leaves_the_old_file(
    error: OSError, advice: str
) -> None:
    place = Place()
    await place.shelf.save(CREDENTIAL)
    place.files.refuse = error
    steps: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: place.shelf.save(renewed(1)),
        place.shelf.erase,
        lambda: place.shelf.save_client(CREDENTIAL.client),
    )
    for step in steps:
        with pytest.raises(StorageError) as caught:
            await step()
        assert advice in caught.value.public
        assert "canary" not in caught.value.public
    assert await place.shelf.load() == CREDENTIAL


async def test_a_corrupt_file_on_a_read_only_disk_is_an_error_not_a_crash() -> None:
    place = Place()
    place.disk.put(TOKENS, b"{")
    place.files.refuse = read_only()
    with pytest.raises(StorageError, match="Read-only"):
        await place.shelf.load()


async def test_a_disk_that_gives_no_stamp_is_a_storage_error() -> None:
    place = Place()

    async def fail(path: Path) -> str:
        await trio.lowlevel.checkpoint()
        raise OSError(errno.EIO, "Input/output error", path)

    place.files.stamp = fail
    with pytest.raises(StorageError, match="Input/output error"):
        await place.shelf.stamp()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_kill_while_saving_leaves_the_old_login_or_the_new_one(
    moment: str,
) -> None:
    place = Place()
    await place.shelf.save(CREDENTIAL)
    place.files.kill_at = "before" if moment == "before" else "after"
    with pytest.raises(Killed):
        await place.shelf.save(renewed(1))
    expected = CREDENTIAL if moment == "before" else renewed(1)
    assert await Place(place.disk).shelf.load() == expected


@pytest.mark.requirement("R102")
async def test_one_process_at_a_time_holds_a_login(
    autojump_clock: MockClock,
) -> None:
    first = Place()
    second = Place(first.disk)
    order: list[str] = []

    async def renew(place: Place, name: str) -> None:
        async with place.shelf.hold():
            order.append(f"{name} begins")
            found = await place.shelf.load()
            await trio.sleep(3)
            await place.shelf.save(renewed(0 if found is None else 1))
            order.append(f"{name} ends")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(renew, first, "one")
        nursery.start_soon(renew, second, "two")
    names = [entry.split()[0] for entry in order]
    assert names[0] == names[1] != names[2] == names[3]
    assert await first.shelf.load() == renewed(1)


@pytest.mark.requirement("R102")
async def test_a_lock_that_is_never_freed_is_given_up_in_time(
    autojump_clock: MockClock,
) -> None:
    place = Place()
    place.disk.held.add(TOKENS)
    began = trio.current_time()
    with pytest.raises(StorageError, match="locked by another process"):
        async with place.shelf.hold():
            raise AssertionError
    assert trio.current_time() - began == pytest.approx(10, abs=0.1)


async def test_errors_under_the_lock_pass_unchanged_and_free_it() -> None:
    place = Place()
    with pytest.raises(OSError, match="mine"):
        async with place.shelf.hold():
            raise OSError("mine")
    assert not place.disk.held


# --- servers that share an address ---


async def test_servers_with_one_address_have_files_of_their_own() -> None:
    servers = (("git", URL), ("Git 2", f"{URL}/"), ("web", f"{URL}?tenant=1"))
    place = Place(servers=servers)
    for number, (name, url) in enumerate(servers):
        await place.shelf_of(name, url).save(renewed(number))
    assert {path.name for path in place.disk.files} == {
        f"server-hash-{url_hash(URL)}-git.json",
        f"server-hash-{url_hash(URL)}-{file_slug('Git 2')}.json",
        f"server-hash-{url_hash(servers[2][1])}.json",
    }
    for number, (name, url) in enumerate(servers):
        assert await place.shelf_of(name, url).load() == renewed(number)


def test_what_is_no_address_has_no_shelf() -> None:
    with pytest.raises(AddressRefused):
        Place().store.shelf(name="x", url="ftp://example.com")


# --- older layouts ---


@pytest.mark.requirement("R96", "R97", "D9")
@pytest.mark.parametrize(
    "path",
    [
        AUTH / f"tokens-{short_hash(URL)}.json",
        HOME / f"tokens-{short_hash(URL)}.json",
        HOME / "git" / "tokens.json",
        OLD / f"tokens-{short_hash(URL)}.json",
        OLD / "git" / "tokens.json",
        OLD / TOKENS.name,
    ],
    ids=str,
)
async def test_a_login_of_an_older_layout_is_taken_over(path: Path) -> None:
    place = Place()
    place.disk.put(path, GUIDE)
    found = await place.shelf.load()
    assert found is not None
    assert found.tokens.access_token == "old-access"
    assert (found.resource, found.provider.token_endpoint) == (URL, "")
    assert place.disk.files[path] == GUIDE
    assert await Place(place.disk).shelf.load() == found
    assert place.troubles == []


@pytest.mark.requirement("R97", "R101")
async def test_a_login_is_taken_over_once_and_a_logout_stays_one() -> None:
    place = Place()
    place.disk.put(HOME / "git" / "tokens.json", GUIDE)
    assert await place.shelf.load()
    assert await place.shelf.erase()
    assert await place.shelf.load() is None
    assert await Place(place.disk).shelf.load() is None


async def test_what_lies_in_older_places_does_not_follow_a_login_of_ours() -> None:
    place = Place()
    place.disk.put(HOME / "git" / "tokens.json", GUIDE)
    await place.shelf.save(CREDENTIAL)
    assert await place.shelf.load() == CREDENTIAL
    place.disk.delete(TOKENS)
    assert await Place(place.disk).shelf.load() is None


async def test_a_logout_counts_though_nothing_was_loaded() -> None:
    place = Place()
    place.disk.put(HOME / "git" / "tokens.json", GUIDE)
    place.disk.put(TOKENS, record.encode(CREDENTIAL, server_url=URL))
    assert await place.shelf.erase()
    assert await Place(place.disk).shelf.load() is None


async def test_an_older_file_of_no_use_is_left_where_it_is_and_named() -> None:
    place = Place()
    bad, far = HOME / "git" / "tokens.json", OLD / TOKENS.name
    place.disk.put(bad, b"{")
    place.disk.put(far, record.encode(CREDENTIAL, server_url="https://x.example"))
    broken = AUTH / f"tokens-{short_hash(URL)}.json"
    place.disk.put(broken, GUIDE)
    place.disk.broken[broken] = OSError(errno.EPERM, "it belongs to another user")
    assert await place.shelf.load() is None
    assert {str(fields["file"]) for fields in place.troubles} == {
        str(path) for path in (bad, far, broken)
    }
    assert all("not taken over" in str(fields["reason"]) for fields in place.troubles)
    assert set(place.disk.files) == {bad, far, broken}


async def test_older_logins_are_looked_for_once_in_the_life_of_a_shelf() -> None:
    place = Place()
    assert await place.shelf.load() is None
    place.disk.put(HOME / "git" / "tokens.json", GUIDE)
    assert await place.shelf.load() is None
    assert await Place(place.disk).shelf.load() is not None


# --- registrations ---


async def test_registrations_are_kept_by_issuer() -> None:
    place = Place()
    assert await place.shelf.load_client(ISSUER) is None
    other = Client(issuer="https://b.example", client_id="c2")
    for client in (CREDENTIAL.client, other):
        await place.shelf.save_client(client)
    found = Place(place.disk).shelf
    assert await found.load_client(ISSUER) == CREDENTIAL.client
    await found.erase_client(ISSUER)
    assert await found.load_client(ISSUER) is None
    assert await found.load_client(other.issuer) == other
    assert set(place.disk.files) == {CLIENTS}


async def test_forgetting_what_nobody_knows_writes_nothing() -> None:
    place = Place()
    await place.shelf.erase_client(ISSUER)
    assert place.disk.files == {}


async def test_only_the_newest_registrations_are_kept() -> None:
    place = Place()
    issuers = [f"https://{number}.example" for number in range(MOST_CLIENTS)]
    for issuer in [*issuers, issuers[0], "https://new.example"]:
        await place.shelf.save_client(Client(issuer=issuer, client_id="c"))
    assert await place.shelf.load_client(issuers[0])
    assert await place.shelf.load_client(issuers[1]) is None
    assert await place.shelf.load_client("https://new.example")


async def test_corrupt_registrations_are_set_aside() -> None:
    place = Place()
    place.disk.put(CLIENTS, b'{"clients": {')
    assert await place.shelf.load_client(ISSUER) is None
    assert "no whole JSON" in place.only_trouble
    await place.shelf.save_client(CREDENTIAL.client)
    assert await place.shelf.load_client(ISSUER) == CREDENTIAL.client
