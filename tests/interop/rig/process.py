"""A process a test started: its output in files, ended by its own id."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import trio

T = TypeVar("T")


class ProcessFailedError(AssertionError):
    """A process did not do what the test needs; its last words are in the message."""


def free_port() -> int:
    """A port of loopback nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody accepts connections on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_alive(pid: int) -> bool:
    """Whether ``pid`` runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def descendants(pid: int) -> list[int]:
    """The processes below ``pid`` now, nearest first."""
    try:
        # A task's children are listed by the thread that started them.
        lists = [
            listed.read_text(encoding="utf-8").split()
            for listed in Path(f"/proc/{pid}/task").glob("*/children")
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []
    below = [int(child) for children in lists for child in children]
    return below + [deeper for child in below for deeper in descendants(child)]


class Running:
    """A started process. ``stdout`` and ``stderr`` are files, so nothing fills up."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.stdout = folder / "stdout.txt"
        self.stderr = folder / "stderr.txt"
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={**(os.environ if env is None else env), "HOME": str(folder)},
            )
        self._command = command

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def output(self) -> str:
        """All it has said so far."""
        return self.stdout.read_text("utf-8", "replace") + self.stderr.read_text(
            "utf-8", "replace"
        )

    def failed(self, what: str) -> ProcessFailedError:
        """The error that says ``what`` and the last words of the process."""
        said = "\n".join(self.output().splitlines()[-30:])
        name = " ".join(self._command[:4])
        return ProcessFailedError(f"{name}: {what} (status {self.status}):\n{said}")

    def wait_until(self, seen: Callable[[], T | None], within: float) -> T:
        """What ``seen`` returns once it is true. For fixtures outside of trio."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if found := seen():
                return found
            if self.status is not None:
                raise self.failed("ended while it was awaited")
            time.sleep(0.05)
        raise self.failed(f"not there after {within} s")

    async def seen(self, what: Callable[[], bool], within: float) -> None:
        """Wait until ``what`` is true, with the loop free for others."""
        with trio.move_on_after(within):
            while True:
                if what():
                    return
                await trio.sleep(0.1)
        raise self.failed(f"not so within {within} s")

    def terminate(self) -> None:
        """Ask it to end; returns at once."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, within: float) -> int:
        """The exit status; blocks."""
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise self.failed(f"still runs after {within} s") from None

    async def ended(self, within: float) -> int:
        """The exit status, awaited."""
        with trio.move_on_after(within):
            while True:
                if (status := self.status) is not None:
                    return status
                await trio.sleep(0.02)
        raise self.failed(f"still runs after {within} s")

    def end(self, within: float = 5.0) -> None:
        """End it whatever it does, and everything below it."""
        below = descendants(self.pid)
        if self.status is None:
            self.terminate()
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in filter(is_alive, below):
            os.kill(pid, signal.SIGKILL)
