"""Starts and ends: imports, an idle bridge, slow upstreams, one that is killed."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from rig.bridge import Bridge, running_bridge
from rig.load import report
from rig.machine import children, describe, resident_kb
from rig.processes import scratch, stdio_upstream

Json = dict[str, Any]

UPSTREAMS = 50
DELAY = "0.3"
STARTS = 3
KILLS = 6
#: The backoff doubles with each kill, so it begins small and never turns slow.
BACKOFF = {"restartDelay": 50, "maxRestartAttempts": 2 * KILLS}
ANY_CPU = -1  # starting is work for the whole machine
IMPORTS = 5
_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18"},
}


def importing() -> Json:
    """Processor time of importing what ``serve`` needs, less a bare interpreter's."""
    bare = min(_cpu_of("pass") for _ in range(IMPORTS))
    whole = min(_cpu_of("import bridge.cli.serve") for _ in range(IMPORTS))
    return {"cpu_ms": round((whole - bare) * 1e3), "python_cpu_ms": round(bare * 1e3)}


def _cpu_of(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def idle(folder: Path) -> Json:
    """Memory of a bridge that has nothing to do, and of one with many upstreams."""
    sizes: list[int] = []
    for count in (1, UPSTREAMS):
        servers = {f"s{number}": _entry() for number in range(count)}
        with running_bridge(servers, folder, issuer=None, cpu=ANY_CPU) as bridge:
            time.sleep(1.0)
            sizes.append(resident_kb(bridge.pid))
    per_upstream = (sizes[1] - sizes[0]) / (UPSTREAMS - 1)
    return {
        "mb_with_1_upstream": round(sizes[0] / 1024, 1),
        "kb_per_upstream_more": round(per_upstream, 1),
    }


def starting(folder: Path) -> Json:
    """Fifty upstreams that start slowly, with and without a bridge before them.

    In turns, the best of each: a busy neighbour only ever makes a start slower.
    """
    alone: list[float] = []
    ready: list[float] = []
    for _ in range(STARTS):
        alone.append(_slowest_alone())
        ready.append(_seconds_to_ready(folder))
    return {
        "upstreams": UPSTREAMS,
        "slowest_without_bridge_s": round(min(alone), 3),
        "ready_s": round(min(ready), 3),
        "ready_to_slowest": round(min(ready) / min(alone), 2),
    }


def _seconds_to_ready(folder: Path) -> float:
    servers = {f"s{number}": _entry(DELAY) for number in range(UPSTREAMS)}
    with running_bridge(servers, folder, issuer=None, cpu=ANY_CPU) as bridge:
        (ready,) = bridge.process.events("bridge.ready")
    return float(ready["seconds"])


def recovering(folder: Path) -> Json:
    """Killed upstreams: from the signal to ready again, less the backoff drawn."""
    entry = _entry(healthCheck=BACKOFF)
    with running_bridge({"s": entry}, folder, issuer=None, cpu=ANY_CPU) as bridge:
        took = [_one_kill(bridge) for _ in range(KILLS)]
    return {
        "kills": KILLS,
        "s_without_backoff": round(median(took), 3),
        "worst_s": round(max(took), 3),
        "server_alone_s": round(median(_answers_after() for _ in range(KILLS)), 3),
    }


def _one_kill(bridge: Bridge) -> float:
    log = bridge.process
    before = len(_readies(log.events("upstream.state_changed")))
    began = time.time()
    os.kill(children(bridge.pid)[0], signal.SIGKILL)
    log.wait_until(lambda: len(_readies(log.events("upstream.state_changed"))) > before)
    changes = log.events("upstream.state_changed")
    (pause,) = [c["retry_in"] for c in changes if c["to"] == "backing_off"][-1:]
    ready = datetime.fromisoformat(_readies(changes)[-1]["time"]).timestamp()
    return ready - began - pause


def _readies(changes: list[Json]) -> list[Json]:
    return [change for change in changes if change["to"] == "ready"]


def _slowest_alone() -> float:
    """All servers at once, each asked only for its handshake."""
    began = time.perf_counter()
    servers = [_started(DELAY) for _ in range(UPSTREAMS)]
    for server in servers:
        _hear(server)
    took = time.perf_counter() - began
    for server in servers:
        server.communicate()
    return took


def _answers_after() -> float:
    began = time.perf_counter()
    server = _started()
    _hear(server)
    took = time.perf_counter() - began
    server.communicate()
    return took


def _started(*more: str) -> subprocess.Popen[bytes]:
    entry = _entry(*more)
    server = subprocess.Popen(
        [entry["command"], *entry["args"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None
    server.stdin.write(json.dumps(_HELLO).encode() + b"\n")
    server.stdin.flush()
    return server


def _hear(server: subprocess.Popen[bytes]) -> None:
    assert server.stdout is not None
    if b"result" not in server.stdout.readline():
        raise RuntimeError("the server did not answer")


def _entry(*more: str, **settings: object) -> Json:
    return stdio_upstream(*more, cpu=ANY_CPU, **settings)


def main() -> None:
    with scratch() as folder:
        result: Json = {
            "machine": describe(),
            "import": importing(),
            "idle": idle(folder),
            "start": starting(folder),
            "recovery": recovering(folder),
        }
    report("lifecycle", result)


if __name__ == "__main__":
    main()
