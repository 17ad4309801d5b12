"""Who may make the next attempt at one place. Pure: time is an argument.

A *place* is what many upstreams have in common: one host, or this machine, where it is
about starting children. The first attempts go at once; then one after the other, in the
order in which they were asked for, so nobody starves: whoever has ``n`` before it
waits for ``n`` turns. A place that asked for patience is left alone by all of them.
"""

import random  # noqa: TID251 - only the type; the generator is handed in
from math import inf

import msgspec

from bridge.upstream.retry import heeded

_SPREAD = 0.25  # the share by which a turn may be longer than ``every``


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """``burst`` attempts at once, then one ``every`` seconds; never more than
    ``at_once`` that are under way, each counted for ``hold`` seconds at most."""

    burst: int
    every: float = 0.0
    at_once: int
    hold: float


class Line:
    """The attempts at one place: those that wait, and those under way.

    A ticket is joined, goes when it is `due`, and leaves.
    """

    def __init__(self, manner: Manner, *, rng: random.Random) -> None:
        self._manner = manner
        self._rng = rng
        self._level = float(manner.burst)
        self._at = -inf
        self._aside_until = -inf
        self._last = 0
        self._waiting: dict[int, None] = {}
        self._held: dict[int, float] = {}  # until when each counts as under way

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def first(self) -> int | None:
        """Who waits the longest."""
        return next(iter(self._waiting), None)

    def is_idle(self, now: float) -> bool:
        """Nothing is worth remembering of it."""
        fresh = self._refilled(now) >= self._manner.burst
        return fresh and not (self._waiting or self._held or self.aside(now))

    def join(self) -> int:
        """A ticket at the end of the line."""
        self._last += 1
        self._waiting[self._last] = None
        return self._last

    def before(self, ticket: int) -> int:
        """How many wait longer than this one."""
        return 0 if ticket == self.first else list(self._waiting).index(ticket)

    def due(self, ticket: int, now: float) -> float:
        """When it may go, if nobody before it gives up; ``now``: at once."""
        position = self.before(ticket)
        begin = max(now, self._aside_until)
        missing = position + 1 - self._refilled(now)
        paced = begin + max(missing, 0.0) * self._manner.every
        return max(paced, self._room(position, now))

    def go(self, ticket: int, now: float) -> None:
        """It is due and takes its turn."""
        del self._waiting[ticket]
        level = self._refilled(now)
        spread = _SPREAD if level < 2 else 0.0  # noqa: PLR2004 - beyond the burst
        self._level = level - self._rng.uniform(1, 1 + spread)
        self._held[ticket] = now + self._manner.hold

    def leave(self, ticket: int) -> None:
        """It waits no more, or is no longer under way."""
        self._waiting.pop(ticket, None)
        self._held.pop(ticket, None)

    def put_aside(self, seconds: float, now: float) -> None:
        """The place asks for patience. Junk is none; the longest wish of several wins.

        Then they come one by one: it has just been in trouble.
        """
        wish = heeded(seconds)
        if wish is None:
            return
        until = now + wish
        if until > self._aside_until:
            self._aside_until = until
            self._level, self._at = 1.0, until

    def aside(self, now: float) -> float:
        """For how long it is still left alone, in seconds."""
        return max(self._aside_until - now, 0.0)

    def succeeded(self, now: float) -> None:
        """The place is well: no patience is needed, and the attempt costs nothing.

        So a place that answers is asked as fast as it answers, and one that does not at
        its pace.
        """
        if self.aside(now):
            self._aside_until, self._at = -inf, now
        back = self._refilled(now) + 1 + _SPREAD
        self._level = min(back, float(self._manner.burst))

    def _refilled(self, now: float) -> float:
        manner = self._manner
        if manner.every <= 0:
            return float(manner.burst)
        if now > self._at:
            filled = self._level + (now - self._at) / manner.every
            self._level, self._at = min(filled, float(manner.burst)), now
        return round(self._level, 9)

    def _room(self, position: int, now: float) -> float:
        """When the place has room for the one at ``position``, at the latest."""
        manner = self._manner
        ends = sorted(until for until in self._held.values() if until > now)
        over = len(ends) + position + 1 - manner.at_once
        if over <= 0:
            return now
        # Those before it would hold the room in their turn, one wave after another.
        free = manner.at_once - len(ends)
        wave = ends + [now + manner.hold] * free
        rounds, place = divmod(over - 1, manner.at_once)
        return wave[place] + rounds * manner.hold
