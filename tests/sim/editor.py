"""Somebody edits the configuration of the running bridge, at any moment."""

import random

import trio
import trio.testing

from bridge.config.diff import Difference
from bridge.config.model import Config
from bridge.router.dispatch import BridgeStopping
from sim.life import Life
from sim.scenario import UPSTREAMS
from sim.settings import EDITS, edited
from sim.trace import Trace
from sim.visit import Stage

#: A reload returns at once; only one before it is waited for.
WITHIN = 1.0


class Editor:
    """Edits and reloads; what did not change must not be touched by it."""

    def __init__(
        self, base: Config, *, stage: Stage, trace: Trace, rng: random.Random
    ) -> None:
        self._base = base
        self._stage = stage
        self._trace = trace
        self._rng = rng

    async def edit(self, life: Life) -> None:
        """One to three edits at once, then a reload."""
        config = life.config
        for _ in range(self._rng.choice([1, 1, 2, 3])):
            edit = EDITS.draw(self._rng)
            self._trace.fault("editor", edit)
            config = edited(config, edit, self._rng)
        await self.apply(life, config)

    async def restore(self, life: Life) -> None:
        """The file says again what it said in the beginning."""
        await self.apply(life, self._base)

    async def add(self, life: Life) -> None:
        """One more upstream, in quiet."""
        await self.apply(life, edited(life.config, "reload adds", self._rng))

    async def apply(self, life: Life, config: Config) -> None:
        before = {name: life.made(name) for name in UPSTREAMS}
        life.config = config
        try:
            with trio.move_on_after(WITHIN) as scope:
                difference = await life.bridge.reload(config)
                await trio.lowlevel.checkpoint()  # whoever it started has begun
                await trio.testing.wait_all_tasks_blocked()
                self._check_untouched(life, difference, before)
        except BridgeStopping:
            self._trace.note("editor", "the bridge is stopping")
            if not self._stage.stopping:
                self._trace.breach("reload", "refused by a bridge that runs")
            return
        if scope.cancelled_caught and not (self._stage.stopping or life.host.dead):
            self._trace.breach("reload", f"took more than {WITHIN} s")

    def _check_untouched(
        self, life: Life, difference: Difference, before: dict[str, int]
    ) -> None:
        self._trace.counts["reloads"] += 1
        for name in difference.unchanged:
            if life.made(name) != before.get(name, life.made(name)):
                self._trace.breach("reload", f"{name} did not change and was restarted")
