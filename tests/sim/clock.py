"""The wall clock of the machine: it runs with Trio's, and somebody sets it."""

import trio

from kit.issuer import NOW


class SimulatedClock:
    """The WallClock port. ``skew``: how far it is off, in s."""

    def __init__(self) -> None:
        self.skew = 0.0

    def now(self) -> float:
        return NOW + trio.current_time() + self.skew
