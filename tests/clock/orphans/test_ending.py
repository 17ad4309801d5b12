"""What dead bridges left behind is ended, what lives is left alone."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
import trio.testing

from bridge.observe import catalogue as events
from bridge.orphans.ending import GRACE, Undertaker
from bridge.orphans.record import Leader, Record, encode
from bridge.orphans.record_file import RecordFile
from kit.journal import Journal
from kit.machine import BOOT, Machine

TERM, KILL = 15, 9


def dead_bridge(
    home: Path, leaders: Sequence[tuple[int, int]], *, boot: str = BOOT, name: str = "7"
) -> Path:
    """The record of a bridge that was killed."""
    folder = home / "children"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.pids"
    file.write_bytes(encode(Record(boot, tuple(Leader(*each) for each in leaders))))
    return file


async def end_orphans(home: Path, machine: Machine) -> tuple[Journal, float]:
    """What was logged, and how long it took."""
    journal = Journal()
    undertaker = Undertaker(
        home, table=machine, log=journal.log, signal_group=machine.signal_group
    )
    began = trio.current_time()
    await undertaker.end_orphans()
    return journal, trio.current_time() - began


@pytest.mark.requirement("E3")
async def test_children_of_a_killed_bridge_are_told_to_end(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    machine = Machine()
    machine.start([(41, 700), (42, 701)])
    file = dead_bridge(tmp_path, [(41, 700), (42, 701)])
    journal, took = await end_orphans(tmp_path, machine)
    assert machine.signals[:2] == [(41, TERM), (42, TERM)]
    assert (machine.began(41), machine.began(42)) == (None, None)
    assert took < 0.2
    assert journal.of(events.ORPHANS_ENDED) == [
        {"processes": 2, "pids": [41, 42], "left": 0}
    ]
    assert not file.exists()


async def test_a_child_that_does_not_listen_is_killed_after_the_grace(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    machine = Machine()
    machine.start([(41, 700), (42, 701)])
    machine.deaf = {42}
    dead_bridge(tmp_path, [(41, 700), (42, 701)])
    _, took = await end_orphans(tmp_path, machine)
    assert (42, KILL) in machine.signals
    assert machine.began(42) is None
    assert GRACE <= took < GRACE + 0.1


@pytest.mark.parametrize("kind", ["immortal", "foreign"])
async def test_one_that_will_not_go_is_told_and_not_waited_for(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, kind: str
) -> None:
    machine = Machine()
    machine.start([(41, 700)])
    setattr(machine, kind, {41})
    dead_bridge(tmp_path, [(41, 700)])
    journal, took = await end_orphans(tmp_path, machine)
    assert journal.of(events.ORPHANS_ENDED) == [
        {"processes": 0, "pids": [41], "left": 1}
    ]
    assert GRACE < took < GRACE + 1.1


async def test_another_process_with_the_same_number_is_left_alone(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    machine = Machine()
    machine.start([(41, 999)])
    file = dead_bridge(tmp_path, [(41, 700), (42, 701)])
    journal, _ = await end_orphans(tmp_path, machine)
    assert machine.signals == []
    assert journal.entries == []
    assert not file.exists()


async def test_a_number_given_to_another_process_meanwhile_is_not_killed(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    machine = Machine()
    machine.start([(41, 700), (42, 701)])
    machine.deaf = {42}
    dead_bridge(tmp_path, [(41, 700), (42, 701)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_orphans, tmp_path, machine)
        await trio.sleep(1)
        machine.restart(41, began=999)
    assert (41, KILL) not in machine.signals
    assert (42, KILL) in machine.signals
    assert machine.began(41) == 999


async def test_numbers_of_an_earlier_boot_mean_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    machine = Machine()
    machine.start([(41, 700)])
    file = dead_bridge(tmp_path, [(41, 700)], boot="another")
    await end_orphans(tmp_path, machine)
    assert machine.signals == []
    assert not file.exists()


async def test_a_bridge_that_lives_keeps_its_children(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    machine = Machine()
    machine.start([(41, 700), (51, 800)])
    neighbour = RecordFile(tmp_path, "neighbour")
    neighbour.write(Record(BOOT, (Leader(51, 800),)))
    dead_bridge(tmp_path, [(41, 700)])
    await end_orphans(tmp_path, machine)
    assert machine.began(51) == 800
    neighbour.remove()
    assert list((tmp_path / "children").iterdir()) == []


async def test_without_a_folder_there_is_nothing_to_end(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    journal, took = await end_orphans(tmp_path / "none", Machine())
    assert journal.entries == []
    assert took == 0


async def test_what_cannot_be_read_is_reported_and_stops_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    machine = Machine()
    machine.start([(41, 700)])
    dead_bridge(tmp_path, [(41, 700)])
    (tmp_path / "children" / "1.pids").symlink_to(tmp_path / "elsewhere")
    journal, _ = await end_orphans(tmp_path, machine)
    [entry] = journal.of(events.ORPHANS_UNKNOWN)
    assert "symbolic links" in str(entry["error"])
    assert machine.began(41) is None


async def test_a_pipe_in_place_of_a_record_is_left_alone(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "children").mkdir()
    pipe = tmp_path / "children" / "7.pids"
    os.mkfifo(pipe)
    journal, _ = await end_orphans(tmp_path, Machine())
    assert journal.entries == []
    assert pipe.exists()


async def test_a_stop_while_orphans_end_leaves_the_record_to_the_next(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    machine = Machine()
    machine.start([(41, 700)])
    machine.deaf = {41}
    file = dead_bridge(tmp_path, [(41, 700)])
    with trio.move_on_after(1):
        await end_orphans(tmp_path, machine)
    assert file.exists()
    await end_orphans(tmp_path, machine)
    assert machine.began(41) is None
    assert not file.exists()
