"""When a child that ended runs again. Pure: no clock, no waiting, no logging.

`decide` is asked after each run that was not cancelled. A *spent* budget means that
``intensity`` restarts lie within the last ``period`` seconds, or that the run was the
probe of a quarantined child and did not stay up for ``stable_after``.

| restart type | outcome  | budget left | budget spent                            |
|--------------|----------|-------------|-----------------------------------------|
| PERMANENT    | returned | Restart     | Quarantine or Escalate, by past_budget  |
| PERMANENT    | crashed  | Restart     | Quarantine or Escalate, by past_budget  |
| TRANSIENT    | returned | Stop        | Stop                                    |
| TRANSIENT    | crashed  | Restart     | Quarantine or Escalate, by past_budget  |
| TEMPORARY    | returned | Stop        | Stop                                    |
| TEMPORARY    | crashed  | Stop        | Stop                                    |

Only the unexpected comes here. Expected trouble (a refused connection, an expired
token) is the business of the actor, with a `Backoff` of its own and no budget.
"""

import enum
import math
from random import Random  # noqa: TID251 - the type only; the generator is injected

import msgspec

_MAX_EXPONENT = 63  # past any cap in use, and far from where a float overflows


class Backoff(msgspec.Struct, frozen=True):
    """Full jitter: ``uniform(floor, min(cap, base * 2 ** attempt))`` seconds.

    ``hint_cap`` bounds what a server may ask for with Retry-After.
    """

    base: float
    cap: float
    floor: float = 0.0
    hint_cap: float = 3600.0

    def __post_init__(self) -> None:
        if not (self.base >= 0 and self.cap >= 0 and self.floor >= 0):
            raise ValueError("a backoff needs base, cap and floor of zero or more")

    def ceiling(self, attempt: int) -> float:
        """The longest pause before try ``attempt`` (0 is the first retry)."""
        exponent = max(0, min(attempt, _MAX_EXPONENT))
        return max(self.floor, min(self.cap, self.base * 2.0**exponent))

    def delay(
        self, attempt: int, rng: Random, *, retry_after: float | None = None
    ) -> float:
        """Seconds to wait before try ``attempt``; any attempt is allowed.

        The server's wish wins over the jitter, in both directions, but stays between
        one ``base`` (a server that says 0 must not cause a hot loop) and ``hint_cap``.
        """
        if retry_after is None or math.isnan(retry_after):
            return rng.uniform(self.floor, self.ceiling(attempt))
        return max(self.ceiling(0), min(retry_after, self.hint_cap))


class RestartBudget(msgspec.Struct, frozen=True):
    """At most ``intensity`` restarts within any ``period`` seconds."""

    intensity: int = 5
    period: float = 60.0

    def within(self, restarts: tuple[float, ...], *, now: float) -> tuple[float, ...]:
        """Those of ``restarts`` that still count at ``now``."""
        return tuple(at for at in restarts if at > now - self.period)


class RestartType(enum.Enum):
    """After which outcome a child runs again; the names are OTP's."""

    PERMANENT = "permanent"  # after any
    TRANSIENT = "transient"  # after a crash
    TEMPORARY = "temporary"  # after none


class PastBudget(enum.Enum):
    """What becomes of a child past its budget."""

    QUARANTINE = "quarantine"  # set aside, siblings untouched
    ESCALATE = "escalate"  # give the failure to the parent


class RestartPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """All that `decide` must know of a child."""

    type: RestartType = RestartType.PERMANENT
    budget: RestartBudget = RestartBudget()
    backoff: Backoff = Backoff(0.5, 30.0)
    stable_after: float = 60.0  # a run this long starts the backoff anew
    past_budget: PastBudget = PastBudget.QUARANTINE
    quarantine_retry: float | None = 300.0  # until the next probe; None: no probe


class RestartHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What earlier runs left behind. A new child, and a revived one, has none."""

    restarts: tuple[float, ...] = ()  # times; never more than the intensity
    attempt: int = 0  # restarts in a row without a stable run
    probing: bool = False  # the next run is the probe of a quarantined child


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended by itself, and how long it was up."""

    crashed: bool
    uptime: float


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Run again after ``delay`` seconds."""

    delay: float
    history: RestartHistory


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """The child is done."""


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """Set aside; probe after ``retry_in`` seconds, or wait to be revived (None)."""

    retry_in: float | None
    history: RestartHistory


class Escalate(msgspec.Struct, frozen=True, kw_only=True):
    """The parent must know."""


Decision = Restart | Stop | Quarantine | Escalate


def decide(
    policy: RestartPolicy,
    history: RestartHistory,
    *,
    outcome: Outcome,
    now: float,
    rng: Random,
) -> Decision:
    """What to do with a child that ended at ``now`` (table above)."""
    if not _runs_again(policy.type, crashed=outcome.crashed):
        return Stop()
    stable = outcome.uptime >= policy.stable_after
    counted = policy.budget.within(history.restarts, now=now)
    failed_probe = history.probing and not stable
    if failed_probe or len(counted) >= policy.budget.intensity:
        return _past_budget(policy, counted)
    attempt = 0 if stable else history.attempt
    return Restart(
        delay=policy.backoff.delay(attempt, rng),
        history=RestartHistory(restarts=(*counted, now), attempt=attempt + 1),
    )


def _runs_again(kind: RestartType, *, crashed: bool) -> bool:
    return kind is RestartType.PERMANENT or (kind is RestartType.TRANSIENT and crashed)


def _past_budget(
    policy: RestartPolicy, counted: tuple[float, ...]
) -> Quarantine | Escalate:
    if policy.past_budget is PastBudget.ESCALATE:
        return Escalate()
    history = RestartHistory(restarts=counted, probing=True)
    return Quarantine(retry_in=policy.quarantine_retry, history=history)
