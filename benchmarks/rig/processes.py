"""Starts what is measured and what stands beside it; ends what it started."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .machine import BESIDE, MEASURED, program

Json = dict[str, Any]
T = TypeVar("T")

START_WITHIN = 60.0
STOP_WITHIN = 20.0
_OURS = ("OAUTH_", "MCP_", "BRIDGE_", "FOXXY_")


class Process:
    """A running program whose output goes to a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cpu: int,
        folder: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.output = folder / f"{len(list(folder.iterdir()))}.log"
        pinned = ["taskset", "-c", str(cpu)] if cpu >= 0 else []
        with self.output.open("wb") as out:
            self._process = subprocess.Popen(
                [*pinned, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**_clean_environment(), **(env or {})},
            )
        self.pid = self._process.pid  # taskset becomes the command

    def wait_until(
        self, seen: Callable[[], T | None], within: float = START_WITHIN
    ) -> T:
        """What ``seen`` returns once it is true."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if found := seen():
                return found
            if self._process.poll() is not None:
                break
            time.sleep(0.002)
        said = self.output.read_text("utf-8", "replace")[-3000:]
        raise RuntimeError(f"{self._process.args}: not what was awaited:\n{said}")

    def events(self, name: str) -> list[Json]:
        """The events of this name in the log so far."""
        lines = self.output.read_text("utf-8", "replace").splitlines()
        named = f'"event":"{name}"'
        return [json.loads(x) for x in lines if named in x and x.endswith("}")]

    def end(self) -> None:
        """Ask it to end, then end it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(
    command: Sequence[str],
    *,
    folder: Path,
    cpu: int = MEASURED,
    port: int = 0,
    env: Mapping[str, str] | None = None,
) -> Generator[Process]:
    """A process; with ``port``, once it accepts connections there."""
    process = Process(command, cpu=cpu, folder=folder, env=env)
    try:
        if port:
            process.wait_until(lambda: accepts(port))
        yield process
    finally:
        process.end()


@contextmanager
def http_upstream(folder: Path) -> Generator[tuple[Process, int]]:
    """The echo server on HTTP, beside what is measured."""
    port = free_port()
    command = [*program("http_echo"), str(port), str(BESIDE)]
    with running(command, folder=folder, cpu=BESIDE, port=port) as process:
        yield process, port


def stdio_upstream(*more: str, cpu: int = BESIDE, **settings: object) -> Json:
    """An ``mcpServers`` entry of the echo server on stdio."""
    command = [*program("stdio_echo"), str(cpu), *more]
    return {"command": command[0], "args": command[1:], **settings}


@contextmanager
def scratch() -> Generator[Path]:
    """A folder for logs and configurations."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)


def free_port() -> int:
    """A port nobody listens to now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
