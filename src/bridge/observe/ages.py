"""Our own times as seconds ago and seconds ahead, for whoever has another clock. Pure.

Never less than nothing: what is due by now is due in 0 s.
"""

from bridge.observe.status import RoundTrip
from bridge.observe.tree import Proof


def ago(at: float, now: float) -> float:
    return round(max(now - at, 0.0), 3)


def ahead(at: float, now: float) -> float:
    return ago(now, at)


def proof(last: RoundTrip, now: float) -> Proof:
    """The last answer of a peer, as it is shown."""
    return Proof(by=last.by, ago=ago(last.at, now), took=round(last.took, 6))
