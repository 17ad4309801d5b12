"""What a command does, beside what else it heeds."""

import os
import signal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from bridge.cli.exit import CommandFailed
from bridge.cli.run import alongside, read_line, run


async def result() -> str:
    await trio.sleep(1)
    return "done"


async def refuse() -> None:
    await trio.sleep(0.5)
    raise CommandFailed("no")


async def test_the_result_ends_what_runs_beside_it(autojump_clock: MockClock) -> None:
    ended: list[str] = []

    async def beside() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("ended")

    assert await alongside(result, beside) == "done"
    assert ended == ["ended"]


async def test_a_failure_of_either_is_raised_plain(autojump_clock: MockClock) -> None:
    with pytest.raises(CommandFailed, match="no"):
        await alongside(result, refuse)
    with pytest.raises(CommandFailed, match="no"):
        await alongside(refuse, trio.sleep_forever)


async def test_what_ends_early_beside_it_is_let_go(autojump_clock: MockClock) -> None:
    assert await alongside(result, trio.lowlevel.checkpoint) == "done"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_after_its_clean_up(number: signal.Signals) -> None:
    cleaned: list[bool] = []

    async def command() -> None:
        try:
            os.kill(os.getpid(), number)
            await trio.sleep_forever()
        finally:
            cleaned.append(True)

    with pytest.raises(CommandFailed, match="given up") as failure:
        run(command)
    assert failure.value.status == 130
    assert cleaned == [True]


def test_a_command_without_a_signal_gives_its_result() -> None:
    async def command() -> int:
        await trio.lowlevel.checkpoint()
        return 3

    assert run(command) == 3


def test_lines_are_read_from_a_pipe_until_it_ends() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b" first \nsecond\n\nlast \xff")
    os.close(theirs)
    lines = [trio.run(read_line, ours) for _ in range(5)]
    os.close(ours)
    assert lines == ["first", "second", "", "last \ufffd", None]


def test_lines_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("one\ntwo\n")
    with file.open("rb", buffering=0) as opened:
        lines = [trio.run(read_line, opened.fileno()) for _ in range(3)]
    assert lines == ["one", "two", None]


def test_waiting_for_a_line_can_be_given_up() -> None:
    ours, theirs = os.pipe()

    async def wait() -> bool:
        with trio.move_on_after(0.02) as patience:
            await read_line(ours)
        return patience.cancelled_caught

    assert trio.run(wait)
    os.close(ours)
    os.close(theirs)
