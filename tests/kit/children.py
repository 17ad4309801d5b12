"""Children that fail, listen or stay deaf in a chosen way."""

from collections.abc import Callable

import trio

from bridge.actor.child import ChildContext
from bridge.actor.restart import Backoff, RestartBudget, RestartPolicy

ONE_SECOND = Backoff(1.0, 1.0, floor=1.0)  # no jitter: tests can name the second
STEADY = RestartPolicy(
    backoff=ONE_SECOND,
    budget=RestartBudget(3, 60.0),
    stable_after=10.0,
    quarantine_retry=300.0,
)


class Polite:
    """Runs until it is asked to stop; remembers when it began and ended."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.ended: list[float] = []

    async def __call__(self, context: ChildContext) -> None:
        self.began.append(trio.current_time())
        context.started()
        try:
            await context.stopping.wait()
        finally:
            self.ended.append(trio.current_time())


class Deaf(Polite):
    """Never listens: only cancellation ends it."""

    async def __call__(self, context: ChildContext) -> None:
        self.began.append(trio.current_time())
        try:
            await trio.sleep_forever()
        finally:
            self.ended.append(trio.current_time())


class Failing(Polite):
    """Crashes with what ``failure`` makes, ``times`` times; then it is polite."""

    def __init__(
        self,
        failure: Callable[[], Exception] = lambda: ValueError("planted"),
        *,
        times: int = 1,
        after: float = 0.0,
    ) -> None:
        super().__init__()
        self._failure = failure
        self._after = after
        self.left = times

    async def __call__(self, context: ChildContext) -> None:
        if self.left == 0:
            await super().__call__(context)
            return
        self.left -= 1
        self.began.append(trio.current_time())
        await trio.sleep(self._after)
        raise self._failure()


class FailingCleanup(Deaf):
    """Raises when it is cancelled: plainly, or in a group beside its `Cancelled`."""

    def __init__(self, *, grouped: bool) -> None:
        super().__init__()
        self._grouped = grouped

    async def __call__(self, context: ChildContext) -> None:
        if not self._grouped:
            await self._fail_when_cancelled(context)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(self._fail_when_cancelled, context)

    async def _fail_when_cancelled(self, context: ChildContext) -> None:
        try:
            await super().__call__(context)
        finally:
            raise ValueError("the clean-up failed")
