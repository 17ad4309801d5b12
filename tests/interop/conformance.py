"""The official conformance runner against a server or a client, and what it found."""

import json
import os
import re
import sys
from pathlib import Path

import msgspec

from interop.rig.places import CONFORMANCE, node
from interop.rig.process import Running

REVISION = "2025-11-25"
_WITHIN = 600.0
_SUMMARY = re.compile(
    r"^[✓✗] (?P<name>[\w-]+): (?P<passed>\d+) passed, (?P<failed>\d+) failed$",
    re.MULTILINE,
)
_LISTED = re.compile(r"^  - ([\w/-]+)$", re.MULTILINE)
_TESTS = Path(__file__).resolve().parents[1]
# The runner gives our client this long; a bridge on busy cores needs some of it.
_CLIENT_WITHIN_MS = 150_000


class Outcome(msgspec.Struct, frozen=True):
    """The checks of one scenario.

    The runner calls a scenario without any check a success; we do not.
    """

    passed: int
    failed: int

    @property
    def is_pass(self) -> bool:
        return self.passed > 0 and self.failed == 0


async def _run(folder: Path, *args: str) -> Running:
    # The client it starts is a module of ours.
    path = os.pathsep.join([str(_TESTS), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    runner = Running(node(CONFORMANCE, *args), folder, env=env)
    try:
        await runner.ended(_WITHIN)
    finally:
        runner.end()
    return runner


async def required_scenarios(folder: Path) -> list[str]:
    """The server scenarios the revision requires (the runner lists them first)."""
    return (await _required(folder))[0]


async def required_client_scenarios(folder: Path) -> list[str]:
    """The client scenarios the revision requires."""
    return (await _required(folder))[1]


async def _required(folder: Path) -> tuple[list[str], list[str]]:
    listed = await _run(folder, "list", "--requirements", REVISION)
    required, _, _ = listed.stdout.read_text("utf-8").partition("Run and reported")
    servers, _, clients = required.partition("Client scenarios")
    return _LISTED.findall(servers), _LISTED.findall(clients)


async def run_conformance(url: str, folder: Path) -> dict[str, Outcome]:
    """Each scenario's outcome against the server at ``url``, unscored ones too."""
    results = ["--output-dir", str(folder / "results")]
    runner = await _run(
        folder, "server", "--url", url, "--requirements", REVISION, *results
    )
    _, _, summary = runner.stdout.read_text("utf-8").partition("=== SUMMARY ===")
    outcomes = {
        found["name"]: Outcome(int(found["passed"]), int(found["failed"]))
        for found in _SUMMARY.finditer(summary)
    }
    if not outcomes:
        raise runner.failed("the conformance runner gave no summary")
    return outcomes


async def run_client_scenario(
    scenario: str, folder: Path, *options: str
) -> tuple[Outcome, str]:
    """The bridge as the client of one scenario; the words explain a failure."""
    command = f"{sys.executable} -m interop.conformance_client"
    runner = await _run(
        folder,
        *("client", "--scenario", scenario, "--command", command),
        *("--output-dir", str(folder / "results")),
        *("--timeout", str(_CLIENT_WITHIN_MS), *options),
    )
    results = list((folder / "results").rglob("checks.json"))
    if not results:
        raise runner.failed("the conformance runner left no result")
    checks = json.loads(results[0].read_text("utf-8"))
    counts = {
        status: sum(check["status"] == status for check in checks)
        for status in ("SUCCESS", "FAILURE", "WARNING")
    }
    # It also fails on a warning, a client that ran too long and one that failed.
    failed = counts["FAILURE"] + counts["WARNING"] + (runner.status != 0)
    return Outcome(counts["SUCCESS"], failed), runner.output()
