"""The real Browser port: commands that take, refuse, block, and find no shell (D6)."""

import os
import shlex
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from bridge.browser import PATIENCE, STILL_RUNNING, SystemBrowser
from bridge.system import real_ports

pytestmark = pytest.mark.interop
URL = "https://idp.test/authorize?state=1&b=2"


class Scripts:
    """Writes commands; each notes its arguments, one per line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sleeping: list[int] = []

    def write(self, name: str, *, then: str = "exit 0") -> str:
        """The command, quoted for ``BROWSER``."""
        path = self.folder / name
        notes = shlex.quote(str(self.folder / f"{name}.args"))
        path.write_text(
            f"#!/bin/sh\necho $$ >> {notes}.pids\n"
            f'printf "%s\\n" "$@" > {notes}\n{then}\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return shlex.quote(str(path))

    def arguments(self, name: str) -> list[str]:
        path = self.folder / f"{name}.args"
        return path.read_text().splitlines() if path.exists() else []

    def pids(self, name: str) -> list[int]:
        text = (self.folder / f"{name}.args.pids").read_text()
        return [int(line) for line in text.split()]


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Scripts]:
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    yield (made := Scripts(folder))
    for path in made.folder.glob("*.pids"):
        for pid in map(int, path.read_text().split()):
            _end(pid)


def _end(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


def browser(*commands: str) -> SystemBrowser:
    return SystemBrowser({"BROWSER": ":".join(commands), "PATH": os.environ["PATH"]})


def state_of(pid: int) -> str:
    """The kernel's letter for a process; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


async def until_gone(pid: int) -> None:
    with trio.fail_after(10):
        while state_of(pid):  # noqa: ASYNC110 - another process
            await trio.sleep(0.02)


@pytest.mark.requirement("R81", "R159")
async def test_a_command_gets_the_address_as_one_argument(scripts: Scripts) -> None:
    assert await browser(scripts.write("show")).open(URL)
    assert scripts.arguments("show") == [URL]
    placed = browser(f"{scripts.write('placed')} --to=%s --now")
    assert await placed.open(URL)
    assert scripts.arguments("placed") == [f"--to={URL}", "--now"]


@pytest.mark.requirement("D6")
@pytest.mark.parametrize(
    "bait",
    ["$(touch${IFS}x)", ";touch${IFS}x", "`touch${IFS}x`", "&touch|x", "'\"%s%n"],
)
async def test_no_shell_ever_reads_the_address(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch, bait: str
) -> None:
    monkeypatch.chdir(scripts.folder)
    url = f"https://idp.test/{bait}?q={bait}"
    assert await browser(scripts.write("show")).open(url)
    assert await browser(f"{scripts.write('placed')} %s").open(url)
    assert scripts.arguments("show") == scripts.arguments("placed") == [url]
    assert not (scripts.folder / "x").exists()


@pytest.mark.requirement("R81", "R159")
async def test_a_command_that_fails_gives_way_to_the_next(scripts: Scripts) -> None:
    failing = scripts.write("failing", then="exit 3")
    working = scripts.write("working")
    assert await browser("no-such-program", failing, working).open(URL)
    assert scripts.arguments("failing") == scripts.arguments("working") == [URL]
    assert not await browser("no-such-program", failing).open(URL)
    assert not await browser().open(URL)


@pytest.mark.requirement("R81", "R159")
async def test_a_command_that_blocks_neither_stops_the_loop_nor_ends_with_us(
    scripts: Scripts,
) -> None:
    sleeper = browser(scripts.write("sleeper", then="exec sleep 60"))
    longest = 0.0
    began = time.monotonic()
    async with trio.open_nursery() as nursery:

        async def measure() -> None:
            nonlocal longest
            while True:
                before = time.monotonic()
                await trio.sleep(0.01)
                longest = max(longest, time.monotonic() - before)

        nursery.start_soon(measure)
        assert await sleeper.open(URL)
        nursery.cancel_scope.cancel()
    assert PATIENCE <= time.monotonic() - began < PATIENCE + 3
    assert longest < 1
    (pid,) = scripts.pids("sleeper")
    assert state_of(pid) == "S"
    assert os.getsid(pid) == pid != os.getsid(0)  # no signal of our terminal reaches it
    os.kill(pid, 9)
    await until_gone(pid)  # a zombie would stay, as our child


async def test_a_login_given_up_leaves_no_zombie(scripts: Scripts) -> None:
    slow = browser(scripts.write("slow", then="sleep 1"))
    with trio.move_on_after(0.5) as scope:
        await slow.open(URL)
    assert scope.cancelled_caught
    await until_gone(scripts.pids("slow")[0])


async def test_commands_that_never_return_are_not_started_without_end(
    scripts: Scripts,
) -> None:
    sleeper = browser(scripts.write("sleeper", then="exec sleep 60"))
    async with trio.open_nursery() as nursery:
        for _ in range(STILL_RUNNING):
            nursery.start_soon(sleeper.open, URL)
    assert not await sleeper.open(URL)
    assert len(scripts.pids("sleeper")) == STILL_RUNNING


async def test_the_world_has_this_browser() -> None:
    assert not await real_ports({}).browser.open(URL)
