"""Applies the configuration file to the running bridge: as a whole, or not at all.

Reloads are rounds of one task, one after the other. Whoever asks while a round runs
shares the next one: it reads the file then, so a burst of edits ends in the newest.
Nobody's leaving interrupts a round.
"""

from collections.abc import Awaitable, Callable
from itertools import cycle

import msgspec
import trio

from bridge.actor.child import ChildContext
from bridge.config import Config, Difference, Loaded, diff
from bridge.config.secrets import secrets_of
from bridge.contract.reload import Plan
from bridge.errors import BridgeError, ConfigError, Problem
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.reload.follower import Follower
from bridge.reload.plans import plan_of, refusal, sentences, unreadable
from bridge.reload.source import ConfigSource

#: Longer than a file may take to read and a server to be replaced; then whoever asked
#: is told that it still goes on.
PATIENCE = 150.0
#: Servers of replaced configurations finish their calls: the secrets of so many
#: configurations are hidden, twice over (`Log.hide` keeps what an owner had before).
_TAUGHT = 4


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the bridge whose configuration it is."""

    config: Callable[[], Config]
    draining: Callable[[], bool]
    apply: Callable[[Config], Awaitable[Difference]]


class _Round:
    """One reload to come, and all who wait for it."""

    def __init__(self) -> None:
        self.asked_for = False  # by a person, not only by a change of the file
        self.plan: Plan | None = None
        self.done = trio.Event()


class Reloader:
    """Implements `bridge.contract.reload.Reloading` over one source."""

    def __init__(self, source: ConfigSource, *, running: Running, log: Log) -> None:
        self._source = source
        self._running = running
        self._log = log
        self._next = _Round()
        self._wanted = trio.Event()
        self._restart_keys: tuple[str, ...] = ()  # told to need a restart
        self._owners = cycle(f"configuration {n}" for n in range(_TAUGHT))
        self._teach(running.config())
        self._follower = Follower(
            source,
            settings=lambda: running.config().bridge.config_reload,
            reload=self._file_changed,
            log=log,
        )

    async def run(self, context: ChildContext) -> None:
        """Do what is asked, and follow the file, until ``context.stopping``."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._work)
                nursery.start_soon(self._follower.run)
                context.started()
                await context.stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            waiting, self._next = self._next, _Round()
            self._wanted = trio.Event()
            self._end(waiting)

    async def plan(self) -> Plan:
        """What the file as it stands now would change."""
        return (await self._examine())[0]

    async def reload(self) -> Plan:
        """Apply the file, also where ``validateOnly`` or ``enabled`` hold back what
        a change of the file alone would do."""
        return await self._join(asked_for=True)

    async def _file_changed(self) -> None:
        await self._join(asked_for=False)

    async def _join(self, *, asked_for: bool) -> Plan:
        mine = self._next
        mine.asked_for |= asked_for
        self._wanted.set()
        with trio.move_on_after(PATIENCE):
            await mine.done.wait()
        return mine.plan or self._not_done("it still goes on; the log tells its end")

    async def _work(self) -> None:
        while True:
            await self._wanted.wait()
            mine, self._next = self._next, _Round()
            self._wanted = trio.Event()
            try:
                mine.plan = await self._perform(asked_for=mine.asked_for)
            finally:
                self._end(mine)

    def _end(self, ended: _Round) -> None:
        """Cut short, or a crash: nobody waits for an answer that never comes."""
        ended.plan = ended.plan or self._not_done("it was cut short; see the log")
        ended.done.set()

    async def _perform(self, *, asked_for: bool) -> Plan:
        plan, loaded = await self._examine()
        if loaded is None:
            return self._refused(plan)
        if self._running.draining():
            return self._refused(self._not_done("the bridge is stopping"))
        if self._is_known(plan):
            self._log.emit(events.BRIDGE_RELOAD_UNNEEDED, file=plan.file)
            return msgspec.structs.replace(plan, applied=True)
        if loaded.config.bridge.config_reload.validate_only and not asked_for:
            self._say(events.BRIDGE_RELOAD_CHECKED, plan)
            return plan
        return await self._apply(loaded)

    def _is_known(self, plan: Plan) -> bool:
        """Nothing is new but what has been said to need a restart."""
        rest = msgspec.structs.replace(plan, restart=())
        return rest.is_empty and plan.restart == self._restart_keys

    async def _examine(self) -> tuple[Plan, Loaded | None]:
        """The plan, and what it would apply; None where it must be refused."""
        file = self._source.name
        try:
            loaded = await self._source.load()
        except ConfigError as error:
            return unreadable(file, error), None
        if any(problem.fatal for problem in loaded.problems):
            return refusal(file, loaded.problems), None
        old, new = self._running.config(), loaded.config
        plan = plan_of(file, diff(old, new), old=old, new=new, problems=loaded.problems)
        return plan, loaded

    async def _apply(self, loaded: Loaded) -> Plan:
        old, new = self._running.config(), loaded.config
        # First of all: what is applied speaks to the log at once.
        self._teach(new)
        try:
            difference = await self._running.apply(new)
        except BridgeError as error:
            return self._refused(self._not_done(error.public))
        plan = plan_of(
            self._source.name,
            difference,
            old=old,
            new=new,
            problems=loaded.problems,
            applied=True,
        )
        for problem in loaded.problems:
            self._log.emit(
                events.CONFIG_WARNING,
                path=problem.path,
                reason=problem.reason,
                hint=problem.hint,
            )
        self._restart_keys = plan.restart
        self._say(events.BRIDGE_RELOADED, plan)
        self._follower.heed_settings()
        return plan

    def _teach(self, config: Config) -> None:
        self._log.hide(next(self._owners), *secrets_of(config))

    def _refused(self, plan: Plan) -> Plan:
        self._log.emit(
            events.BRIDGE_RELOAD_REFUSED, file=plan.file, problems=sentences(plan)
        )
        return plan

    def _not_done(self, reason: str) -> Plan:
        return refusal(self._source.name, [Problem("(reload)", reason)])

    def _say(self, event: events.Event, plan: Plan) -> None:
        self._log.emit(
            event,
            added=plan.added,
            changed=plan.changed,
            removed=plan.removed,
            restart_needed=plan.restart,
        )
