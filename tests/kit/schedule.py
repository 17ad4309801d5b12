"""Trio schedules that can be repeated: the one place that touches Trio's private parts.

Trio shuffles ready tasks on purpose. Its generator can be seeded, but that alone is
not enough: the order before the shuffle must be fixed as well, which Trio does only in
its deterministic mode (its Hypothesis plug-in switches it on). Both are restored
afterwards. A seed is valid for one pair of Python and Trio versions;
`tests/sim/test_schedule.py` fails when an upgrade moves these names.
"""

import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from trio._core import _run  # pyright: ignore[reportPrivateUsage]

_TRIO: Any = _run
_MODE = "_ALLOW_DETERMINISTIC_SCHEDULING"


@contextmanager
def reproducible_schedule(seed: int | str) -> Generator[None]:
    """Within the block `trio.run` schedules its tasks the same way for one ``seed``."""
    generator = _TRIO._r
    mode = getattr(_TRIO, _MODE)
    assert isinstance(generator, random.Random), "Trio moved its generator"
    assert isinstance(mode, bool), "Trio moved its deterministic mode"
    state = generator.getstate()
    setattr(_TRIO, _MODE, True)
    generator.seed(str(seed))
    try:
        yield
    finally:
        setattr(_TRIO, _MODE, mode)
        generator.setstate(state)
