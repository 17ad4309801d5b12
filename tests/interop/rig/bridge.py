"""The bridge as a user runs it: ``python -m bridge serve --config FILE``."""

import json
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx

from interop.rig.process import Running, free_port

# What a bridge of the person who runs the tests would listen to must not leak in.
_OURS = ("OAUTH_", "MCP_", "BRIDGE_", "FOXXY_")
_READY_WITHIN = 60.0  # npm servers start slowly on two busy cores
_ENDED_WITHIN = 45.0  # more than the default drain deadline of 30 s

Json = dict[str, Any]

#: Keeps the coverage tracer out of a bridge whose speed is the subject of a test.
UNTRACED = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}


class RunningBridge:
    """A bridge that serves. ``url`` has no slash at its end."""

    def __init__(self, process: Running, port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def events(self, name: str | None = None) -> list[Json]:
        """The JSON events logged so far, all or those of one name."""
        lines = self.process.output().splitlines()
        events = [
            cast("Json", json.loads(line)) for line in lines if line.startswith("{")
        ]
        return [event for event in events if name in {None, event.get("event")}]

    def wait_until_ready(self, within: float = _READY_WITHIN) -> None:
        """Block until ``/health``, then ``/readyz`` answer 200."""
        self._wait_until_ok("/health", "/readyz", within=within)

    def wait_until_alive(self, within: float = _READY_WITHIN) -> None:
        """Block until ``/health`` answers 200: without keys it is never ready."""
        self._wait_until_ok("/health", within=within)

    def _wait_until_ok(self, *paths: str, within: float) -> None:
        for path in paths:
            url = self.url + path
            self.process.wait_until(lambda url=url: _is_ok(url), within)

    def stop(self, within: float = _ENDED_WITHIN) -> None:
        """SIGTERM; the bridge must end in time with status 0."""
        self.process.terminate()
        if self.process.wait(within) != 0:
            raise self.process.failed("did not stop cleanly")


def _is_ok(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _prepare(config: Mapping[str, Any], folder: Path, port: int) -> Path:
    section = {
        "configReload": {"enabled": False},
        "logFormat": "json",
        **config.get("bridge", {}),
        "port": port,
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps({**config, "bridge": section}), encoding="utf-8")
    return file


def _environment(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    return {**kept, "BRIDGE_HOME": str(folder / "home"), **extra}


def start_bridge(
    config: Mapping[str, Any],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    within: Sequence[str] = (),
) -> RunningBridge:
    """Start a bridge on a free port and return at once.

    ``within`` is the command that starts it, such as one that sets limits first.
    """
    port = free_port()
    file = _prepare(config, folder, port)
    serve = [sys.executable, "-m", "bridge", "serve", "--config", str(file), *args]
    command = [*within, *serve]
    process = Running(command, folder, env=_environment(folder, env or {}))
    return RunningBridge(process, port)


@contextmanager
def running_bridge(
    config: Mapping[str, Any],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    within: Sequence[str] = (),
    ready: bool = True,
) -> Generator[RunningBridge]:
    """A ready bridge, or one that lives; it must stop on SIGTERM with status 0.

    Start and stop block, also inside a trio test: nothing else runs then.
    """
    bridge = start_bridge(config, folder, env=env, args=args, within=within)
    try:
        if ready:
            bridge.wait_until_ready()
        else:
            bridge.wait_until_alive()
        yield bridge
        bridge.stop()
    except Exception as error:
        error.add_note(bridge.process.output()[-4000:])
        raise
    finally:
        bridge.process.end(1.0)
