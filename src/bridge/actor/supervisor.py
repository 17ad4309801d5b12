"""The parent of a flat set of children: starts them, keeps them, stops them.

A nursery would cancel all children when one fails; here each child has a supervising
task (`lifetime`) that no crash leaves. The supervisor never restarts itself: what it
cannot bear (an escalation) it raises from `Supervisor.run`, after an orderly stop.
"""

from itertools import groupby
from random import Random  # noqa: TID251 - the type only; the generator is injected
from typing import ClassVar

import trio

from bridge.actor.child import ChildSpec, ChildStatus
from bridge.actor.lifetime import Lifetime
from bridge.actor.restart import RestartType
from bridge.errors import BridgeError
from bridge.observe.logging import Log


class SupervisorStopping(BridgeError):
    """No child is taken any more: the supervisor stops or has stopped."""

    code: ClassVar[str] = "supervisor.stopping"


class Escalated(BridgeError):
    """A child the program cannot do without is past its budget.

    ``child`` is its id; the error of its last run is the cause.
    """

    code: ClassVar[str] = "supervisor.escalated"

    def __init__(self, public: str, *, child: str) -> None:
        super().__init__(public)
        self.child = child


class Supervisor:
    """One supervising task per child, strategy one-for-one.

    Run it once, with ``await nursery.start(supervisor.run)``. ``stop_within`` is the
    hard deadline of a stop nobody gave another one (an escalation, for instance).
    """

    def __init__(self, *, log: Log, rng: Random, stop_within: float = 30.0) -> None:
        self._log = log
        self._rng = rng
        self._stop_within = stop_within
        self._children: dict[str, Lifetime] = {}  # in start order
        self._places: dict[str, int] = {}  # of groups, by name
        self._place_of: dict[str, int] = {}  # of children, by id
        self._next_place = 0
        self._nursery: trio.Nursery | None = None
        self._stop_asked = False
        self._stopping = trio.Event()
        self._over = trio.Event()
        self._patience = trio.CancelScope()
        self._failure: tuple[str, Exception | None] | None = None
        self._leaving: set[str] = set()

    @property
    def stopping(self) -> bool:
        """No child is added any more."""
        return self._stopping.is_set()

    @property
    def status(self) -> tuple[ChildStatus, ...]:
        """A snapshot of every child, in start order."""
        return tuple(child.status for child in self._children.values())

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Supervise until `stop` has ended every child.

        Raises `Escalated` when a child gave its failure to the parent; the others
        have then been stopped in order. Cancelling it cancels every child at once.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for child in self._children.values():
                    nursery.start_soon(child.run, name=child.spec.id)
                task_status.started()
                await self._stopping.wait()
                await self._stop_in_order()
        finally:
            self._stopping.set()
            self._over.set()
        if self._failure is not None:
            child_id, cause = self._failure
            message = f"'{child_id}' failed more often than it may"
            raise Escalated(message, child=child_id) from cause

    def reserve(self, group: str) -> None:
        """Give ``group`` its place in the start order before it has a member.

        Members that come later (a reload) stop in that place, not after what was
        started between. The first member reserves it otherwise.
        """
        if group not in self._places:
            self._places[group] = self._take_place()

    def add(self, spec: ChildSpec) -> None:
        """Start a child now, or with `run` if that was not called yet.

        Raises `SupervisorStopping` once a stop began, and `ValueError` when the id
        is taken (a removed child frees it when `remove` returns).
        """
        if self.stopping:
            raise SupervisorStopping(f"'{spec.id}' is not started: stopping")
        if spec.id in self._children:
            raise ValueError(f"there is a child named '{spec.id}' already")
        child = Lifetime(
            spec,
            log=self._log,
            rng=self._rng,
            on_escalate=self._escalate,
            on_end=self._forget,
        )
        self._children[spec.id] = child
        self._place_of[spec.id] = self._place(spec)
        if self._nursery is not None:
            self._nursery.start_soon(child.run, name=spec.id)

    async def wait_started(self, child_id: str) -> bool:
        """Wait for the child's ``started()``. False when it ended or is quarantined.

        Raises `KeyError` for an unknown child. Bound it: a child need not say it.
        """
        return await self._children[child_id].context.wait_started()

    async def wait_ended(self, child_id: str) -> None:
        """Wait until the child has ended by itself. Raises `KeyError`; bound it."""
        await self._children[child_id].ended.wait()

    async def remove(self, child_id: str, *, within: float | None = None) -> None:
        """Stop one child and forget it. Raises `KeyError` for an unknown one.

        ``within`` replaces its shutdown deadline.
        """
        child = self._children[child_id]
        self._leaving.add(child_id)
        if self._nursery is None or child.ended.is_set():
            self._forget(child)
            return
        await child.end(child.spec.shutdown if within is None else within)

    def revive(self, child_id: str) -> bool:
        """Run a quarantined or pausing child now, with a fresh budget.

        False when it needs no revival. Raises `KeyError` for an unknown child.
        """
        return self._children[child_id].revive()

    async def stop(self, *, within: float | None = None) -> None:
        """Stop all children in reverse start order; returns when `run` is over.

        Each is asked, and cancelled past its shutdown deadline; ``within`` seconds
        after the call all that are left are cancelled. So does a second call, at once.
        A child may take longer only inside a shielded clean-up of its own. A caller
        who stops waiting does not stop the stop.
        """
        if self._stop_asked:
            self._patience.cancel()
        self._stop_asked = True
        self._begin_stop(within)
        if self._nursery is None:
            self._children.clear()  # none has run, so none has to end
            return
        await self._over.wait()

    def _begin_stop(self, within: float | None) -> None:
        patience = self._stop_within if within is None else within
        deadline = trio.current_time() + patience
        self._patience.deadline = min(self._patience.deadline, deadline)
        self._stopping.set()

    def _escalate(self, child_id: str, error: Exception | None) -> None:
        if self._failure is None:  # the first is the one to tell
            self._failure = (child_id, error)
        self._begin_stop(None)

    async def _stop_in_order(self) -> None:
        with self._patience:
            for stage in self._stages():
                async with trio.open_nursery() as nursery:
                    for child in stage:
                        nursery.start_soon(child.end, child.spec.shutdown)
        for child in tuple(self._children.values()):
            child.cut()

    def _stages(self) -> list[list[Lifetime]]:
        def place(child: Lifetime) -> int:
            return self._place_of[child.spec.id]

        latest_first = sorted(self._children.values(), key=place, reverse=True)
        return [list(stage) for _, stage in groupby(latest_first, key=place)]

    def _place(self, spec: ChildSpec) -> int:
        if spec.group is None:
            return self._take_place()
        self.reserve(spec.group)
        return self._places[spec.group]

    def _take_place(self) -> int:
        self._next_place += 1
        return self._next_place

    def _forget(self, child: Lifetime) -> None:
        """Drop a child that ended, unless its end is worth seeing in the status."""
        child_id = child.spec.id
        temporary = child.spec.restart.type is RestartType.TEMPORARY
        if not temporary and child_id not in self._leaving:
            return
        self._leaving.discard(child_id)
        del self._children[child_id]
        del self._place_of[child_id]
