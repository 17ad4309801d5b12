"""What a figure was measured on, and what the kernel says of a process."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_TICK = os.sysconf("SC_CLK_TCK")
_LIBRARIES = ("trio", "hypercorn", "h11", "httpx", "msgspec", "structlog", "mcp")

CPUS = sorted(os.sched_getaffinity(0))
#: What is measured has a processor of its own where there are two.
MEASURED, BESIDE = (CPUS[0], CPUS[1]) if len(CPUS) > 1 else (-1, -1)


def describe() -> Json:
    """Machine, versions, revision: what to know beside every figure."""
    return {
        "cpu": _cpu_model(),
        "cpus": len(CPUS),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "revision": _revision(),
    }


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICK


def resident_kb(pid: int) -> int:
    """Resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise LookupError(pid)


def children(pid: int) -> list[int]:
    """The processes started by ``pid`` that still run."""
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in listed for child in each.read_text().split()]


def _stat(pid: int) -> list[str]:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return stat.rpartition(")")[2].split()


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in info if "model name" in line]
    return models[0] if models else platform.machine()


def _revision() -> str:
    """The commit measured; a plus when files differ from it."""
    folder = Path(__file__).parent
    head = _git("rev-parse", "--short", "HEAD", cwd=folder)
    changed = _git("status", "--porcelain", "--", "../../src", cwd=folder)
    return head + ("+" if changed else "")


def _git(*words: str, cwd: Path) -> str:
    done = subprocess.run(
        ["git", *words],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def program(name: str) -> list[str]:
    """The command that runs one of ``rig/programs``."""
    return [sys.executable, str(Path(__file__).parent / "programs" / f"{name}.py")]
