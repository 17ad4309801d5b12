"""The official conformance runner against a server, and what it found."""

import re
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
_LISTED = re.compile(r"^  - ([\w-]+)$", re.MULTILINE)


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
    runner = Running(node(CONFORMANCE, *args), folder)
    try:
        await runner.ended(_WITHIN)
    finally:
        runner.end()
    return runner


async def required_scenarios(folder: Path) -> list[str]:
    """The server scenarios the revision requires (the runner lists them first)."""
    listed = await _run(folder, "list", "--server", "--requirements", REVISION)
    required, _, _ = listed.stdout.read_text("utf-8").partition("Run and reported")
    servers, _, _ = required.partition("Client scenarios")
    return _LISTED.findall(servers)


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
