"""Encryption at rest, with keyrings of all kinds. The keyring is asked in threads."""

import base64
import errno
import random
import threading
from pathlib import Path

import keyring
import pytest
import trio
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, NoKeyringError

from bridge.config.model import BridgeConfig
from bridge.errors import StorageError
from bridge.observe import catalogue as events
from bridge.ports import Ports
from bridge.system import real_ports
from bridge.upstream import sealed_files
from bridge.upstream.file_store import open_store
from bridge.upstream.sealed_files import (
    ACCOUNT,
    SEAL,
    SERVICE,
    Keyring,
    SealedFiles,
    StoreKey,
    is_sealed,
    system_keyring,
)
from kit.files import MemoryDisk, MemoryFiles
from kit.journal import Journal
from kit.logins import AUTH, CREDENTIAL, HOME, TOKENS, URL, renewed

PLAIN = b"canary"
FILE = AUTH / "server-hash-1.json"


class DictKeyring(KeyringBackend):
    """A keyring in memory."""

    priority = 1  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride, reportGeneralTypeIssues] - a class property there

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


class LockedKeyring(DictKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("canary")


class CountingEntropy:
    """Chance that can be told beforehand and never repeats."""

    random = random.Random(1)

    def token(self, octets: int) -> str:
        return self.random.randbytes(octets).hex()


def sealed(ring: Keyring, disk: MemoryDisk | None = None) -> SealedFiles:
    files = MemoryFiles(disk)
    entropy = CountingEntropy()
    key = StoreKey(entropy=entropy, files=files, folder=AUTH, find_keyring=lambda: ring)
    return SealedFiles(files, key=key, entropy=entropy)


async def test_what_is_written_is_secret_on_the_disk_and_read_again() -> None:
    ring, disk = DictKeyring(), MemoryDisk()
    files = sealed(ring, disk)
    await files.replace(FILE, PLAIN)
    assert is_sealed(disk.files[FILE])
    assert PLAIN not in disk.files[FILE]
    assert await files.read(FILE, limit=len(PLAIN)) == PLAIN
    assert await sealed(ring, disk).read(FILE, limit=len(PLAIN)) == PLAIN
    assert len(base64.b64decode(ring.entries[SERVICE, ACCOUNT])) == 32


async def test_no_two_files_are_encrypted_alike() -> None:
    disk = MemoryDisk()
    files = sealed(DictKeyring(), disk)
    contents: set[bytes] = set()
    for _ in range(20):
        await files.replace(FILE, PLAIN)
        contents.add(disk.files[FILE])
    assert len({content[len(SEAL) : len(SEAL) + 12] for content in contents}) == 20


async def test_plain_files_are_read_and_sealed_with_the_next_write() -> None:
    disk = MemoryDisk()
    disk.put(FILE, PLAIN)
    ring = DictKeyring()
    files = sealed(ring, disk)
    assert await files.read(FILE, limit=100) == PLAIN
    assert ring.asked == 0
    await files.replace(FILE, PLAIN)
    assert is_sealed(disk.files[FILE])
    assert await files.read(AUTH / "none", limit=100) is None


@pytest.mark.parametrize("how", ["bit", "cut", "head", "name", "key"])
async def test_what_was_changed_is_refused(how: str) -> None:
    ring, disk = DictKeyring(), MemoryDisk()
    await sealed(ring, disk).replace(FILE, PLAIN)
    data, place = disk.files[FILE], FILE
    if how == "bit":
        data = data[:-1] + bytes([data[-1] ^ 1])
    elif how == "cut":
        data = data[:-1]
    elif how == "head":
        data = SEAL
    elif how == "name":
        place = AUTH / "server-hash-2.json"
    else:
        ring.entries.clear()
    disk.put(place, data)
    with pytest.raises(OSError, match="changed since") as caught:
        await sealed(ring, disk).read(place, limit=100)
    assert caught.value.errno == errno.EBADMSG


async def test_the_keyring_is_asked_once_and_before_a_lock_is_had() -> None:
    ring, disk = DictKeyring(), MemoryDisk()
    files = sealed(ring, disk)
    async with files.lock(FILE, within=1):
        asked = ring.asked
        await files.replace(FILE, PLAIN)
        await files.read(FILE, limit=100)
    assert asked == ring.asked > 0
    assert not disk.held


async def test_two_processes_that_need_a_key_make_one() -> None:
    ring, disk = DictKeyring(), MemoryDisk()
    async with trio.open_nursery() as nursery:
        for number in range(5):
            path = AUTH / f"{number}.json"
            nursery.start_soon(sealed(ring, disk).replace, path, PLAIN)
    for number in range(5):
        path = AUTH / f"{number}.json"
        assert await sealed(ring, disk).read(path, limit=100) == PLAIN


@pytest.mark.parametrize(
    ("ring", "reason"),
    [
        (fail.Keyring(), NoKeyringError.__name__),
        (null.Keyring(), "keeps nothing"),
        (LockedKeyring(), KeyringLocked.__name__),
    ],
)
async def test_without_a_keyring_the_error_says_what_to_set(
    ring: Keyring, reason: str
) -> None:
    disk = MemoryDisk()
    for _ in range(2):  # and it goes on saying so
        with pytest.raises(StorageError) as caught:
            async with sealed(ring, disk).lock(FILE, within=1):
                raise AssertionError
        assert reason in caught.value.public
        assert 'set bridge.token_store to "file"' in caught.value.public
        assert "canary" not in caught.value.public
    assert not disk.files


@pytest.mark.parametrize("entry", ["not base64!", base64.b64encode(b"short").decode()])
async def test_a_foreign_entry_in_the_keyring_is_no_key(entry: str) -> None:
    ring = DictKeyring()
    ring.entries[SERVICE, ACCOUNT] = entry
    with pytest.raises(StorageError, match="is no key of this program"):
        await sealed(ring).replace(FILE, PLAIN)
    assert ring.entries[SERVICE, ACCOUNT] == entry


async def test_a_keyring_that_waits_for_a_person_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sealed_files, "_KEYRING_WITHIN", 0.05)
    answered = threading.Event()

    class Dialog(DictKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            answered.wait(30)
            return super().get_password(service, username)

    with pytest.raises(StorageError, match="gave no answer"):
        await sealed(Dialog()).replace(FILE, PLAIN)
    answered.set()


async def test_the_rest_of_the_port_is_that_of_the_files_within() -> None:
    disk = MemoryDisk()
    files = sealed(DictKeyring(), disk)
    await files.replace(FILE, PLAIN)
    assert await files.stamp(FILE) == disk.stamp(FILE) != ""
    moved = await files.set_aside(FILE)
    assert list(disk.files) == [moved]
    assert await files.remove(moved)
    assert not await files.remove(moved)


# --- the store the configuration asks for ---


def ports_on(disk: MemoryDisk) -> Ports:
    ports = real_ports({"HOME": "/home/me"})
    return Ports(
        clock=ports.clock,
        entropy=ports.entropy,
        processes=ports.processes,
        network=ports.network,
        files=MemoryFiles(disk),
        browser=ports.browser,
        environment=ports.environment,
    )


async def test_a_store_can_be_switched_to_the_keyring_and_names_the_way_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ring, disk, journal = DictKeyring(), MemoryDisk(), Journal()
    monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
    assert system_keyring() is ring
    plain, secret = (
        open_store(
            BridgeConfig(token_store=kind),
            ports_on(disk),
            home=HOME,
            log=journal.log,
            servers=[("git", URL)],
        ).shelf(name="git", url=URL)
        for kind in ("file", "keyring")
    )
    await plain.save(CREDENTIAL)
    assert await secret.load() == CREDENTIAL
    await secret.save(renewed(1))
    assert b"canary" not in disk.files[TOKENS]
    assert await secret.load() == renewed(1)
    with pytest.raises(StorageError, match="keyring"):
        await plain.load()
    ring.entries.clear()
    assert await secret.load() == renewed(1)  # the key is in memory


async def test_a_file_whose_key_is_lost_is_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk, journal = MemoryDisk(), Journal()
    for _ in range(2):
        monkeypatch.setattr(keyring, "get_keyring", DictKeyring)
        ring = DictKeyring()
        monkeypatch.setattr(keyring, "get_keyring", lambda ring=ring: ring)
        store = open_store(
            BridgeConfig(token_store="keyring"),
            ports_on(disk),
            home=HOME,
            log=journal.log,
            servers=[],
        )
        shelf = store.shelf(name="git", url=URL)
        assert await shelf.load() is None
        await shelf.save(CREDENTIAL)
    (trouble,) = journal.of(events.OAUTH_STORE_TROUBLE)
    assert "another key" in str(trouble["reason"])
    assert Path(str(trouble["moved_to"])) in disk.files
