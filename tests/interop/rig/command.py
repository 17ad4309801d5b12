"""The command line as a script runs it: to its end, with status and output."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

_OURS = ("OAUTH_", "MCP_", "BRIDGE_", "FOXXY_")
_ENDED_WITHIN = 60.0


class Ended(msgspec.Struct, frozen=True):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """Standard error, line by line; a traceback fails the test."""
        assert "Traceback" not in self.out + self.err, self.err
        return self.err.splitlines()


def run_command(
    *words: str, folder: Path, env: Mapping[str, str] | None = None
) -> Ended:
    """Run ``bridge ...`` in ``folder`` with its home there; blocks until it ends."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    home = {"HOME": str(folder), "BRIDGE_HOME": str(folder / "home")}
    ended = subprocess.run(
        [sys.executable, "-m", "bridge", *words],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        timeout=_ENDED_WITHIN,
        env={**kept, **home, **(env or {})},
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)
