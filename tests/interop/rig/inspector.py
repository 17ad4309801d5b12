"""The MCP Inspector's command line as a client of the bridge."""

import json
from pathlib import Path
from typing import Any, Literal, cast

from interop.rig.places import INSPECTOR, node
from interop.rig.process import Running


class Inspector:
    """Runs ``inspector --cli`` with a home of its own, never an interactive log-in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0

    async def ask(
        self, url: str, token: str, *, kind: Literal["sse", "http"], method: list[str]
    ) -> dict[str, Any]:
        """The result of one method, as the Inspector prints it."""
        run = await self.run(url, token, kind=kind, method=method)
        if run.status != 0:
            raise run.failed("the Inspector failed")
        printed = json.loads(run.stdout.read_text("utf-8"))
        return cast("dict[str, Any]", printed["result"])

    async def run(
        self, url: str, token: str, *, kind: Literal["sse", "http"], method: list[str]
    ) -> Running:
        """One finished run, whatever came of it."""
        self._runs += 1
        header = ["--header", f"Authorization: Bearer {token}"] if token else []
        options = ["--format", "json", "--quiet", "--stored-auth-only", *header]
        target = ["--transport", kind, "--server-url", url]
        command = node(INSPECTOR, "--cli", *target, *options, "--method", *method)
        running = Running(command, self._folder / str(self._runs))
        try:
            await running.ended(60)
        finally:
            running.end()
        return running
