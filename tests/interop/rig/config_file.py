"""The configuration file of a running bridge, edited as people and programs do it."""

import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import trio

from bridge.cli.control_client import ControlClient
from bridge.cli.socket_file import socket_path
from interop.rig.bridge import RunningBridge

Json = dict[str, Any]
Write = Callable[[Path, str], None]
HUP_BIT = 1 << (signal.SIGHUP - 1)


class ConfigFile:
    """``<folder>/config.json`` of a bridge started there."""

    def __init__(self, bridge: RunningBridge, folder: Path) -> None:
        self.bridge = bridge
        self.path = folder / "config.json"
        started = cast("Json", json.loads(self.path.read_text("utf-8")))
        self.section: Json = started["bridge"]
        self._control = ControlClient(socket_path(folder / "home", bridge.port))

    def text(self, servers: Mapping[str, Any], **section: object) -> str:
        """A file with these servers and the bridge's own section, or more of it."""
        both = {"mcpServers": servers, "bridge": {**self.section, **section}}
        return json.dumps(both)

    def hang_up(self) -> None:
        os.kill(self.bridge.process.pid, signal.SIGHUP)

    async def reload(self) -> Json:
        """`bridge reload` without its process."""
        said = await self._control.ask("POST", "/config/reload", deadline=60)
        return cast("Json", json.loads(said))

    async def seen(self, event: str, times: int, within: float = 20.0) -> None:
        """Wait until the bridge has logged ``event`` so often."""
        with trio.fail_after(within):
            while len(self.bridge.events(event)) < times:  # noqa: ASYNC110 - a log file
                await trio.sleep(0.05)


def in_place(path: Path, text: str) -> None:
    """As `echo ... > file` does, in two writes."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text[:20])
        file.flush()
        file.write(text[20:])


def renamed_over(path: Path, text: str) -> None:
    """As careful programs do."""
    new = path.with_name("new.json")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def through_a_backup(path: Path, text: str) -> None:
    """As editors do."""
    path.replace(path.with_name("config.json~"))
    path.write_text(text, encoding="utf-8")


def removed_and_made_again(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text, encoding="utf-8")


def mounted(path: Path, text: str) -> None:
    """As Kubernetes changes a config map: another folder, then one link is swapped."""
    link = path.with_name("..data")
    number = len(list(path.parent.glob("..data_*")))
    version = path.with_name(f"..data_{number}")
    version.mkdir()
    (version / "config.json").write_text(text, encoding="utf-8")
    swap = path.with_name("..swap")
    swap.symlink_to(version.name)
    swap.replace(link)
    if not path.is_symlink():
        path.unlink()
        path.symlink_to("..data/config.json")


def takes_hangups(pid: int) -> bool:
    """Whether a process has a handler for SIGHUP."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & HUP_BIT)
