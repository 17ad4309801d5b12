"""The stamp of a file is another one after every way of editing it (R141)."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.config import stamp_of

pytestmark = pytest.mark.requirement("R139", "R141")


def in_place(file: Path) -> None:
    with file.open("r+") as open_file:
        open_file.write("2")


def appended(file: Path) -> None:
    with file.open("a") as open_file:
        open_file.write("more")


def renamed_over(file: Path) -> None:
    new = file.with_suffix(".new")
    new.write_text("2")
    new.replace(file)


def renamed_over_with_the_old_date(file: Path) -> None:
    old = file.stat()
    new = file.with_suffix(".new")
    new.write_text("2")
    os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    new.replace(file)


def same_size_and_date(file: Path) -> None:
    old = file.stat()
    file.write_text("2")
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))


def through_a_backup(file: Path) -> None:
    file.rename(file.with_suffix(".bak"))
    file.write_text("2")


def removed(file: Path) -> None:
    file.unlink()


def removed_and_made_again(file: Path) -> None:
    keep = file.with_suffix(".keep")
    keep.hardlink_to(file)  # so that the inode's number is not given again
    file.unlink()
    file.write_text("1")


def folder_replaced(file: Path) -> None:
    folder = file.parent
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    file.write_text("1")


def folder_removed(file: Path) -> None:
    shutil.rmtree(file.parent)


def made_a_link(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("1")
    file.unlink()
    file.symlink_to(other)


EDITS = [
    in_place,
    appended,
    renamed_over,
    renamed_over_with_the_old_date,
    same_size_and_date,
    through_a_backup,
    removed,
    removed_and_made_again,
    folder_replaced,
    folder_removed,
    made_a_link,
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_every_edit_changes_it(tmp_path: Path, edit: Callable[[Path], None]) -> None:
    file = tmp_path / "folder" / "config.json"
    file.parent.mkdir()
    file.write_text("1")
    os.utime(file, ns=(1, 1))  # edits within one tick of the disk's clock count too
    before = stamp_of(file)
    edit(file)
    assert stamp_of(file) != before


def test_a_swap_of_links_as_in_a_config_map_changes_it(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "config.json").write_text("1")
    (tmp_path / "..data").symlink_to("..one")
    file = tmp_path / "config.json"
    file.symlink_to("..data/config.json")
    before = stamp_of(file)
    (tmp_path / "..tmp").symlink_to("..two")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    assert stamp_of(file) != before


def test_reading_and_looking_do_not_change_it(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("1")
    before = stamp_of(file)
    file.read_text()
    (tmp_path / "neighbour").write_text("1")
    assert stamp_of(file) == before


def test_what_is_missing_or_no_path_at_all_has_a_stamp_too(tmp_path: Path) -> None:
    assert stamp_of(tmp_path / "none") == "ENOENT"
    (tmp_path / "file").touch()
    assert stamp_of(tmp_path / "file" / "below") == "ENOTDIR"
    (tmp_path / "loop").symlink_to("loop")
    assert stamp_of(tmp_path / "loop") == "ELOOP"
