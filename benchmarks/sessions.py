"""A thousand idle sessions: their memory, how fast they open, how they hear news."""

import argparse
import os
import resource
import time
from collections.abc import Callable
from socket import socket
from statistics import median
from typing import Any, TypeVar

from rig.bridge import Bridge, running_bridge
from rig.issuer import running_issuer
from rig.load import report
from rig.machine import BESIDE, cpu_seconds, describe, resident_kb
from rig.processes import scratch, stdio_upstream
from rig.session import Caller, seconds_until_all_hear

Json = dict[str, Any]
T = TypeVar("T")

CHANGED = b"notifications/tools/list_changed"
SETTLE = 1.0  # seconds for what opening left behind
WARM_UP = 50  # sessions opened before the first look at memory
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    count = parser.parse_args().sessions
    allow_files(4 * count)
    if BESIDE >= 0:
        os.sched_setaffinity(0, {BESIDE})
    with (
        scratch() as folder,
        running_issuer() as issuer,
        running_bridge({"s": stdio_upstream()}, folder, issuer=issuer) as bridge,
    ):
        caller = Caller(bridge.port, bridge.token)
        caller.open_mcp()
        held = [caller.open_sse() for _ in range(WARM_UP)]
        on_mcp, _ = opened(bridge, count, caller.open_mcp)
        on_sse, streams = opened(bridge, count, caller.open_sse)
        news = fan_out(bridge, caller, [*held, *streams])
        result = {"machine": describe(), "sessions": count, "list_changed": news}
        report("sessions", {**result, "/mcp idle": on_mcp, "/sse idle": on_sse})


def allow_files(number: int) -> None:
    """More open files for this process and the bridge it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))


def opened(
    bridge: Bridge, count: int, open_one: Callable[[], T]
) -> tuple[Json, list[T]]:
    """Open sessions one after another; what each costs and keeps."""
    kept, spent = resident_kb(bridge.pid), cpu_seconds(bridge.pid)
    began = time.perf_counter()
    sessions = [open_one() for _ in range(count)]
    seconds = time.perf_counter() - began
    spent = cpu_seconds(bridge.pid) - spent
    time.sleep(SETTLE)
    figures = {
        "kb_per_session": round((resident_kb(bridge.pid) - kept) / count, 1),
        "seconds": round(seconds, 2),
        "cpu_us_per_session": round(spent / count * 1e6),
    }
    return figures, sessions


def fan_out(bridge: Bridge, caller: Caller, streams: list[socket]) -> Json:
    """The upstream says that its tools have changed; every stream must hear it."""
    session = caller.open_mcp()
    grow: Json = {"name": "s__grow", "arguments": {}}
    took: list[float] = []
    costs: list[float] = []
    for _ in range(ROUNDS):
        spent = cpu_seconds(bridge.pid)
        caller.request("/mcp", "tools/call", grow, session=session)
        took.append(seconds_until_all_hear(streams, CHANGED))
        costs.append((cpu_seconds(bridge.pid) - spent) / len(streams) * 1e6)
        time.sleep(SETTLE)
    return {
        "streams": len(streams),
        "seconds_until_all_heard": round(median(took), 3),
        "cpu_us_per_stream": round(median(costs)),
    }


if __name__ == "__main__":
    main()
