"""What happens to everybody at once: the network, the disk, the clock."""

import errno
import random
from collections.abc import Callable

import trio

from kit.files import disk_full, read_only
from kit.network import Address
from sim.clock import SimulatedClock
from sim.network import SimulatedInternet
from sim.trace import Trace

DAY = 86_400.0
#: Troubles of the network: at once, or until it is over.
AT_ONCE = ("connections reset", "connections truncated")
LASTING = (
    "connections refused",
    "half-open",
    "split",
    "accepts and says nothing",
)
CLOCK = ("clock set back", "clock set forward")
DISK = ("disk full", "disk read-only", "fsync fails", "disk slow")

Over = Callable[[], bool]


class Weather:
    """Makes trouble until ``over``; `clear` ends all of it."""

    def __init__(
        self,
        *,
        network: SimulatedInternet,
        places: dict[str, Address],
        trace: Trace,
        over: Over,
        lost: Callable[[str], None],
    ) -> None:
        """``lost`` is told the place whose answers may not have arrived."""
        self._network = network
        self._places = places
        self._trace = trace
        self._over = over
        self._lost = lost

    async def blow(self, rng: random.Random) -> None:
        """One trouble of the network after the other."""
        names = sorted(self._places)
        while not self._over():
            await trio.sleep(rng.expovariate(0.4))
            kind = rng.choice((*AT_ONCE, *LASTING))
            await self._trouble(kind, rng.choice(names), rng)

    async def _trouble(self, kind: str, name: str, rng: random.Random) -> None:
        place = self._places[name]
        if not self._begin(kind, place):
            return
        self._trace.fault(name, kind)
        if kind in LASTING:
            await trio.sleep(rng.uniform(0.5, 6.0))
            self._network.heal(place)
        self._lost(name)

    def _begin(self, kind: str, place: Address) -> bool:
        """Whether it touches anybody."""
        match kind:
            case "connections reset":
                return self._network.cut(place) > 0
            case "connections truncated":
                return self._network.truncate(place) > 0
            case "connections refused":
                self._network.refused.add(place)
                return True
            case "accepts and says nothing":
                self._network.swallowed.add(place)
                return True
            case _:
                split = kind == "split"
                return self._network.silence(place, answers_only=split) > 0

    def clear(self) -> None:
        """The network is in order again."""
        for name, place in self._places.items():
            self._network.heal(place)
            self._lost(name)


class Disk:
    """What goes wrong with the disk: applied to whatever process writes now."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.refuse: OSError | None = None
        self.delay = 0.0

    async def fail(self, rng: random.Random, over: Over) -> None:
        """One trouble after the other."""
        while not over():
            await trio.sleep(rng.expovariate(0.3))
            self._begin(rng.choice(DISK))
            await trio.sleep(rng.uniform(0.5, 8.0))
            self.heal()

    def _begin(self, kind: str) -> None:
        self._trace.fault("disk", kind)
        match kind:
            case "disk full":
                self.refuse = disk_full()
            case "disk read-only":
                self.refuse = read_only()
            case "fsync fails":
                self.refuse = OSError(errno.EIO, "Input/output error", "tokens")
            case _:
                self.delay = 0.3

    def heal(self) -> None:
        self.refuse, self.delay = None, 0.0


async def set_wrong(
    clock: SimulatedClock, rng: random.Random, *, trace: Trace, over: Over
) -> None:
    """Somebody sets the clock, by minutes or by a day; then by no more than that."""
    while not over():
        await trio.sleep(rng.expovariate(0.4))
        skew = rng.choice([60.0, 600.0, 3600.0, DAY]) * rng.choice([-1, 1])
        clock.skew = rng.choice([skew, 0.0])
        trace.fault("clock", CLOCK[skew > 0])
