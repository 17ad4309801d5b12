"""The file of a record, against what may stand in its way."""

import os
from pathlib import Path

import pytest

from bridge.orphans.record import Leader, Record
from bridge.orphans.record_file import RecordFile, abandoned, claimed

ONE = Record("0f6a", (Leader(41, 700),))


def left_by_the_dead(home: Path) -> Path:
    """A record without an owner."""
    RecordFile(home, "7").write(ONE)
    [file] = abandoned(home)
    copy = file.with_name("8.pids")
    copy.write_bytes(file.read_bytes())
    return copy


def test_a_shorter_record_takes_the_place_of_a_longer_one(tmp_path: Path) -> None:
    file = RecordFile(tmp_path, "7")
    file.write(Record("0f6a", (Leader(41, 700), Leader(42, 701))))
    file.write(ONE)
    assert (tmp_path / "children" / "7.pids").read_bytes() == b"0f6a\n41 700\n"
    file.remove()
    assert abandoned(tmp_path) == []


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    RecordFile(tmp_path, "7").write(ONE)
    assert (tmp_path / "children").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "children" / "7.pids").stat().st_mode & 0o777 == 0o600


def test_it_is_claimed_once_its_owner_is_dead_and_then_gone(tmp_path: Path) -> None:
    file = left_by_the_dead(tmp_path)
    with claimed(file) as record:
        assert record == ONE
        with claimed(file) as second:  # another bridge that starts
            assert second is None
        assert file.exists()
    assert not file.exists()


def test_one_that_went_meanwhile_is_none(tmp_path: Path) -> None:
    with claimed(tmp_path / "9.pids") as record:
        assert record is None


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    file = left_by_the_dead(tmp_path)
    os.chown(file, 12345, -1)
    with claimed(file) as record:
        assert record is None
    assert file.exists()


def test_a_place_that_is_taken_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "children" / "7.pids" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        RecordFile(tmp_path, "7")


def test_a_home_that_is_made_for_it_is_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    file = RecordFile(home, "7")
    assert [p.stat().st_mode & 0o777 for p in (home, home / "children")] == [0o700] * 2
    file.remove()
