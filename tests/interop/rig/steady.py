"""The servers with a ledger (``servers/steady.py``), on stdio and on HTTP."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from interop.rig.places import SERVERS
from interop.rig.process import answers, descendants, free_port
from interop.rig.servers import Entry, stdio_entry


def steady_command(ledger: Path, *args: str) -> list[str]:
    """``-S -E`` halves its start."""
    script = str(SERVERS / "steady.py")
    return [sys.executable, "-S", "-E", script, str(ledger), *args]


def executions(ledger: Path) -> Counter[str]:
    """How often each marker was run."""
    if not ledger.exists():
        return Counter()
    return Counter(ledger.read_text("utf-8").splitlines())


def steady_entry(ledger: Path, *args: str, **more: object) -> Entry:
    """The entry of one on stdio."""
    return stdio_entry(steady_command(ledger, *args), **more)


def children_with(parent: int, word: str) -> list[int]:
    """The processes below ``parent`` whose command has ``word`` in it."""
    return [pid for pid in descendants(parent) if word in _command(pid)]


def _command(pid: int) -> list[str]:
    try:
        said = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode("utf-8", "replace") for part in said.split(b"\0")]


def kill_children_with(parent: int, word: str) -> int:
    """SIGKILL; how many there were."""
    killed = 0
    for pid in children_with(parent, word):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed += 1
    return killed


class SteadyHttp:
    """One on HTTP, which may be killed and started again on its port."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def entry(self, **more: object) -> Entry:
        url = f"http://127.0.0.1:{self.port}/mcp"
        return {"url": url, "transport": "streamablehttp", **more}

    def start(self) -> None:
        """Returns at once; see `wait`."""
        command: Sequence[str] = steady_command(self._ledger, "--http", str(self.port))
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait(self, within: float = 20) -> None:
        """Until it listens."""
        deadline = time.monotonic() + within
        while not answers(self.port):
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL; it is reaped. Silent when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
