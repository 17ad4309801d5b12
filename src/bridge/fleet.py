"""The upstreams of one bridge: who serves each name, and who comes after whom.

A changed upstream gets a successor beside it, an actor of the next *edition*. It takes
over once it is connected, or when nobody can wait for that any longer; then the one
before drains: it takes no new call and leaves when those in flight are answered. So
no call fails because a configuration was edited.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import Protocol

import trio

from bridge.actor.child import ChildContext, ChildSpec
from bridge.actor.mailbox import Mailbox, MailboxSealed
from bridge.actor.restart import RestartPolicy, RestartType
from bridge.actor.supervisor import Supervisor
from bridge.config.model import UpstreamConfig
from bridge.contract.router import Checkpoint, Overtaken, RouterMessage, Succeeded
from bridge.contract.upstream import Drain, UpstreamAddress, UpstreamState
from bridge.control import child_id
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.observe.status import OAuthStatus, UpstreamStatus
from bridge.upstream.calls import CallLimits

#: How long the edition before goes on serving while its successor cannot connect.
SUCCESSION_PATIENCE = 30.0
#: The router answers at once; only one that is being restarted takes longer.
ROUTER_WITHIN = 5.0
#: A link closes: stdin, terminate after 3 s, kill after 3 more, and a little room.
LINK_CLOSE = 8.0
#: An upstream that only ends when it is told to (or crashes).
_UPSTREAM = RestartPolicy(type=RestartType.TRANSIENT)
_ONCE = RestartPolicy(type=RestartType.TEMPORARY)

#: Why an edition leaves, for the log.
REMOVED = "removed from the configuration"
REPLACED = "replaced by its changed configuration"
OVERTAKEN = "its configuration has changed once more"

Publish = Callable[[UpstreamStatus], None]
PublishLogin = Callable[[OAuthStatus], None]


class Registry(Protocol):
    """Who wants to know how an upstream is reached and how it is."""

    def announce(self, address: UpstreamAddress) -> None: ...
    def publish(self, status: UpstreamStatus) -> None: ...
    def publish_oauth(self, status: OAuthStatus) -> None: ...
    def forget(self, name: str) -> None: ...


class Actor(Protocol):
    """One incarnation of an upstream; ``run`` ends drained, or when told to stop."""

    @property
    def address(self) -> UpstreamAddress: ...

    async def run(self, stopping: trio.Event) -> None: ...


class Builder(Protocol):
    """Makes one incarnation of an upstream's actor."""

    def __call__(
        self,
        config: UpstreamConfig,
        *,
        edition: int,
        epochs: Iterator[int],
        publish: Publish,
        publish_login: PublishLogin,
    ) -> Actor: ...


class Edition:
    """One configuration of an upstream, and the child that runs it."""

    def __init__(self, config: UpstreamConfig, *, number: int) -> None:
        self.config = config
        self.number = number
        self.address: UpstreamAddress | None = None
        self.status: UpstreamStatus | None = None
        self.leaving = False
        self.began = trio.current_time()
        #: It may take over: it is connected, or the one before is not any more. Or it
        #: never will, because it has to leave.
        self.due = trio.Event()
        #: It has been connected, so the router may have sent it calls.
        self.has_served = False

    @property
    def id(self) -> str:
        return child_id(self.config.name, self.number)

    @property
    def is_up(self) -> bool:
        if self.status is None:
            return False
        return self.status.state == UpstreamState.CONNECTED.value


class Seat:
    """One upstream's name. Epochs and editions are counted as long as it is taken."""

    def __init__(self) -> None:
        self.serving: Edition | None = None
        self.successor: Edition | None = None
        self.leaving: set[Edition] = set()
        self.epochs = count(1)
        self.editions = count()

    @property
    def newest(self) -> Edition | None:
        return self.successor or self.serving

    @property
    def is_vacant(self) -> bool:
        return self.newest is None and not self.leaving


class Fleet:
    """Adds, replaces and removes upstreams; ``within`` bounds the drain of a removed
    one, in seconds."""

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        to_router: Mailbox[RouterMessage],
        registry: Registry,
        build: Builder,
        log: Log,
        within: float,
    ) -> None:
        self._supervisor = supervisor
        self._to_router = to_router
        self._registry = registry
        self._build = build
        self._log = log
        self._within = within
        self._seats: dict[str, Seat] = {}
        self._errands = count(1)

    def configure(self, upstreams: Iterable[UpstreamConfig]) -> None:
        """Make these the upstreams. Returns at once; children do the rest.

        The router has been told the names. An upstream whose configuration is what it
        was is not touched.
        """
        wanted = {each.name: each for each in upstreams if each.enabled}
        for name, seat in self._seats.items():
            if name not in wanted:
                self._vacate(seat)
        for name, config in wanted.items():
            seat = self._seats.setdefault(name, Seat())
            if seat.newest is None or seat.newest.config != config:
                self._fill(seat, config)

    def _vacate(self, seat: Seat) -> None:
        by = trio.current_time() + self._within
        for edition in (seat.successor, seat.serving):
            if edition is not None:
                self._disown(edition)
                self._dismiss(seat, edition, by=by, why=REMOVED)
        seat.successor = seat.serving = None

    def _fill(self, seat: Seat, config: UpstreamConfig) -> None:
        if seat.successor is not None:
            self._overtake(seat, seat.successor)
        edition = Edition(config, number=next(seat.editions))
        if seat.serving is None:
            seat.serving = edition
        else:
            seat.successor = edition
        self._supervisor.add(self._child(seat, edition))
        if edition is seat.successor:
            run = partial(self._hand_over, seat, edition)
            self._errand(f"handover:{edition.id}", run)

    def _child(self, seat: Seat, edition: Edition) -> ChildSpec:
        async def start(context: ChildContext) -> None:
            if edition.leaving:
                return  # it crashed while it drained: nothing is left to do
            actor = self._build(
                edition.config,
                edition=edition.number,
                epochs=seat.epochs,
                publish=partial(self._published, seat, edition),
                publish_login=partial(self._published_login, seat, edition),
            )
            edition.address = actor.address
            if edition is seat.newest:
                self._registry.announce(actor.address)
            context.started()
            await actor.run(context.stopping)

        return ChildSpec(
            id=edition.id,
            start=start,
            restart=_UPSTREAM,
            shutdown=LINK_CLOSE,
            group="upstreams",
        )

    def _published(self, seat: Seat, edition: Edition, status: UpstreamStatus) -> None:
        """Only the edition that serves is shown, until its successor does."""
        edition.status = status
        edition.has_served |= edition.is_up
        if edition is seat.serving:
            self._registry.publish(status)
        if seat.successor is not None and self._is_due(seat, seat.successor):
            seat.successor.due.set()

    def _published_login(
        self, seat: Seat, edition: Edition, status: OAuthStatus
    ) -> None:
        if edition is seat.newest:
            self._registry.publish_oauth(status)

    def _is_due(self, seat: Seat, successor: Edition) -> bool:
        return successor.is_up or seat.serving is None or not seat.serving.is_up

    # --- from one edition to the next ---

    def _overtake(self, seat: Seat, waiting: Edition) -> None:
        """A further edit comes while a successor still waits to take over.

        To one that has been connected the router sends the calls already, so it takes
        the seat and goes as whoever serves goes: with its calls answered.
        """
        if waiting.has_served:
            self._take_seat(seat, waiting)
            return
        self._disown(waiting)
        now = trio.current_time()
        self._dismiss(seat, waiting, by=now, why=OVERTAKEN)
        seat.successor = None

    def _disown(self, edition: Edition) -> None:
        """The router hears it before anything the edition may say from now on."""
        if edition.address is not None:
            self._to_router.offer(Overtaken(address=edition.address), counted=False)

    async def _hand_over(self, seat: Seat, new: Edition) -> None:
        if not self._is_due(seat, new):
            with trio.move_on_after(SUCCESSION_PATIENCE):
                await new.due.wait()
        if new is not seat.successor:
            return  # removed, or overtaken by a further edit
        await self._supervisor.wait_started(new.id)
        if new is seat.successor:
            self._take_seat(seat, new)

    def _take_seat(self, seat: Seat, new: Edition) -> None:
        old = seat.serving
        if old is None or new.address is None:
            return
        self._to_router.offer(Succeeded(address=new.address), counted=False)
        seat.serving, seat.successor = new, None
        if new.status is not None:
            self._registry.publish(new.status)
        self._log.emit(
            events.UPSTREAM_REPLACED,
            upstream=new.config.name,
            connected=new.is_up,
            seconds=round(trio.current_time() - new.began, 3),
        )
        # As long as a call may take: none of them is cut by an edit.
        patience = CallLimits(idle=old.config.timeout).maximum
        by = trio.current_time() + patience
        self._dismiss(seat, old, by=by, why=REPLACED)

    def _dismiss(self, seat: Seat, edition: Edition, *, by: float, why: str) -> None:
        edition.leaving = True
        edition.due.set()
        seat.leaving.add(edition)
        run = partial(self._see_off, seat, edition, Drain(deadline=by, reason=why))
        self._errand(f"farewell:{edition.id}", run)

    async def _see_off(self, seat: Seat, edition: Edition, drain: Drain) -> None:
        """Let an edition finish its calls in time, then forget it."""
        await self.router_settled()  # after this no new call comes to it
        if edition.address is not None and _told(edition.address, drain):
            with trio.move_on_at(drain.deadline):
                await self._supervisor.wait_ended(edition.id)
        await self._supervisor.remove(edition.id)
        name = edition.config.name
        self._log.emit(events.UPSTREAM_LEFT, upstream=name)
        seat.leaving.discard(edition)
        if seat.is_vacant and self._seats.get(name) is seat:
            del self._seats[name]
            self._registry.forget(name)

    async def router_settled(self) -> None:
        """The router has taken in all that was said to it. Returns in bounded time."""
        heard = trio.Event()
        self._to_router.offer(Checkpoint(heard=heard.set), counted=False)
        with trio.move_on_after(ROUTER_WITHIN):
            await heard.wait()

    def _errand(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Do something that takes time, beside everything else; a stop ends it."""
        if self._supervisor.stopping:
            return  # the stop sees everybody off

        async def start(context: ChildContext) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when, context.stopping, nursery.cancel_scope)
                await run()
                nursery.cancel_scope.cancel()

        # Names come back with the numbers of their editions; errands never do.
        name = f"{name}:{next(self._errands)}"
        self._supervisor.add(
            ChildSpec(id=name, start=start, restart=_ONCE, group="errands")
        )


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _told(address: UpstreamAddress, drain: Drain) -> bool:
    """False: the actor does not run now, so nothing of it is in flight."""
    try:
        address.mailbox.offer(drain, counted=False)
    except MailboxSealed:
        return False
    return True
