"""How large a simulated run is and what may happen in it; the rest is drawn by seed."""

import random

import msgspec

from sim.chance import Chance

STDIO = ("files", "git", "shell")
WEB = "web"
#: Behind a login: one over streamable HTTP, one over HTTP with SSE.
VAULT, SAFE = "vault", "safe"
GUARDED = (VAULT, SAFE)
UPSTREAMS = (*STDIO, WEB, *GUARDED)
#: Comes and goes with the configuration.
EXTRA = "extra"
CALLED = (*UPSTREAMS, EXTRA)
#: It never fails; what happens to the others must not reach it.
STEADY = "files"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a run. ``chaos``: the world may misbehave at all."""

    clients: int = 4
    visits: int = 2
    actions: int = 5
    intruders: int = 1
    chaos: bool = True


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one seed draws once, for the whole run. Times are seconds of the run."""

    guarded: bool = False
    #: When SIGTERM comes; None: at the end, in quiet.
    stop_early: float | None = None
    #: A second SIGTERM comes so long after the first.
    stop_again: float | None = None
    #: When SIGKILL comes, and for how long nobody starts the bridge again.
    kill: tuple[float, float] | None = None
    #: The issuer cannot be reached for so long at the beginning.
    issuer_down: float = 0.0
    flaky: frozenset[str] = frozenset()
    #: How long a stop may take in all; a short one cuts calls that are still open.
    drain: float = 9.0
    reloads: int = 0
    crashes: int = 0  # of actors, as a bug of the bridge would have them
    mischief: bool = False  # at the provider
    weather: bool = False  # on the network
    disk: bool = False
    clock: bool = False

    @classmethod
    def of(cls, chance: Chance, scenario: Scenario) -> "Plan":
        rng = chance.of("plan")
        guarded = rng.random() < 0.75
        drain = rng.choice([9.0, 9.0, 20.0])
        if not scenario.chaos:
            return cls(guarded=guarded, drain=drain)
        others = [name for name in UPSTREAMS if name != STEADY]
        return cls(
            guarded=guarded,
            drain=drain,
            stop_early=_sometimes(rng, 0.35, (1.5, 8.0)),
            stop_again=_sometimes(rng, 0.2, (0.0, 2.0)),
            kill=_kill(rng),
            issuer_down=_sometimes(rng, 0.2, (0.5, 4.0)) or 0.0,
            flaky=frozenset(name for name in others if rng.random() < 0.8),
            reloads=rng.randint(1, 6) if rng.random() < 0.5 else 0,
            crashes=rng.randint(1, 2) if rng.random() < 0.3 else 0,
            mischief=rng.random() < 0.6,
            weather=rng.random() < 0.7,
            disk=rng.random() < 0.4,
            clock=rng.random() < 0.3,
        )


def _kill(rng: random.Random) -> tuple[float, float] | None:
    at = _sometimes(rng, 0.25, (0.5, 9.0))
    return None if at is None else (at, rng.uniform(0, 2))


def _sometimes(
    rng: random.Random, share: float, between: tuple[float, float]
) -> float | None:
    moment = rng.uniform(*between)
    return moment if rng.random() < share else None
