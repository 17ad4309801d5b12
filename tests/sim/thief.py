"""Somebody with a good token of their own, who tries the sessions of others."""

import random

import trio

from kit.browser import Headers
from sim.transports import encoded
from sim.visit import JSON, LOST, Stage

#: Never authority: a session of another principal does not exist for you (A32).
REFUSALS = frozenset({400, 401, 403, 404, 503})


class Thief:
    """Knows session ids of others; nothing of theirs may open, nothing may run."""

    def __init__(
        self, name: str, *, stage: Stage, rng: random.Random, token: str
    ) -> None:
        self._name = name
        self._stage = stage
        self._rng = rng
        self._headers: Headers = (*JSON, ("authorization", f"Bearer {token}"))
        self._number = 0

    async def live(self) -> None:
        """Try a few."""
        for _ in range(6):
            await trio.sleep(self._rng.expovariate(1))
            if not self._stage.session_ids:
                continue
            try:
                await self._try(self._rng.choice(self._stage.session_ids))
            except LOST:
                self._stage.trace.note(self._name, "connection lost")

    async def _try(self, session_id: str) -> None:
        self._number += 1
        marker = f"{self._name}.{self._number}"
        self._stage.ledger.forbid(marker)
        params = {"name": "files__echo", "arguments": {"marker": marker}}
        call = encoded({"id": 2, "method": "tools/call", "params": params})
        session = ("mcp-session-id", session_id)
        method, path, body = self._rng.choice(
            [
                ("POST", "/mcp", call),
                ("GET", "/mcp", b""),
                ("DELETE", "/mcp", b""),
                ("POST", f"/messages?session_id={session_id}", call),
            ]
        )
        accept = ("accept", "application/json, text/event-stream")
        headers = (*self._headers, session, accept)
        async with self._stage.connection() as browser:
            await browser.send(method, path, headers=headers, body=body)
            status = (await browser.head()).status
        self._stage.trace.fault(self._name, "session of another")
        if status not in REFUSALS:
            what = f"{method} {path[:9]} with another's session answered {status}"
            self._stage.trace.breach("guard", what)
