"""The disk in memory is a disk: what it does on Trio's clock, and its faults."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from kit.files import Killed, MemoryDisk, MemoryFiles, disk_full

FILE = Path("/home/auth/a.json")


async def test_operations_take_the_time_they_are_given(
    autojump_clock: MockClock,
) -> None:
    files = MemoryFiles()
    files.delay = 3
    await files.replace(FILE, b"x")
    assert trio.current_time() == 3


async def test_a_cancelled_operation_is_done_all_the_same(
    autojump_clock: MockClock,
) -> None:
    files = MemoryFiles()
    files.delay = 3
    with trio.move_on_after(1):
        await files.replace(FILE, b"x")
    assert files.disk.files == {FILE: b"x"}
    with trio.CancelScope() as scope:
        scope.cancel()
        await files.replace(FILE, b"y")
    assert files.disk.files == {FILE: b"x"}


async def test_processes_on_one_disk_wait_for_each_other(
    autojump_clock: MockClock,
) -> None:
    disk = MemoryDisk()
    order: list[int] = []

    async def hold(number: int) -> None:
        async with MemoryFiles(disk).lock(FILE, within=10):
            order.append(number)
            await trio.sleep(1)
            order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(hold, number)
    assert order[::2] == order[1::2]
    with pytest.raises(TimeoutError):
        async with (
            MemoryFiles(disk).lock(FILE, within=1),
            MemoryFiles(disk).lock(FILE, within=2),
        ):
            raise AssertionError
    assert not disk.held


async def test_a_kill_comes_once_and_passes_by_exception_handlers() -> None:
    files = MemoryFiles()
    files.kill_at = "before"
    with pytest.raises(Killed):
        await files.replace(FILE, b"x")
    assert files.disk.left_over == [b"x"]
    assert not issubclass(Killed, Exception)
    await files.replace(FILE, b"y")
    assert files.disk.files[FILE] == b"y"


async def test_a_full_disk_refuses_writes_and_still_reads() -> None:
    files = MemoryFiles()
    await files.replace(FILE, b"x")
    files.refuse = disk_full()
    with pytest.raises(OSError, match="No space"):
        await files.replace(FILE, b"y")
    with pytest.raises(OSError, match="No space"):
        await files.remove(FILE)
    assert await files.read(FILE, limit=1) == b"x"
    assert files.log == [("replace", FILE)]
