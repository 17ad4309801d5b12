"""One child from its first start to its end: the task that supervises it.

    running ──► ended by itself ──► decide ──► Restart:    back off, run again
       │                                   ├─► Quarantine: wait for probe or revival
       │                                   ├─► Escalate:   tell the supervisor, done
       │                                   └─► Stop:       done
       └──► cancelled: re-raised at once, never classified

A crash never leaves `Lifetime.run`, so it cannot reach a sibling. What does leave it:
a cancellation from outside, and what is no `Exception` (an interrupt, an exit).
"""

from collections.abc import Callable
from math import inf
from random import Random  # noqa: TID251 - the type only; the generator is injected
from typing import assert_never

import trio

from bridge.actor.child import ChildContext, ChildSpec, ChildState, ChildStatus
from bridge.actor.crash import describe
from bridge.actor.restart import (
    Decision,
    Escalate,
    Outcome,
    Quarantine,
    Restart,
    RestartHistory,
    Stop,
    decide,
)
from bridge.observe import catalogue as events
from bridge.observe.logging import Log

_UNASKED = "returned without being asked to"


class Lifetime:
    """Owner of one child's runs, history and state."""

    def __init__(
        self,
        spec: ChildSpec,
        *,
        log: Log,
        rng: Random,
        on_escalate: Callable[[str, Exception | None], None],
        on_end: Callable[["Lifetime"], None],
    ) -> None:
        self.spec = spec
        self.context = ChildContext(spec.id, log=log)
        self.ended = trio.Event()
        self._log = log
        self._rng = rng
        self._on_escalate = on_escalate
        self._on_end = on_end
        self._scope = trio.CancelScope()
        self._wake = trio.Event()
        self._history = RestartHistory()
        self._state = ChildState.RUNNING
        self._since = trio.current_time()
        self._next_attempt_at: float | None = None
        self._last_error = ""
        self._last_error_at: float | None = None

    @property
    def status(self) -> ChildStatus:
        now = trio.current_time()
        budget = self.spec.restart.budget
        counted = budget.within(self._history.restarts, now=now)
        return ChildStatus(
            id=self.spec.id,
            state=self._state,
            since=self._since,
            restarts=len(counted),
            budget=budget.intensity,
            period=budget.period,
            last_error=self._last_error,
            last_error_at=self._last_error_at,
            next_attempt_at=self._next_attempt_at,
        )

    async def run(self) -> None:
        """Supervise until the child is done, was stopped, or is cancelled."""
        try:
            with self._scope:
                await self._live()
        except Exception as left:
            if not self._scope.cancel_called:
                raise
            # A group of Cancelled and failures: the scope took its Cancelled, and
            # what a clean-up left behind must not reach the siblings.
            self._say_cleanup_failed(left)
        finally:
            self._enter(ChildState.STOPPED)
            self.context.settle()
            self.ended.set()
            self._on_end(self)

    def ask(self) -> None:
        """Ask the child to stop; one that does not run ends at once."""
        if self.context.stopping.is_set():
            return
        self.context.stopping.set()
        if not self.ended.is_set():
            self._enter(ChildState.STOPPING)
        self._wake.set()

    def cut(self) -> None:
        """Cancel the child. Says so when it had been asked and was too slow."""
        if self.ended.is_set() or self._scope.cancel_called:
            return
        if self.context.stopping.is_set():
            self._log.emit(
                events.CHILD_CLEANUP_TIMED_OUT,
                child=self.spec.id,
                seconds=trio.current_time() - self._since,
            )
        self.ask()
        self._scope.cancel()

    async def end(self, within: float) -> None:
        """Ask, wait up to ``within`` seconds, cancel, and wait for the end.

        Whoever gives up waiting leaves a cancelled child behind, not a running one.
        """
        self.ask()
        try:
            with trio.move_on_after(within):
                await self.ended.wait()
        finally:
            self.cut()
        await self.ended.wait()

    def revive(self) -> bool:
        """End a quarantine or a pause now, with a fresh budget. False: no need."""
        if self._state not in {ChildState.QUARANTINED, ChildState.BACKING_OFF}:
            return False
        self._history = RestartHistory()
        self._log.emit(events.CHILD_REVIVED, child=self.spec.id)
        self._wake.set()
        return True

    async def _live(self) -> None:
        going_on = True
        while going_on and not self.context.stopping.is_set():
            began = self._enter(ChildState.RUNNING)
            error = await self._run_once()
            if self.context.stopping.is_set():
                self._say_cleanup_failed(error)
                return
            now = trio.current_time()
            decision = decide(
                self.spec.restart,
                self._history,
                outcome=Outcome(crashed=error is not None, uptime=now - began),
                now=now,
                rng=self._rng,
            )
            if isinstance(decision, Restart | Quarantine):
                self._history = decision.history
            self._report(decision, error)
            going_on = await self._obey(decision, error)

    async def _run_once(self) -> Exception | None:
        """One run. Returns its crash, and raises `Cancelled` if it was cancelled."""
        try:
            await self.spec.start(self.context)
        except Exception as error:  # noqa: BLE001 - the boundary between actors
            # A clean-up that fails while the child is cancelled raises like a crash.
            try:
                await trio.lowlevel.checkpoint_if_cancelled()
            except trio.Cancelled:
                self._say_cleanup_failed(error)
                raise
            return error
        await trio.lowlevel.checkpoint_if_cancelled()
        return None

    async def _obey(self, decision: Decision, error: Exception | None) -> bool:
        """Perform ``decision``; True when the child runs again."""
        match decision:
            case Restart(delay=delay):
                await self._pause(ChildState.BACKING_OFF, delay)
                return True
            case Quarantine(retry_in=retry_in):
                self.context.settle()
                await self._pause(ChildState.QUARANTINED, retry_in)
                return True
            case Escalate():
                self._on_escalate(self.spec.id, error)
                return False
            case Stop():
                return False
            case _:
                assert_never(decision)

    async def _pause(self, state: ChildState, seconds: float | None) -> None:
        began = self._enter(state)
        if seconds is not None:
            self._next_attempt_at = began + seconds
        self._wake = trio.Event()
        with trio.move_on_after(inf if seconds is None else seconds):
            await self._wake.wait()

    def _enter(self, state: ChildState) -> float:
        self._state = state
        self._since = trio.current_time()
        self._next_attempt_at = None
        return self._since

    def _report(self, decision: Decision, error: Exception | None) -> None:
        """Log what happened and what follows; an end that was meant is no news."""
        if error is None and isinstance(decision, Stop):
            return
        self._note(_UNASKED if error is None else describe(error))
        self._log.emit(
            events.CHILD_CRASHED,
            child=self.spec.id,
            error=self._last_error,
            restart_in=decision.delay if isinstance(decision, Restart) else None,
            restarts=self.status.restarts,
            exc_info=error,
        )
        crashes, period = self.status.restarts + 1, self.spec.restart.budget.period
        match decision:
            case Quarantine():
                self._log.emit(
                    events.CHILD_QUARANTINED,
                    child=self.spec.id,
                    crashes=crashes,
                    period=period,
                )
            case Escalate():
                self._log.emit(
                    events.CHILD_ESCALATED,
                    child=self.spec.id,
                    crashes=crashes,
                    period=period,
                )
            case _:
                pass

    def _note(self, error: str) -> None:
        self._last_error = error
        self._last_error_at = trio.current_time()

    def _say_cleanup_failed(self, error: Exception | None) -> None:
        if error is None:
            return
        self._note(describe(error))
        self._log.emit(
            events.CHILD_CLEANUP_FAILED,
            child=self.spec.id,
            error=self._last_error,
            exc_info=error,
        )
