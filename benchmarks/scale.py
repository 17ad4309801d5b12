"""Whether more of something makes each call dearer: upstreams, clients."""

import argparse
from contextlib import ExitStack
from typing import Any

from msgspec.structs import replace
from rig.bridge import running_bridge
from rig.issuer import running_issuer
from rig.load import Figures, Load, Window, report, run, together
from rig.machine import describe
from rig.processes import scratch, stdio_upstream

Json = dict[str, Any]

FEW, MANY = "1 upstream, 32 clients", "50 upstreams, 32 clients"
CROWD = "1 upstream, 256 clients"
UPSTREAMS = 50


def loads(stack: ExitStack) -> dict[str, Load]:
    """Two bridges side by side; one has fifty upstreams and all of them get calls."""
    folder = stack.enter_context(scratch())
    issuer = stack.enter_context(running_issuer())
    found: dict[str, Load] = {}
    for name, count in ((FEW, 1), (MANY, UPSTREAMS)):
        servers = {f"s{number}": stdio_upstream() for number in range(count)}
        bridge = stack.enter_context(running_bridge(servers, folder, issuer=issuer))
        found[name] = Load(
            port=bridge.port,
            path="/mcp",
            tools=tuple(f"{server}__echo" for server in servers),
            token=bridge.token,
            pid=bridge.pid,
            clients=32,
        )
    found[CROWD] = replace(found[FEW], clients=256)
    return found


def measure(found: dict[str, Load], *, rounds: int) -> dict[str, Figures]:
    """All of them in turn, several times."""
    windows: dict[str, list[Window]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, load in found.items():
            windows[name].append(run(load))
    return {name: together(several) for name, several in windows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with ExitStack() as stack:
        figures = measure(loads(stack), rounds=asked.rounds)
        machine = describe()
    few, many, crowd = figures[FEW], figures[MANY], figures[CROWD]
    result: Json = {
        "machine": machine,
        "cpu_us": {name: round(each.cpu_us) for name, each in figures.items()},
        "cpu_50_upstreams_to_1": round(many.cpu_us / few.cpu_us, 3),
        "cpu_256_clients_to_32": round(crowd.cpu_us / few.cpu_us, 3),
        "calls_per_second_256_clients_to_32": round(
            crowd.per_second / few.per_second, 3
        ),
    }
    report("scale", result)


if __name__ == "__main__":
    main()
