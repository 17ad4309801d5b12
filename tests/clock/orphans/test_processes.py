"""What this bridge starts is on record for as long as it runs."""

import errno
from pathlib import Path

import pytest
import trio
import trio.testing

from bridge.observe import catalogue as events
from bridge.orphans import processes as room
from bridge.orphans.processes import LAST_MOMENT, RecordedProcesses
from bridge.orphans.record import Leader, decode
from bridge.orphans.record_file import RecordFile
from kit.journal import Journal
from kit.machine import BOOT, Machine
from kit.processes import SIGKILL, SIGTERM, Child, SimulatedProcesses


async def until_told(child: Child) -> int:
    child.deaf = child.command == ("deaf",)
    await child.hear()
    return 3


class Scene:
    """A bridge's processes on a simulated machine."""

    def __init__(self, nursery: trio.Nursery, home: Path, *, boot: str = BOOT) -> None:
        self.home = home
        self.machine = Machine(boot=boot)
        self.machine.start([(1, 700), (2, 701), (3, 702)])
        self.journal = Journal()
        self.processes = RecordedProcesses(
            SimulatedProcesses(nursery, until_told),
            home=home,
            log=self.journal.log,
            table=self.machine,
        )

    def files(self) -> list[Path]:
        return sorted((self.home / "children").glob("*"))

    def recorded(self) -> tuple[Leader, ...]:
        [file] = self.files()
        record = decode(file.read_bytes())
        assert record.boot == BOOT
        return record.leaders


async def test_children_are_on_record_until_they_are_reaped(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        scene = Scene(nursery, tmp_path)
        await scene.processes.begin()
        assert scene.recorded() == ()
        # The simulated machine gives the numbers 1, 2, 3; 1 leads no group of ours.
        first, second, third = [
            await scene.processes.spawn(["server"], env={}, cwd=None) for _ in range(3)
        ]
        assert scene.recorded() == (Leader(2, 701), Leader(3, 702))
        await second.stdin.aclose()
        assert await second.wait() == 3
        assert scene.recorded() == (Leader(3, 702),)
        for process in (first, third):
            process.terminate()
            await process.wait()
        scene.processes.end()
    assert scene.files() == []
    assert scene.journal.entries == []


async def test_no_child_starts_before_the_orphans_are_gone(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        scene = Scene(nursery, tmp_path)
        with trio.move_on_after(5) as waiting:
            await scene.processes.spawn(["server"], env={}, cwd=None)
        assert waiting.cancelled_caught
        nursery.start_soon(scene.processes.begin)
        process = await scene.processes.spawn(["server"], env={}, cwd=None)
        process.kill()
        await process.wait()
        scene.processes.end()


async def test_a_child_that_is_left_in_the_end_stays_on_record(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        scene = Scene(nursery, tmp_path)
        await scene.processes.begin()
        started = [
            await scene.processes.spawn(["server"], env={}, cwd=None) for _ in range(2)
        ]
        scene.processes.end()
        assert scene.recorded() == (Leader(2, 701),)
        for process in started:
            process.kill()


@pytest.mark.requirement("E4")
async def test_a_home_that_takes_no_file_costs_the_record_only(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "home").write_text("not a folder")
    async with trio.open_nursery() as nursery:
        scene = Scene(nursery, tmp_path / "home")
        await scene.processes.begin()
        process = await scene.processes.spawn(["server"], env={}, cwd=None)
        process.kill()
        await process.wait()
        scene.processes.end()
    assert scene.journal.names[-1] == events.ORPHANS_NOT_RECORDED.name


@pytest.mark.requirement("E4")
async def test_a_disk_that_fills_is_reported_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    class FullFile(RecordFile):
        def write(self, record: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(room, "RecordFile", FullFile)
    async with trio.open_nursery() as nursery:
        scene = Scene(nursery, tmp_path)
        await scene.processes.begin()
        for _ in range(2):
            process = await scene.processes.spawn(["server"], env={}, cwd=None)
            process.kill()
            await process.wait()
        scene.processes.end()
    assert scene.journal.entries == [
        (events.ORPHANS_NOT_RECORDED.name, {"error": "No space left on device"})
    ]


async def test_where_processes_cannot_be_told_apart_there_is_no_record(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        scene = Scene(nursery, tmp_path, boot="")
        await scene.processes.begin()
        process = await scene.processes.spawn(["server"], env={}, cwd=None)
        process.kill()
        await process.wait()
        scene.processes.end()
    assert scene.files() == []
    assert scene.journal.entries == []


@pytest.mark.requirement("E1")
async def test_when_nobody_waits_any_more_children_have_a_last_moment(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        scene = Scene(nursery, tmp_path)
        await scene.processes.begin()
        polite, deaf = [
            await scene.processes.spawn([name], env={}, cwd=None)
            for name in ("polite", "deaf")
        ]
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        nursery.start_soon(scene.processes.cut)
        assert await polite.wait() == -SIGTERM
        assert trio.current_time() == began
        late = await scene.processes.spawn(["deaf"], env={}, cwd=None)
        assert await late.wait() == -SIGKILL
        assert trio.current_time() == began
        assert await deaf.wait() == -SIGKILL
        assert trio.current_time() == began + LAST_MOMENT
