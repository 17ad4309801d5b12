"""What the kernel's files say, and what they may be instead."""

import os
from pathlib import Path

import pytest

from bridge.orphans.process_table import ProcessTable

AFTER = "1 41 41 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 700 9 9"


def table(root: Path, stat: str | None = None, boot: bytes = b"0f6a\n") -> ProcessTable:
    kernel = root / "sys/kernel/random"
    kernel.mkdir(parents=True)
    (kernel / "boot_id").write_bytes(boot)
    if stat is not None:
        (root / "41").mkdir()
        (root / "41/stat").write_text(stat)
    return ProcessTable(root)


@pytest.mark.parametrize(
    ("stat", "began"),
    [
        (f"41 (server) S {AFTER}", 700),
        (f"41 (a) b) R (x) S {AFTER}", 700),
        (f"41 (server) Z {AFTER}", None),
        (f"41 (server) X {AFTER}", None),
        ("41 (server) S 1 41", None),
        ("", None),
        (None, None),
    ],
)
def test_a_process_is_known_by_when_it_began(
    tmp_path: Path, stat: str | None, began: int | None
) -> None:
    assert table(tmp_path, stat).began(41) == began


@pytest.mark.parametrize(("boot", "named"), [(b"0f6a\n", "0f6a"), (b"\xff", "")])
def test_the_run_of_the_machine_has_a_name(
    tmp_path: Path, boot: bytes, named: str
) -> None:
    assert table(tmp_path, boot=boot).boot == named


def test_where_the_kernel_says_nothing_nothing_is_known(tmp_path: Path) -> None:
    elsewhere = ProcessTable(tmp_path)
    assert elsewhere.boot == ""
    assert elsewhere.began(os.getpid()) is None


def test_this_process_runs() -> None:
    assert ProcessTable().boot
    assert ProcessTable().began(os.getpid())
    assert ProcessTable().began(2**22 + 1) is None
