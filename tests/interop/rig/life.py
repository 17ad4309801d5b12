"""One life of a bridge after the other: started by a fork, ended by a signal."""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import trio

from interop.rig.forked import ForkedBridge
from interop.rig.process import answers, free_port, is_alive

Json = dict[str, Any]


class Life:
    """A home with a configuration, and the bridge that lives there now."""

    def __init__(self, servers: Mapping[str, Any], folder: Path, **bridge: Any) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.home = folder / "home"
        self.file = folder / "config.json"
        #: What its wall clock is ahead of the machine's, in seconds, as text.
        self.clock = folder / "clock.txt"
        self.browser = "true"  # opens nothing, and says it did
        self.port = free_port()
        section = {"port": self.port, "oauth_port": free_port(), "logFormat": "json"}
        self.config: Json = {
            "mcpServers": dict(servers),
            "bridge": {**section, "configReload": {"enabled": False}, **bridge},
        }
        self.write()
        self._forked: ForkedBridge | None = None
        self._before = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write(self) -> None:
        """Put the configuration into its file."""
        self.file.write_text(json.dumps(self.config), encoding="utf-8")

    def start(self) -> None:
        """Fork a bridge; returns at once."""
        self._before = len(self.output())
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "BRIDGE_HOME": str(self.home),
            "BROWSER": self.browser,
            "CLOCK_FILE": str(self.clock),
        }
        self._forked = ForkedBridge(self.file, self.folder, env=env, args=["--no-auth"])

    @property
    def pid(self) -> int:
        assert self._forked
        return self._forked.pid

    @property
    def status(self) -> int | None:
        assert self._forked
        return self._forked.status

    def send(self, number: signal.Signals) -> None:
        """A signal, if it still runs."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def takes(self, number: signal.Signals) -> bool:
        """Whether the program has a handler for this signal by now."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        except OSError:
            return False
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (number - 1) & 1)

    def output(self) -> str:
        """All that its bridges have said."""
        file = self.folder / "output.txt"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def events(self, name: str) -> list[Json]:
        """What its bridges have logged of this name."""
        return _events(self.output(), name)

    def events_now(self, name: str) -> list[Json]:
        """What the bridge that runs now has."""
        return _events(self.output()[self._before :], name)

    async def until(self, seen: Callable[[], object], within: float = 30) -> None:
        """Wait for what the running bridge shall do."""
        with trio.move_on_after(within):
            while not seen():
                assert self.status is None, self.output()[-4000:]
                await trio.sleep(0.005)
            return
        raise AssertionError(f"not so within {within} s:\n{self.output()[-4000:]}")

    async def ready(self, upstreams: int = 0) -> None:
        """Until the bridge has connected what it can, which shall be no fewer."""
        await self.until(lambda: self.events_now("bridge.ready"))
        [ready] = self.events_now("bridge.ready")
        assert ready["upstreams"] >= upstreams, ready

    async def ended(self, within: float) -> float:
        """Seconds until it has ended; waits no longer than ``within``."""
        began = time.monotonic()
        with trio.move_on_after(within):
            while self.status is None:  # noqa: ASYNC110 - another process
                await trio.sleep(0.01)
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL; it must have run until then."""
        assert self._forked
        self._forked.kill()

    def left_behind(self) -> list[int]:
        """Processes with the name of this folder in their command."""
        return processes_with(str(self.folder))

    def end(self) -> None:
        """Leave nothing of it, whatever it did."""
        if self._forked:
            self._forked.end()
        for pid in self.left_behind():
            os.kill(pid, signal.SIGKILL)

    def listens(self) -> bool:
        return answers(self.port)


def _events(output: str, name: str) -> list[Json]:
    # A bridge that was killed may have left half a line.
    lines = [line for line in output.splitlines() if line[:1] + line[-1:] == "{}"]
    events = [cast("Json", json.loads(line)) for line in lines]
    return [event for event in events if event["event"] == name]


def processes_with(text: str) -> list[int]:
    """The processes that run with ``text`` in their command."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or entry.name == str(os.getpid()):
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command and is_alive(int(entry.name)):
            found.append(int(entry.name))
    return found
