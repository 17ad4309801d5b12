"""When a token is renewed. Two clocks are asked, and the later one is believed.

The wall clock goes on while a machine sleeps, and jumps; the monotonic clock does
neither. A token is as old as the clock says that makes it older: a jump, whichever way,
costs at most one refresh too many (threats D13).
"""

from math import inf

import msgspec

from bridge.oauth.credential import TokenSet

#: Of its lifetime, the part after which a token is renewed; chance takes off a little,
#: so that the upstreams of one provider do not come all at once.
RENEW_AT = 0.8
JITTER = 0.1
#: However short a token lives, it is not renewed more often.
SHORTEST_GAP = 1.0
#: Clocks of two machines differ a little; past that a date in the future is no date.
CLOCK_SKEW = 60.0


class Moment(msgspec.Struct, frozen=True):
    """One instant on both clocks, in seconds: the epoch's, and any origin's."""

    wall: float
    monotonic: float


class Age(msgspec.Struct, frozen=True):
    """Since when a token lives, on both clocks."""

    born: Moment

    @property
    def of_the_future(self) -> bool:
        """By its date, it is not even issued yet."""
        return self.born.monotonic == -inf

    def at(self, now: Moment) -> float:
        """Seconds, never negative."""
        by_wall = now.wall - self.born.wall
        by_monotonic = now.monotonic - self.born.monotonic
        return max(by_wall, by_monotonic, 0.0)


def age_of(tokens: TokenSet, now: Moment) -> Age:
    """The age of tokens that come in, from their server or from the store, at ``now``.

    A date in the future says nothing: such tokens count as old.
    """
    elapsed = now.wall - tokens.created_at
    if elapsed < -CLOCK_SKEW:
        return Age(Moment(tokens.created_at, -inf))
    born = now.monotonic - max(elapsed, 0.0)
    return Age(Moment(tokens.created_at, born))


def remaining(tokens: TokenSet, age: Age, now: Moment) -> float:
    """Seconds it will live; infinite where its server did not say (R110)."""
    if tokens.expires_in is None:
        return inf
    return tokens.expires_in - age.at(now)


def renew_in(tokens: TokenSet, age: Age, now: Moment, *, chance: float) -> float:
    """Seconds until it is to be renewed; ``chance`` in 0..1, drawn once per token."""
    if tokens.expires_in is None:
        return inf
    wanted = tokens.expires_in * (RENEW_AT - JITTER * chance)
    return max(max(wanted, SHORTEST_GAP) - age.at(now), 0.0)
