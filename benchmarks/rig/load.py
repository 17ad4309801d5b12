"""Runs the load generator against one server and reads its figures."""

import json
import subprocess
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any, Literal

import msgspec

from .machine import BESIDE, program

Json = dict[str, Any]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What `programs/load.py` is told. ``pid`` is the process whose time counts; the
    clients take the tools in turn."""

    port: int
    path: str
    tools: tuple[str, ...]
    pid: int
    transport: Literal["mcp", "sse"] = "mcp"
    token: str = ""
    size: int = 1024
    clients: int = 1
    seconds: float = 1.5
    warm_up: float = 0.3


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it, in microseconds. ``slices_us``: processor time per call."""

    calls: int
    per_second: float
    p50_us: float
    p99_us: float
    slices_us: tuple[float, ...]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Several windows of one load together."""

    calls: int
    cpu_us: float  # lower quartile of all slices
    per_second: float
    p50_us: float
    p99_us: float


def together(windows: Sequence[Window]) -> Figures:
    """Processor time by its lower quartile, everything else by its median."""
    slices = [each for window in windows for each in window.slices_us]
    return Figures(
        calls=sum(each.calls for each in windows),
        cpu_us=quantiles(slices, n=4)[0],
        per_second=median(each.per_second for each in windows),
        p50_us=median(each.p50_us for each in windows),
        p99_us=median(each.p99_us for each in windows),
    )


def run(load: Load) -> Window:
    """One window of load. Raises when any call fails."""
    command = program("load")
    if BESIDE >= 0:
        command = ["taskset", "-c", str(BESIDE), *command]
    done = subprocess.run(
        command, input=msgspec.json.encode(load), capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-3000:])
    return msgspec.json.decode(done.stdout, type=Window)


def report(name: str, result: Json) -> None:
    """The one JSON document a benchmark prints."""
    print(json.dumps({"benchmark": name, **result}, indent=2))
