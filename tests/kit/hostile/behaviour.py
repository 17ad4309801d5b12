"""One way to behave badly: its name, what it does, whom it threatens, and how.

The modules of this folder are imported by hostile servers of their own processes, which
start by the hundred: standard library only, and little of it.
"""

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Behaviour(NamedTuple, Generic[T]):
    """``says`` is one sentence; ``threats`` are ids of the threat catalogue.

    ``comes_to``: what a bridge must say of such an upstream at some time (a regular
    expression); empty: it serves the tools that are left.
    """

    says: str
    threats: str
    play: T
    comes_to: str = ""


def joined(*tables: Mapping[str, Behaviour[T]]) -> dict[str, Behaviour[T]]:
    """One table of several. Raises ValueError for a name that occurs twice."""
    whole: dict[str, Behaviour[T]] = {}
    for table in tables:
        if doubled := whole.keys() & table.keys():
            raise ValueError(f"two behaviours of one name: {sorted(doubled)}")
        whole |= table
    return whole


Work = Callable[[], None]
