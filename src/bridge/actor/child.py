"""What a supervisor is told of a child, what the child is given, what others see."""

import enum
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import msgspec
import trio

from bridge.actor.restart import RestartPolicy
from bridge.observe import catalogue as events
from bridge.observe.logging import Log


class ChildContext:
    """The supervisor's side of a child, handed to its ``start``.

    A polite child watches ``stopping`` and returns soon after it is set. One that does
    not is cancelled at its shutdown deadline.
    """

    def __init__(self, child_id: str, *, log: Log) -> None:
        self.id = child_id
        self.stopping = trio.Event()
        self._log = log
        self._is_started = False
        self._settled = trio.Event()

    def started(self) -> None:
        """Say that whoever comes next in the start order may begin. Not required.

        It means "I can be reached", never "my remote party answered".
        """
        self._is_started = True
        self._settled.set()

    def settle(self) -> None:
        """Let nobody wait for `started` any longer. For the supervisor."""
        self._settled.set()

    async def wait_started(self) -> bool:
        """True once `started` was called; False when that will not happen soon."""
        await self._settled.wait()
        return self._is_started

    @contextmanager
    def cleanup(self, seconds: float) -> Generator[None]:
        """A block that cancellation does not interrupt, but its deadline does.

        An overrun is logged, and the block is left as if it had ended.
        """
        with trio.move_on_after(seconds, shield=True) as scope:
            yield
        if scope.cancelled_caught:
            self._log.emit(
                events.CHILD_CLEANUP_TIMED_OUT, child=self.id, seconds=seconds
            )


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One child. ``start`` runs it from nothing to its end, each time anew.

    Children of one ``group`` stop all at once, in the place the group has in the
    start order; a child without a group has a place of its own.
    """

    id: str
    start: Callable[[ChildContext], Awaitable[None]]
    restart: RestartPolicy = RestartPolicy()
    shutdown: float = 5.0  # seconds between `stopping` and cancellation
    group: str | None = None


class ChildState(enum.Enum):
    """Where a child is in its life."""

    RUNNING = "running"
    BACKING_OFF = "backing_off"
    QUARANTINED = "quarantined"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ChildStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One child as an operator sees it. Times are trio times."""

    id: str
    state: ChildState
    since: float  # when the state began
    restarts: int  # that still count against the budget
    budget: int = 0  # so many restarts within ``period`` seconds are allowed
    period: float = 0.0
    last_error: str = ""
    last_error_at: float | None = None
    next_attempt_at: float | None = None
