"""What one call costs: by way in, way out, size and number of clients.

For each cell the same load runs against the bridge, against a bridge made of the
Python SDK, and straight against the HTTP upstream, all in one run, in several rounds.
``cpu_us`` is processor time per call of the measured process (`rig.load.together`).
"""

import argparse
from collections import defaultdict
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from msgspec.structs import replace
from rig.bridge import running_bridge
from rig.issuer import running_issuer
from rig.load import Figures, Load, Window, report, run, together
from rig.machine import BESIDE, describe, program
from rig.processes import (
    free_port,
    http_upstream,
    running,
    scratch,
    stdio_upstream,
)

Json = dict[str, Any]
Targets = dict[str, Load]
Cell = tuple[str, int, int]

SIZES = (1024, 102_400)
CLIENTS = (1, 32)
DIRECT, SDK = "direct http", "sdk bridge"


@contextmanager
def targets() -> Generator[Targets]:
    """Everything that is compared, running at once; only one gets load at a time."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        issuer = stack.enter_context(running_issuer())
        upstream, at = stack.enter_context(http_upstream(folder))
        url = f"http://127.0.0.1:{at}/mcp"
        servers = {
            "s": stdio_upstream(),
            "h": {"url": url, "transport": "streamablehttp"},
        }
        bridge = stack.enter_context(running_bridge(servers, folder, issuer=issuer))
        sdk_port = free_port()
        stdio = [*program("stdio_echo"), str(BESIDE)]
        sdk = stack.enter_context(
            running(
                [*program("sdk_bridge"), str(sdk_port), *stdio],
                folder=folder,
                port=sdk_port,
                env={"UPSTREAM": url},
            )
        )
        found = {
            DIRECT: Load(port=at, path="/mcp", tools=("echo",), pid=upstream.pid),
        }
        for name, tool in (("stdio", "s__echo"), ("http", "h__echo")):
            for way in ("mcp", "sse"):
                found[f"/{way} to {name}"] = Load(
                    port=bridge.port,
                    path=f"/{way}",
                    transport=way,
                    tools=(tool,),
                    token=bridge.token,
                    pid=bridge.pid,
                )
            found[f"{SDK} to {name}"] = Load(
                port=sdk_port, path="/mcp", tools=(tool,), pid=sdk.pid
            )
        yield found


def measure(found: Targets, *, rounds: int, seconds: float) -> dict[Cell, Figures]:
    """The median figures of every cell. Targets take turns, so that all see the same
    machine."""
    windows: dict[Cell, list[Window]] = defaultdict(list)
    shapes = [(size, clients) for size in SIZES for clients in CLIENTS]
    for _ in range(rounds):
        for size, clients in shapes:
            for name, load in found.items():
                shaped = replace(load, size=size, clients=clients, seconds=seconds)
                windows[name, size, clients].append(run(shaped))
    return {cell: together(several) for cell, several in windows.items()}


def rows(figures: dict[Cell, Figures]) -> list[Json]:
    """Figures and ratios, one row per cell."""
    return [_row(cell, figures) for cell in figures]


def _row(cell: Cell, figures: dict[Cell, Figures]) -> Json:
    name, size, clients = cell
    own, direct = figures[cell], figures[DIRECT, size, clients]
    row: Json = {
        "target": name,
        "bytes": size,
        "clients": clients,
        "cpu_us": round(own.cpu_us),
        "p50_us": round(own.p50_us),
        "per_second": round(own.per_second),
    }
    if name != DIRECT:
        row["cpu_to_direct"] = _ratio(own.cpu_us, direct.cpu_us)
        row["p50_to_direct"] = _ratio(own.p50_us, direct.p50_us)
    if name.startswith("/"):
        sdk = figures[f"{SDK} to {name.split()[-1]}", size, clients]
        row["cpu_to_sdk"] = _ratio(own.cpu_us, sdk.cpu_us)
        row["p50_to_sdk"] = _ratio(own.p50_us, sdk.p50_us)
    return row


def _ratio(one: float, other: float) -> float:
    return round(one / other, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    asked = parser.parse_args()
    with targets() as found:
        machine = describe()
        figures = measure(found, rounds=asked.rounds, seconds=asked.seconds)
    report("calls", {"machine": machine, "rows": rows(figures)})


if __name__ == "__main__":
    main()
