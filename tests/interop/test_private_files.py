"""Private files on a real disk: modes, links, owners, kills. POSIX only."""
# ruff: noqa: ASYNC220, ASYNC240 - the scene is set without a thread, on a quick disk

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from bridge import private_files
from bridge.ports import Files
from bridge.private_files import PrivateFiles
from kit.files import MemoryFiles

pytestmark = pytest.mark.interop
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
LIMIT = 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "auth" / "tokens.json"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@contextmanager
def umask(value: int) -> Generator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


# --- what the real one and the one in memory have in common ---


@pytest.fixture(params=[PrivateFiles, MemoryFiles])
def files(request: pytest.FixtureRequest) -> Files:
    return request.param()


async def test_what_was_put_in_place_is_read(files: Files, file: Path) -> None:
    assert await files.read(file, limit=LIMIT) is None
    for data in (b"one", b"", b"three" * 100):
        await files.replace(file, data)
        assert await files.read(file, limit=LIMIT) == data


async def test_a_file_over_the_limit_is_not_read(files: Files, file: Path) -> None:
    await files.replace(file, b"x" * 10)
    assert await files.read(file, limit=10)
    with pytest.raises(OSError, match="larger than 9 bytes") as caught:
        await files.read(file, limit=9)
    assert caught.value.errno == errno.EFBIG


async def test_removing_says_whether_there_was_one(files: Files, file: Path) -> None:
    assert not await files.remove(file)
    await files.replace(file, b"x")
    assert await files.remove(file)
    assert not await files.remove(file)
    assert await files.read(file, limit=LIMIT) is None


async def test_the_stamp_changes_with_every_change(files: Files, file: Path) -> None:
    assert await files.stamp(file) == ""
    seen: set[str] = set()
    for _ in range(20):
        await files.replace(file, b"same size")
        assert await files.stamp(file) == await files.stamp(file)
        seen.add(await files.stamp(file))
    assert len(seen) == 20
    await files.remove(file)
    assert await files.stamp(file) == ""


async def test_what_is_set_aside_is_kept_under_another_name(
    files: Files, file: Path
) -> None:
    for number in range(1, 4):
        await files.replace(file, b"%d" % number)
        moved = await files.set_aside(file)
        assert moved == file.with_name(f"{file.name}.corrupt-{number}")
        assert await files.read(moved, limit=LIMIT) == b"%d" % number
    assert await files.read(file, limit=LIMIT) is None
    with pytest.raises(FileNotFoundError):
        await files.set_aside(file)


async def test_a_lock_has_one_owner_and_waits_for_it(files: Files, file: Path) -> None:
    freed: list[float] = []

    async def own(task_status: trio.TaskStatus[None]) -> None:
        async with files.lock(file, within=1):
            task_status.started()
            await trio.sleep(0.2)
            freed.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        await nursery.start(own)
        with pytest.raises(TimeoutError):
            async with files.lock(file, within=0):
                raise AssertionError
        async with files.lock(file, within=5), files.lock(file.parent / "b", within=0):
            assert freed


async def test_a_cancelled_owner_frees_the_lock(files: Files, file: Path) -> None:
    with trio.move_on_after(0.05):
        async with files.lock(file, within=1):
            await trio.sleep_forever()
    async with files.lock(file, within=0):
        pass


# --- modes ---


@pytest.mark.requirement("R99", "D9")
@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o177, 0o277, 0o777])
async def test_files_are_private_from_the_first_moment(file: Path, mask: int) -> None:
    seen: list[tuple[int, bytes]] = []
    stop = trio.Event()

    async def watch() -> None:
        while not stop.is_set():
            for path in file.parent.glob("*") if file.parent.exists() else ():
                with _gone_allowed():
                    seen.append((mode(path), path.name.encode()))
            await trio.lowlevel.checkpoint()

    files = PrivateFiles()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        with umask(mask):
            for _ in range(10):
                await files.replace(file, b"x" * 100_000)
            async with files.lock(file, within=1):
                pass
        stop.set()
    assert mode(file) == 0o600
    assert mode(file.parent) == mode(file.parent.parent) == 0o700
    assert seen
    assert not [found for found, _ in seen if found & 0o077]


@contextmanager
def _gone_allowed() -> Generator[None]:
    try:
        yield
    except FileNotFoundError:
        return


@pytest.mark.requirement("R99")
async def test_wider_modes_are_tightened_and_told(file: Path) -> None:
    files = PrivateFiles()
    told: list[tuple[Path, int]] = []
    await files.replace(file, b"x")
    file.chmod(0o644)
    file.parent.chmod(0o775)

    def tell(path: Path, had: int) -> None:
        told.append((path, had))

    for _ in range(2):
        assert await files.read(file, limit=LIMIT, on_tightened=tell) == b"x"
        await files.replace(file, b"x", on_tightened=tell)
    assert told == [(file, 0o644), (file.parent, 0o775)]
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    file.chmod(0o640)
    await files.read(file, limit=LIMIT)
    assert mode(file) == 0o600


async def test_parents_that_exist_keep_their_modes(file: Path) -> None:
    file.parent.parent.mkdir(mode=0o755)
    file.parent.parent.chmod(0o755)
    await PrivateFiles().replace(file, b"x")
    assert mode(file.parent.parent) == 0o755
    assert mode(file.parent) == 0o700


async def test_a_folder_everybody_shares_is_not_taken_over(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(PermissionError, match="everybody shares"):
        await PrivateFiles().replace(tmp_path / "x", b"x")
    assert mode(tmp_path) == 0o1777
    assert not list(tmp_path.iterdir())


# --- what is not a file of ours ---


@pytest.mark.requirement("R99")
async def test_a_link_in_place_of_the_file_is_not_followed(file: Path) -> None:
    files = PrivateFiles()
    await files.replace(file, b"mine")
    target = file.parent.parent / "target"
    file.rename(target)
    file.symlink_to(target)
    with pytest.raises(OSError, match="symbolic link") as caught:
        await files.read(file, limit=LIMIT)
    assert caught.value.errno == errno.ELOOP
    await files.replace(file, b"new")
    assert not file.is_symlink()
    assert target.read_bytes() == b"mine"
    file.unlink()
    file.symlink_to(target)
    moved = await files.set_aside(file)
    assert moved.is_symlink()
    assert target.read_bytes() == b"mine"


@pytest.mark.requirement("R99")
async def test_a_link_in_place_of_the_folder_or_the_lock_is_not_followed(
    file: Path,
) -> None:
    files = PrivateFiles()
    elsewhere = file.parent.parent / "elsewhere"
    elsewhere.mkdir(parents=True)
    file.parent.symlink_to(elsewhere)
    for step in (
        lambda: files.read(file, limit=LIMIT),
        lambda: files.replace(file, b"x"),
        lambda: files.remove(file),
        lambda: files.set_aside(file),
    ):
        with pytest.raises(OSError, match="symbolic link"):
            await step()
    file.parent.unlink()
    file.parent.mkdir(mode=0o700)
    file.with_name(f"{file.name}.lock").symlink_to(elsewhere / "made")
    with pytest.raises(OSError, match="symbolic link"):
        async with files.lock(file, within=0):
            raise AssertionError
    assert not list(elsewhere.iterdir())


async def test_folders_and_pipes_are_no_files(file: Path) -> None:
    file.mkdir(parents=True)
    pipe = file.with_name("pipe")
    os.mkfifo(pipe, 0o600)
    for path in (file, pipe):
        with pytest.raises(OSError, match="not a regular file"):
            await PrivateFiles().read(path, limit=LIMIT)


async def test_there_is_nothing_in_what_is_no_folder(file: Path) -> None:
    await PrivateFiles().replace(file, b"x")
    assert await PrivateFiles().read(file / "below", limit=LIMIT) is None
    assert await PrivateFiles().stamp(file / "below") == ""


@is_root
async def test_what_belongs_to_another_user_is_refused(file: Path) -> None:
    files = PrivateFiles()
    await files.replace(file, b"x")
    os.chown(file, 12345, 12345)
    with pytest.raises(PermissionError, match="another user"):
        await files.read(file, limit=LIMIT)
    os.chown(file.parent, 12345, 12345)
    with pytest.raises(PermissionError, match="another user"):
        await files.replace(file, b"y")
    with pytest.raises(PermissionError, match="another user"):
        async with files.lock(file, within=0):
            raise AssertionError
    assert file.read_bytes() == b"x"


# --- disks that fail ---


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
async def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    file: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = PrivateFiles()
    await files.replace(file, b"old")

    def fail(*args: object, **kwargs: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space"):
            await files.replace(file, b"new")
    assert file.read_bytes() == b"old"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


async def test_a_disk_that_takes_little_at_a_time_gets_it_all(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, read = os.write, os.read

    def write_some(descriptor: int, part: bytes) -> int:
        return write(descriptor, part[:7])

    def read_some(descriptor: int, size: int) -> bytes:
        return read(descriptor, min(size, 5))

    monkeypatch.setattr(os, "write", write_some)
    monkeypatch.setattr(os, "read", read_some)
    data = bytes(range(100))
    await PrivateFiles().replace(file, data)
    assert await PrivateFiles().read(file, limit=LIMIT) == data


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
async def test_only_a_file_system_without_folder_sync_may_refuse_it(
    file: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, "folder")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    if number == errno.EIO:
        with pytest.raises(OSError, match="folder"):
            await PrivateFiles().replace(file, b"x")
    else:
        await PrivateFiles().replace(file, b"x")
    assert file.read_bytes() == b"x"


async def test_more_than_twenty_files_set_aside_are_never_kept(file: Path) -> None:
    files, moved = PrivateFiles(), file
    for number in range(25):
        await files.replace(file, b"%d" % number)
        moved = await files.set_aside(file)
    assert moved.read_bytes() == b"24"
    assert len(list(file.parent.iterdir())) == 20


# --- what killed processes leave ---


async def test_old_leftovers_go_with_the_next_write_and_young_ones_stay(
    file: Path,
) -> None:
    files = PrivateFiles()
    await files.replace(file, b"x")
    old, young, other = (
        file.with_name(name) for name in (".a.json.1.new", ".a.json.2.new", "notes.new")
    )
    for path in (old, young, other):
        path.write_bytes(b"x")
    hour_ago = time.time() - 3600
    for path in (old, other):
        os.utime(path, (hour_ago, hour_ago))
    await files.replace(file, b"y")
    assert not old.exists()
    assert young.exists()
    assert other.exists()


async def test_a_logout_takes_half_written_tokens_with_it(file: Path) -> None:
    files = PrivateFiles()
    await files.replace(file, b"x")
    mine, other = (file.with_name(f".{name}.1.new") for name in (file.name, "b.json"))
    for path in (mine, other):
        path.write_bytes(b"x")
    await files.remove(file)
    assert [path.name for path in file.parent.iterdir()] == [other.name]


# --- locks between processes ---

OWNER = """
import sys, trio
from pathlib import Path
from bridge.private_files import PrivateFiles

async def main():
    async with PrivateFiles().lock(Path(sys.argv[1]), within=30):
        print("mine", flush=True)
        await trio.sleep(float(sys.argv[2]))

trio.run(main)
"""


@asynccontextmanager
async def other_process(
    code: str, *arguments: object
) -> AsyncGenerator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        await trio.to_thread.run_sync(process.wait)
        assert process.stdout is not None
        process.stdout.close()


async def line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return await trio.to_thread.run_sync(process.stdout.readline)


@pytest.mark.requirement("R102")
async def test_a_lock_holds_against_other_processes_and_a_kill_frees_it(
    file: Path,
) -> None:
    files = PrivateFiles()
    async with other_process(OWNER, file, 600) as process:
        assert await line(process) == b"mine\n"
        with pytest.raises(TimeoutError):
            async with files.lock(file, within=0.1):
                raise AssertionError
        process.kill()
        async with files.lock(file, within=10):
            pass
    assert file.with_name(f"{file.name}.lock").exists()


async def test_a_lock_file_deleted_by_hand_makes_no_second_owner(file: Path) -> None:
    files = PrivateFiles()
    async with files.lock(file, within=1):
        lock = file.with_name(f"{file.name}.lock")
        lock.unlink()
        async with files.lock(file, within=1):  # cannot be known to be held
            assert lock.exists()
    async with files.lock(file, within=1):
        pass


async def test_a_lock_got_on_a_deleted_file_is_got_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[[int], bool] = vars(private_files)["_locked"]
    lock = file.with_name(f"{file.name}.lock")
    tries: list[int] = []

    def locked(descriptor: int) -> bool:
        tries.append(os.fstat(descriptor).st_ino)
        if len(tries) == 1:
            lock.unlink()
        elif len(tries) == 2:
            lock.rename(lock.with_name("x"))
            lock.touch()
        return real(descriptor)

    monkeypatch.setattr(private_files, "_locked", locked)
    async with PrivateFiles().lock(file, within=5):
        assert len(tries) == 3
        assert lock.stat().st_ino == tries[-1]


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_a_failing_lock_leaves_no_descriptor_open(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(private_files, "_locked", fail)
    before = open_descriptors()
    with pytest.raises(OSError, match="No locks"):
        async with PrivateFiles().lock(file, within=5):
            raise AssertionError
    assert open_descriptors() == before
