"""Commands of ``$(command ...)`` as real processes."""

import os
import sys
import time
from pathlib import Path

import pytest

from bridge.config.expand import SubstitutionFailed
from bridge.config.process import command_runner

pytestmark = [pytest.mark.interop, pytest.mark.requirement("R21", "R22")]


def run(code: str, *, seconds: float = 30, **environment: str) -> str:
    runner = command_runner(environment, seconds=seconds)
    return runner([sys.executable, "-c", code])


def test_what_a_command_prints_is_its_value_without_the_last_line_break() -> None:
    assert run("print('a b\\n')") == "a b"


def test_a_command_sees_the_environment_it_is_given_and_no_other() -> None:
    code = "import os; print(os.environ.get('A'), os.environ.get('HOME'))"
    assert run(code, A="b") == "b None"


def test_words_reach_the_command_as_they_are() -> None:
    code = "import sys; print(sys.argv[1:])"
    runner = command_runner({})
    words = ["; id", "$(id)", "*", ""]
    assert runner([sys.executable, "-c", code, *words]) == str(words)


def test_a_command_reads_nothing_of_ours() -> None:
    assert run("import sys; print(repr(sys.stdin.read()))") == "''"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(3)", "ended with status 3"),
        ("print('x' * 70000)", "gave more than 65536 bytes"),
        ("import os; os.write(1, b'\\xff')", "gave no UTF-8 text"),
    ],
)
def test_a_command_that_gives_no_value_says_why(code: str, reason: str) -> None:
    with pytest.raises(SubstitutionFailed, match=reason):
        run(code)


@pytest.mark.parametrize("words", [["/no/such/program"], ["a\0b"]])
def test_a_command_that_cannot_start_says_so(words: list[str]) -> None:
    with pytest.raises(SubstitutionFailed, match="could not be started"):
        command_runner({})(words)


def test_a_command_that_hangs_ends_with_all_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    code = (
        "import os, time\n"
        "child = os.fork()\n"
        f"open({str(note)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(60)\n"
    )
    started = time.monotonic()
    with pytest.raises(SubstitutionFailed, match=r"did not end within 1 s"):
        run(code, seconds=1)
    assert time.monotonic() - started < 10
    pids = [int(line) for line in note.read_text().split()]
    assert len(pids) == 2
    assert all(_gone(pid) for pid in pids)


def test_a_child_that_lives_on_does_not_hold_the_value_back() -> None:
    code = "import os, time\nprint('x', flush=True)\nif os.fork() == 0: time.sleep(5)"
    started = time.monotonic()
    assert run(code) == "x"
    assert time.monotonic() - started < 4


def _gone(pid: int) -> bool:
    """Killed, though perhaps not yet reaped by whoever adopted it."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        os.sched_yield()
        time.sleep(0.02)
    return False
