"""How large a simulated run is and what may happen in it; the rest is drawn by seed."""

import msgspec

from sim.chance import Chance

STDIO = ("files", "git", "shell")
WEB = "web"
UPSTREAMS = (*STDIO, WEB)
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
    """What one seed draws once, for the whole run."""

    guarded: bool
    stop_early: float | None
    #: The issuer cannot be reached for so long at the beginning.
    issuer_down: float
    flaky: frozenset[str]
    #: How long a stop may take in all; a short one cuts calls that are still open.
    drain: float

    @classmethod
    def of(cls, chance: Chance, scenario: Scenario) -> "Plan":
        rng = chance.of("plan")
        guarded = rng.random() < 0.75
        early = rng.uniform(1.5, 8.0) if rng.random() < 0.35 else None
        down = rng.uniform(0.5, 4.0) if rng.random() < 0.2 else 0.0
        others = [name for name in UPSTREAMS if name != STEADY]
        drain = rng.choice([9.0, 9.0, 20.0])
        flaky = frozenset(name for name in others if rng.random() < 0.8)
        return cls(
            guarded=guarded,
            drain=drain,
            stop_early=early if scenario.chaos else None,
            issuer_down=down if scenario.chaos else 0.0,
            flaky=flaky if scenario.chaos else frozenset(),
        )
