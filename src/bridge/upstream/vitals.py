"""Drives `bridge.upstream.health`: sends pings and probes, reports a lost upstream."""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections.abc import Awaitable, Callable
from math import inf

import msgspec
import trio

from bridge.config.model import HealthCheckConfig
from bridge.errors import BridgeError, ConnectFailed, LinkError, Unauthorized
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.protocol.dialogue import Ask, Told
from bridge.upstream import health
from bridge.upstream.alarms import Alarm, Alarms
from bridge.upstream.connection import Connection
from bridge.upstream.health import Check, HealthPlan, HttpProbe


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, its body cut at a sensible size."""

    status: int
    body: bytes


#: ``fetch(method, path)`` against the upstream's own origin; raises `BridgeError`.
Fetch = Callable[[str, str], Awaitable[Fetched]]
#: Runs an async function in the actor's own nursery.
Spawn = Callable[[Callable[[], Awaitable[None]]], None]
Lost = Callable[[str], None]
Rejected = Callable[[Unauthorized], None]


def _nothing(_probe: Ask) -> bool:
    """Any probe may be sent."""
    return False


class Vitals:
    """The health of one epoch after another.

    ``withholds`` tells of a probe that must not be sent; a ping takes its place.
    """

    def __init__(
        self,
        plan: HealthPlan,
        config: HealthCheckConfig,
        *,
        alarms: Alarms,
        rng: random.Random,
        log: Log,
        fetch: Fetch | None,
        spawn: Spawn,
        lost: Lost,
        rejected: Rejected,
    ) -> None:
        self._plan = plan
        self._config = config
        self._alarms = alarms
        self._log = log
        self._fetch = fetch
        self._spawn = spawn
        self._lost = lost
        self._rejected = rejected
        self.withholds: Callable[[Ask], bool] = _nothing
        self._connection: Connection | None = None
        self._doubting = False
        self._health = health.newborn(0.0)
        self._rng = rng
        self._rests_until = -inf

    def open(self, connection: Connection) -> None:
        """The upstream is ready."""
        self._connection = connection
        self._doubting = False
        now, chance = trio.current_time(), self._rng.random()
        self._health = health.newborn(now, plan=self._plan, chance=chance)
        self._schedule()

    def rest(self, until: float) -> None:
        """Ask nothing before this time."""
        self._rests_until = until
        self._schedule()

    def close(self) -> None:
        """It is not ready any more."""
        self._connection = None
        self._alarms.clear(Alarm.PROBE)

    def heard(self) -> None:
        """A frame came in."""
        self._health = health.heard(self._health, trio.current_time())

    def answered(self) -> None:
        """A call was answered."""
        self._health = health.answered(self._health, trio.current_time())

    def ring(self) -> None:
        """The alarm: look what is due now, if anything still is."""
        check = health.next_check(self._plan, self._health)
        if check is not None and self._at(check) <= trio.current_time():
            self._begin(check[1])
        self._schedule()

    def doubt(self) -> None:
        """Ask at once whether the server is there; one question serves many doubts."""
        if self._connection is not None and not self._doubting:
            self._doubting = True
            self._begin(Check.PING)

    def _schedule(self) -> None:
        check = health.next_check(self._plan, self._health)
        if check is not None and self._connection is not None:
            self._alarms.set(Alarm.PROBE, self._at(check))

    def _at(self, check: tuple[float, Check]) -> float:
        return max(check[0], self._rests_until)

    def _begin(self, check: Check) -> None:
        connection = self._connection
        if connection is None or connection.agreement is None:
            return
        self._health = health.began(self._health, check, trio.current_time())
        if check is Check.PING:
            self._ask(connection, Ask("ping"), timeout=self._plan.ping_timeout)
            return
        http = self._fetch is not None
        probe = health.probe_of(self._config, connection.agreement, http=http)
        if isinstance(probe, Ask):
            ask = Ask("ping") if self.withholds(probe) else probe
            self._ask(connection, ask, timeout=self._plan.probe_timeout)
        elif self._fetch is not None:
            self._fetch_in_background(connection, probe, self._fetch)

    def _ask(self, connection: Connection, ask: Ask, *, timeout: float) -> None:
        def done(outcome: Told | LinkError) -> None:
            self._doubting = False
            if isinstance(outcome, Told):
                self._judge(ask.method, health.objection(outcome))
            elif isinstance(outcome, Unauthorized):
                self._rejected(outcome)
            elif isinstance(outcome, ConnectFailed):
                self._lost(outcome.public)  # nobody there: reconnecting finds out when
            else:
                self._judge(ask.method, outcome.public)

        due = trio.current_time() + timeout
        connection.ask(ask, due=due, done=done)

    def _fetch_in_background(
        self, connection: Connection, probe: HttpProbe, fetch: Fetch
    ) -> None:
        async def run() -> None:
            verdict = "no answer in time"
            with trio.move_on_after(self._plan.probe_timeout):
                verdict = await _fetched(probe, fetch)
            if self._connection is connection:
                self._judge(probe.path, verdict)

        self._spawn(run)

    def _judge(self, operation: str, objection: str) -> None:
        if not objection:
            self.answered()
            return
        self._health = health.failed(self._health)
        failures = self._health.failures
        self._log.emit(
            events.UPSTREAM_PROBE_FAILED,
            operation=operation,
            error=objection,
            failures=failures,
        )
        if health.is_lost(self._plan, self._health):
            self._lost(f"{failures} health checks failed, the last one: {objection}")


async def _fetched(probe: HttpProbe, fetch: Fetch) -> str:
    try:
        answer = await fetch(probe.method, probe.path)
    except BridgeError as error:
        return error.public
    return health.http_objection(probe, answer.status, answer.body)
