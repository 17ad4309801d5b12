"""Attempts of all upstreams, place by place: nobody storms a host, or this machine.

Drives `bridge.upstream.line`. Shared by every upstream of a bridge; each holds one
`Turn`. Who waits sleeps in its own task and is woken when the line moves, so that a
wait at one place costs nothing at another, and no upstream runs another's code.
"""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections.abc import Callable
from math import inf
from urllib.parse import urlsplit

import msgspec
import trio

from bridge.config.model import UpstreamConfig
from bridge.errors import LinkError
from bridge.upstream.line import Line, Manner

#: Towards a host: a handful at once, as a browser would, then four a second. An attempt
#: that hangs gives its place away after a while, or eight of them could block a host.
HOST = Manner(burst=8, every=0.25, at_once=16, hold=10.0)
#: Children that start cost this machine: a package runner loads for seconds on every
#: core. One that does not speak within the hold gives its place away, too.
MACHINE = Manner(burst=8, at_once=8, hold=10.0)
#: Where a provider's metadata and tokens are asked for: a login is several requests.
PROVIDER = Manner(burst=20, every=0.1, at_once=32, hold=10.0)

_THIS_MACHINE = "this machine"
_WORTH_TELLING = 1.0  # seconds by which what was told of a wait has changed
_NOWHERE = "an unknown host"
_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}

#: Told until when it waits, and why, whenever that has changed.
Queued = Callable[[float, str], None]


class PutAside(LinkError):
    """The place asked for ``seconds`` of patience: nothing was tried."""

    code = "link.put_aside"

    def __init__(self, public: str, *, seconds: float) -> None:
        super().__init__(public)
        self.seconds = seconds


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What attempts have in common. ``name`` is shown."""

    name: str
    manner: Manner


def place_of(config: UpstreamConfig) -> Place:
    """Where the attempts of this upstream go."""
    if config.url:
        return Place(name=authority_of(config.url), manner=HOST)
    return Place(name=_THIS_MACHINE, manner=MACHINE)


def authority_of(url: str) -> str:
    """``host:port`` of an address: which scheme leads there makes no difference."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # no address at all: whoever connects says so
        return _NOWHERE
    bracketed = f"[{host}]" if ":" in host else host
    return f"{bracketed}:{port or _DEFAULT_PORTS.get(parts.scheme, 0)}"


class _Queue:
    """A line, and what wakes those who wait in it.

    Only the first one is woken when the line moves, and wakes the next when it goes:
    a hundred that wait cost no more than one.
    """

    def __init__(self, line: Line) -> None:
        self.line = line
        self.woken: dict[int, trio.Event] = {}

    def move(self) -> None:
        first = self.line.first
        if first is not None and (event := self.woken.get(first)) is not None:
            event.set()

    def wake_all(self) -> None:
        for event in self.woken.values():
            event.set()

    async def sleep(self, ticket: int, until: float) -> None:
        """Until ``until``, or until it is woken."""
        event = self.woken[ticket] = trio.Event()
        try:
            with trio.move_on_at(until):
                await event.wait()
        finally:
            del self.woken[ticket]


class Turns:
    """The lines of all places; built once per bridge."""

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng
        self._queues: dict[Place, _Queue] = {}

    def __len__(self) -> int:
        """How many places are remembered."""
        return len(self._queues)

    def at(self, place: Place) -> "Turn":
        """The attempts of one upstream at ``place``, one at a time."""
        return Turn(self, place)

    def queue(self, place: Place) -> _Queue:
        """The line of a place; lines nobody needs any more are forgotten."""
        found = self._queues.get(place)
        if found is None:
            self._forget_idle()
            found = self._queues[place] = _Queue(Line(place.manner, rng=self._rng))
        return found

    def _forget_idle(self) -> None:
        now = trio.current_time()
        for place in [p for p, q in self._queues.items() if q.line.is_idle(now)]:
            del self._queues[place]


class Turn:
    """One upstream's place in its line."""

    def __init__(self, turns: Turns, place: Place) -> None:
        self._turns = turns
        self._place = place
        self._ticket: int | None = None

    async def take(self, queued: Queued, *, within: float = inf) -> None:
        """Return when an attempt may be made; `over` or `went_well` ends it.

        At once for one that is alone. Raises `PutAside` when the place has asked for
        patience, or the turn does not come ``within`` so many seconds.
        """
        self.over()
        queue = self._turns.queue(self._place)
        self._ticket = ticket = queue.line.join()
        try:
            await self._wait(queue, ticket, queued=queued, within=within)
        except BaseException:
            self.over()
            raise
        queue.line.go(ticket, trio.current_time())
        queue.move()

    def over(self) -> None:
        """No attempt is made or wished for any more."""
        if self._ticket is None:
            return
        queue = self._turns.queue(self._place)
        queue.line.leave(self._ticket)
        self._ticket = None
        queue.move()

    def went_well(self) -> None:
        """The attempt has succeeded: the place is well."""
        queue = self._turns.queue(self._place)
        queue.line.succeeded(trio.current_time())
        self.over()
        queue.move()

    def put_aside(self, seconds: float | None) -> None:
        """The place asked everybody for so much patience, if it did."""
        if seconds is not None:
            queue = self._turns.queue(self._place)
            queue.line.put_aside(seconds, trio.current_time())
            queue.wake_all()

    async def _wait(
        self, queue: _Queue, ticket: int, *, queued: Queued, within: float
    ) -> None:
        last = trio.current_time() + within
        told = -inf
        while True:
            now = trio.current_time()
            if self._ticket != ticket:  # given up while it was being woken
                await trio.lowlevel.checkpoint_if_cancelled()
                raise PutAside("the attempt was given up", seconds=0.0)
            self._check_aside(queue.line, now)
            due = queue.line.due(ticket, now)
            if due <= now:
                return
            if due > last:
                raise PutAside(
                    f"too many others wait for {self._place.name}", seconds=due - now
                )
            if abs(due - told) > _WORTH_TELLING:
                told = due
                queued(due, self._reason(queue.line.before(ticket)))
            await queue.sleep(ticket, due)

    def _check_aside(self, line: Line, now: float) -> None:
        left = line.aside(now)
        if left > 0:
            raise PutAside(
                f"{self._place.name} asks for patience: it is left alone"
                f" for {left:.0f} s",
                seconds=left,
            )

    def _reason(self, before: int) -> str:
        others = f"{before} attempts before it" if before else "it is the next"
        return f"waits for its turn at {self._place.name}: {others}"
