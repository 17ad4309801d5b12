"""Somebody without a valid token, who tries every door."""

import random

import trio

from sim.door import SimulatedDoor
from sim.transports import encoded
from sim.visit import HELLO, JSON, LOST, Stage

REFUSALS = frozenset({401, 503})


class Intruder:
    """Knocks with bad tokens; nothing may open, nothing may run."""

    def __init__(
        self, name: str, *, stage: Stage, rng: random.Random, door: SimulatedDoor
    ) -> None:
        self._name = name
        self._stage = stage
        self._rng = rng
        self._bad = door.bad_tokens("intruder")
        self._number = 0

    async def live(self) -> None:
        """Knock a few times."""
        for _ in range(6):
            await trio.sleep(self._rng.expovariate(1))
            try:
                await self._knock()
            except LOST:
                self._stage.trace.note(self._name, "connection lost")

    async def _knock(self) -> None:
        self._number += 1
        marker = f"{self._name}.{self._number}"
        self._stage.ledger.forbid(marker)
        token = self._rng.choice(self._bad)
        headers = () if token is None else (("authorization", f"Bearer {token}"),)
        method, path, body = self._rng.choice(
            [
                ("GET", "/sse", b""),
                ("GET", "/mcp", b""),
                ("GET", "/status", b""),
                (
                    "POST",
                    "/mcp",
                    encoded({"id": 1, "method": "initialize", "params": HELLO}),
                ),
                ("POST", "/mcp", _call(marker)),
                ("POST", "/messages?session_id=guessed", _call(marker)),
            ]
        )
        async with self._stage.connection() as browser:
            await browser.send(method, path, headers=(*JSON, *headers), body=body)
            status = (await browser.head()).status
        self._stage.trace.fault(self._name, "bad token")
        self._stage.trace.note(self._name, f"{method} {path}: {status}")
        if status not in REFUSALS:
            self._stage.trace.breach("guard", f"{method} {path} answered {status}")


def _call(marker: str) -> bytes:
    params = {"name": "files__echo", "arguments": {"marker": marker}}
    return encoded({"id": 2, "method": "tools/call", "params": params})
