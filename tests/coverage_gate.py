"""Compares a coverage report with the gates in ``pyproject.toml``.

    coverage json -o report.json && python tests/coverage_gate.py report.json

``[tool.bridge.coverage]``: ``total`` for the whole, ``files`` from a pattern to what
each file it fits must reach. A pattern that fits nothing is a failure, so that a gate
cannot rot away unseen.
"""

import json
import sys
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent


def failures(
    percent: Mapping[str, float], *, total: float, gates: Mapping[str, float]
) -> list[str]:
    """What falls short. ``percent`` is by file, with ``total`` under the empty name."""
    short: list[str] = []
    if percent[""] < total:
        short.append(f"total: {percent['']:.2f} % of {total} %")
    for pattern, gate in gates.items():
        files = [name for name in percent if name and fnmatch(name, pattern)]
        if not files:
            short.append(f"{pattern}: fits no file")
        short += [
            f"{name}: {percent[name]:.2f} % of {gate} %"
            for name in files
            if percent[name] < gate
        ]
    return short


def read_percent(report: Path) -> dict[str, float]:
    """Percent covered by file of a JSON report; the empty name is the whole."""
    data = json.loads(report.read_text())
    files = {
        name: float(entry["summary"]["percent_covered"])
        for name, entry in data["files"].items()
    }
    return {"": float(data["totals"]["percent_covered"]), **files}


def main(report: str) -> int:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    gate = settings["tool"]["bridge"]["coverage"]
    percent = read_percent(Path(report))
    short = failures(percent, total=gate["total"], gates=gate["files"])
    for line in short:
        print(f"coverage gate: {line}", file=sys.stderr)
    print(
        f"coverage {percent['']:.2f} %, {len(gate['files'])} gates, {len(short)} failed"
    )
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
