"""The configuration file on a real disk: read off the loop, and looked at."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from bridge import file_watch
from bridge.config import Loaded, stamp_of
from bridge.errors import ConfigError
from bridge.file_watch import LookingWatch
from bridge.reload import source as source_module
from bridge.reload.source import FileSource
from kit.configs import load

pytestmark = [pytest.mark.interop, pytest.mark.requirement("R139", "R141")]

GOOD = load({"a": {"command": "x"}})


def source_of(path: Path, read: Callable[[], Loaded]) -> FileSource:
    watch = LookingWatch()
    return FileSource(path, read=read, watch=watch, stamp=stamp_of(path))


async def test_the_file_is_read_beside_the_loop(tmp_path: Path) -> None:
    threads: list[int] = []

    def read() -> Loaded:
        threads.append(threading.get_ident())
        return GOOD

    source = source_of(tmp_path / "config.json", read)
    assert await source.load() is GOOD
    assert threads != [threading.get_ident()]
    assert source.name == str(tmp_path / "config.json")


async def test_what_reading_raises_is_raised(tmp_path: Path) -> None:
    def read() -> Loaded:
        raise ConfigError("odd")

    with pytest.raises(ConfigError, match="odd"):
        await source_of(tmp_path, read).load()


async def test_a_file_that_never_ends_is_given_up_and_gathers_no_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "LOAD_SECONDS", 0.2)
    let_go = threading.Event()
    reads: list[int] = []

    def read() -> Loaded:
        reads.append(1)
        let_go.wait(30)
        return GOOD

    source = source_of(tmp_path / "config.json", read)
    try:
        for _ in range(5):
            with pytest.raises(ConfigError, match=r"within 0\.2 s") as refused:
                await source.load()
            assert "nothing was changed" in str(refused.value.problems[0])
        assert len(reads) == 1
    finally:
        let_go.set()
    with trio.fail_after(10):
        while True:
            try:
                assert await source.load() is GOOD
            except ConfigError:
                continue
            break


async def test_an_edit_is_noticed_and_quiet_is_not(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("1")
    source = source_of(file, lambda: GOOD)
    with trio.move_on_after(1.2) as quiet:
        await source.changed(since=source.stamp)
    assert quiet.cancelled_caught
    new = tmp_path / "new.json"
    new.write_text(json.dumps({}))
    new.replace(file)
    with trio.fail_after(10):
        assert await source.changed(since=source.stamp) == stamp_of(file)


async def test_a_disk_that_does_not_answer_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()

    def hang(path: Path) -> str:
        let_go.wait(30)
        return ""

    monkeypatch.setattr(file_watch, "ANSWER_WITHIN", 0.2)
    monkeypatch.setattr(file_watch, "stamp_of", hang)
    watch = LookingWatch()
    try:
        for _ in range(2):
            with pytest.raises(TimeoutError, match="does not answer"):
                await watch.changed(tmp_path, since="1")
    finally:
        let_go.set()
