"""Bridges that start in a tenth of a second, for tests that need hundreds of them.

A server process imports the whole program once; each bridge is a fork of it that then
does what ``bridge serve`` does, with folder, environment and output of its own.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from interop.rig.process import ProcessFailedError

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["bridge.cli.main", "bridge.cli.serve", "bridge.app", __name__]
)


class ForkedBridge:
    """A running ``bridge serve``; what it says is added to ``folder/output.txt``."""

    def __init__(
        self, config: Path, folder: Path, *, env: Mapping[str, str], args: list[str]
    ) -> None:
        words = ["bridge", "serve", "--config", str(config), *args]
        self._process: ForkServerProcess = _context.Process(
            target=_serve, args=(words, folder, dict(env)), daemon=True
        )
        self._process.start()

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.exitcode

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL; it must have been alive until then."""
        self._process.kill()
        self._ended(-signal.SIGKILL)

    def end(self) -> None:
        """End it, whatever it does and whether it has ended already."""
        self._process.kill()
        self._process.join(10)

    def stop(self) -> None:
        """SIGTERM; it must end with status 0."""
        self._process.terminate()
        self._ended(0)

    def _ended(self, status: int) -> None:
        self._process.join(40)
        ended = self._process.exitcode
        if ended != status:
            self._process.kill()
            raise ProcessFailedError(f"it ended with {ended}, not with {status}")


def _serve(words: list[str], folder: Path, env: dict[str, str]) -> None:
    from bridge.cli.main import main  # noqa: PLC0415 - only the forks need it

    with (folder / "output.txt").open("ab") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    _own_clock(Path(env.get("CLOCK_FILE", "")))
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = words
    main()


def _own_clock(ahead: Path) -> None:
    """A wall clock that can be set: by what the file says, once there is one."""
    from bridge.system import SystemClock  # noqa: PLC0415 - only the forks need it

    def now(self: SystemClock) -> float:
        shift = float(ahead.read_text("ascii")) if ahead.is_file() else 0.0
        return time.time() + shift

    SystemClock.now = now
