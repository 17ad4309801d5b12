"""One seed, and a generator of its own for everybody who takes chances.

Whoever draws once more than before changes nothing for the others.
"""

import random
from collections.abc import Sequence
from functools import cache
from typing import Generic, TypeVar

T = TypeVar("T")


class Chance:
    """Generators by name, all from one seed, alike in every process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.of = cache(self._make)

    def _make(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}:{name}")


class Lot(Generic[T]):
    """A weighted choice, written as a table."""

    def __init__(self, rows: Sequence[tuple[T, float]]) -> None:
        self._values = [value for value, _ in rows]
        self._weights = [weight for _, weight in rows]

    @property
    def values(self) -> list[T]:
        """Everything that may be drawn."""
        return self._values

    def draw(self, rng: random.Random) -> T:
        return rng.choices(self._values, self._weights)[0]


class SeededEntropy:
    """The Entropy port from the seed."""

    def __init__(self, chance: Chance) -> None:
        self.random = chance.of("jitter")
        self._tokens = chance.of("tokens")

    def token(self, octets: int) -> str:
        return self._tokens.randbytes(octets).hex()
