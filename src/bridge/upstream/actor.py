"""The actor of one upstream: its link, its calls, its catalog, its restarts.

Everything here is synchronous but `UpstreamActor.run` and its four tasks: one hears
the mailbox, one keeps the link, one sleeps until the next alarm, one heeds the order to
stop. Each hands what it got to a handler that never waits, so no two handlers ever
interleave, and together they are the one owner of the state. Nothing awaits the wire.
"""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections.abc import Awaitable, Callable, Iterator
from typing import assert_never

import trio
from msgspec.structs import replace

from bridge.actor.mailbox import Mailbox
from bridge.config.model import FailoverConfig, LimitsConfig, UpstreamConfig
from bridge.contract import upstream as messages
from bridge.contract.catalog import Catalog
from bridge.contract.pins import Approved
from bridge.contract.router import RouterMessage
from bridge.contract.upstream import Call, UpstreamAddress, UpstreamMessage
from bridge.errors import BridgeError
from bridge.observe.logging import Log
from bridge.observe.status import UpstreamStatus
from bridge.protocol.frame import Frame
from bridge.protocol.handshake import Agreement, Introduction, legacy_handshake
from bridge.upstream import state
from bridge.upstream.admission import Admission
from bridge.upstream.alarms import Alarm, Alarms
from bridge.upstream.announcer import Announcer, Counts
from bridge.upstream.calls import CallTable, limits_of
from bridge.upstream.connection import Connection
from bridge.upstream.conversation import Conversation
from bridge.upstream.discovery import listing_limits
from bridge.upstream.faults import asks_patience
from bridge.upstream.hearing import Hearing
from bridge.upstream.inbound import Hooks, Inbound
from bridge.upstream.keeper import LinkHooks, LinkKeeper
from bridge.upstream.lifecycle import Lifecycle, event_of
from bridge.upstream.offer import Offer
from bridge.upstream.pin_keeper import PinKeeper
from bridge.upstream.retry import policy_of
from bridge.upstream.state import Phase, State
from bridge.upstream.throttle import Throttle
from bridge.upstream.token_owner import TokenOwner
from bridge.upstream.traffic import Traffic
from bridge.upstream.turns import Turn, Turns, place_of
from bridge.upstream.upkeep import Upkeep
from bridge.upstream.vitals import Fetch
from bridge.wire.link import Link, LinkEvent, Transport

PHASE_AT_LEAST = 30.0  # a server may have to be downloaded before it speaks
STATUS_GAP = 1.0  # counters are published at most so often


class UpstreamActor:
    """One upstream, from its first connection to its drain.

    ``tokens`` owns the upstream's login, if it has one, and runs inside this actor.
    ``publish`` gets a new `UpstreamStatus` whenever something has changed. ``fetch``
    serves the HTTP probes of transports that have HTTP.
    """

    def __init__(
        self,
        *,
        config: UpstreamConfig,
        failover: FailoverConfig,
        transport: Transport,
        mailbox: Mailbox[UpstreamMessage],
        to_router: Mailbox[RouterMessage],
        publish: Callable[[UpstreamStatus], None],
        epochs: Iterator[int],
        rng: random.Random,
        log: Log,
        version: str = "",
        limits: LimitsConfig | None = None,
        fetch: Fetch | None = None,
        tokens: TokenOwner | None = None,
        pins: PinKeeper | None = None,
        edition: int = 0,
        turn: Turn | None = None,
    ) -> None:
        self._config = config
        # Alone in the world it has nobody to wait for.
        self._turn = turn or Turns(rng=rng).at(place_of(config))
        self._tokens = tokens
        self._pins = pins
        self._mailbox = mailbox
        self._epochs = epochs
        self._rng = rng
        self._log = log.bind(upstream=config.name)
        self._address = UpstreamAddress(
            name=config.name, mailbox=mailbox, edition=edition
        )
        self._connection: Connection | None = None
        self._drain_by = 0.0
        self._left = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._introduction = Introduction(
            version=version, interactive=config.interactive is not False
        )
        self._patience = max(config.timeout, PHASE_AT_LEAST)
        self._alarms = Alarms()
        self._lifecycle = Lifecycle(
            State(policy=policy_of(config, failover)),
            self,
            alarms=self._alarms,
            rng=rng,
            log=self._log,
            patience=self._patience,
            renew=None if tokens is None else tokens.needed,
            name=config.name,
        )
        self._keeper = LinkKeeper(
            transport,
            self._turn,
            LinkHooks(
                tell=self._heed_news,
                opened=self._opened,
                event=self._heard,
                failed=self._failed,
            ),
        )
        self._admission = Admission(config, self._lifecycle)
        self._announcer = Announcer(
            config, self._address, self._lifecycle, to_router=to_router, publish=publish
        )
        limits = limits or LimitsConfig()
        self._build_upkeep(limits, fetch)
        self._build_traffic(failover, waiting=limits.mailbox)

    def _build_upkeep(self, limits: LimitsConfig, fetch: Fetch | None) -> None:
        self._offer = Offer(
            self._announcer, pins=self._pins, changed=self._offered_anew, log=self._log
        )
        self._upkeep = Upkeep(
            self._config,
            self._lifecycle,
            alarms=self._alarms,
            rng=self._rng,
            log=self._log,
            patience=self._patience,
            limits=listing_limits(limits),
            fetch=fetch,
            spawn=self._spawn,
            read=self._catalogued,
            failed=self._failed,
        )
        self._upkeep.vitals.withholds = self._offer.withholds

    def _build_traffic(self, failover: FailoverConfig, *, waiting: int) -> None:
        self._throttle = Throttle(
            self._config,
            failover,
            alarms=self._alarms,
            rng=self._rng,
            log=self._log,
            changed=self._rest,
        )
        self._calls = CallTable(limits_of(self._config, waiting=waiting))
        self._traffic = Traffic(
            self._config.name,
            self._calls,
            alarms=self._alarms,
            admission=self._admission,
            throttle=self._throttle,
            repeats=self._config.repeat_calls == "idempotent",
        )
        self._traffic.objection = self._offer.objection
        self._inbound = Inbound(
            self._address,
            self._calls,
            self._traffic,
            roots=self._config.roots,
            hooks=Hooks(
                lists_changed=self._upkeep.lists.changed,
                publish=self._announcer.pass_on,
            ),
            alarms=self._alarms,
            log=self._log,
        )
        self._hearing = Hearing(
            self._lifecycle,
            traffic=self._traffic,
            inbound=self._inbound,
            vitals=self._upkeep.vitals,
        )

    @property
    def address(self) -> UpstreamAddress:
        return self._address

    @property
    def at_rest(self) -> bool:
        """No call, question, own request or held notification is left."""
        errands = 0 if self._connection is None else self._connection.errands
        return self._calls.idle and self._inbound.idle and not errands

    async def run(self, stopping: trio.Event) -> None:
        """Serve until drained, or until ``stopping`` is set.

        However it ends, the mailbox is sealed and every call resolved.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._hear_mailbox)
                nursery.start_soon(self._keeper.run)
                nursery.start_soon(self._keep_time)
                nursery.start_soon(self._heed, stopping)
                nursery.start_soon(self._begin, nursery)
                await self._left.wait()
                await self._keeper.closed()
                nursery.cancel_scope.cancel()
        finally:
            self._end()

    async def _begin(self, nursery: trio.Nursery) -> None:
        """Connect, once the tokens and pins of before are read."""
        if self._tokens is not None:
            await nursery.start(self._tokens.run, self._heed_news)
        if self._pins is not None:
            await nursery.start(self._pins.run)
        self._lifecycle.feed(state.Start())
        self._after()

    def _heed_news(self, news: state.Event) -> None:
        self._lifecycle.feed(news)
        self._after()

    async def _hear_mailbox(self) -> None:
        while True:
            self._receive(await self._mailbox.receive())
            self._after()

    async def _keep_time(self) -> None:
        while True:
            for alarm in await self._alarms.ring():
                self._ring(alarm)
            self._after()

    async def _heed(self, stopping: trio.Event) -> None:
        await stopping.wait()
        if self._lifecycle.phase is not Phase.DRAINING:
            self._drain(trio.current_time(), "stopping")

    def _spawn(self, run: Callable[[], Awaitable[None]]) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(run)

    # --- the mailbox ---

    def _receive(self, message: UpstreamMessage) -> None:  # noqa: C901, PLR0912 - one line per message
        match message:
            case Call():
                self._traffic.submit(message)
            case messages.Cancel():
                self._traffic.cancel(message)
            case messages.Answer():
                self._inbound.answered(message)
            case messages.Notify():
                self._pass_on(message.frame)
            case messages.Subscriptions():
                self._upkeep.wishes.subscribe(message.uris)
            case messages.LogLevel():
                self._upkeep.wishes.log_level(message.level)
            case messages.Announce():
                self._announce()
            case messages.Poke():
                if message.reconnect:
                    self._throttle.forget()
                self._lifecycle.feed(state.Poke(message.reason, message.reconnect))
            case messages.Rescan():
                self._upkeep.lists.changed()
            case messages.Reauthorize():
                self._reauthorize(message)
            case messages.Forget():
                if self._tokens is not None:
                    self._tokens.log_out()
            case messages.Approve():
                self._offer.approve(message)
            case messages.Drain():
                self._drain(message.deadline, message.reason)
            case _:
                assert_never(message)

    def _pass_on(self, frame: Frame) -> None:
        if self._connection is not None and self._lifecycle.phase is Phase.READY:
            self._connection.pass_on(frame)

    def _reauthorize(self, message: messages.Reauthorize) -> None:
        if self._tokens is None:
            self._lifecycle.feed(state.Poke(message.reason))
        else:
            self._tokens.log_in(force=message.force)

    def _announce(self) -> None:
        if self._lifecycle.phase is Phase.READY:
            self._announcer.up()
        else:
            self._announcer.down()

    def _drain(self, deadline: float, reason: str) -> None:
        self._drain_by = deadline
        self._lifecycle.feed(state.Drain(reason))
        self._after()

    # --- the link ---

    def _opened(self, link: Link) -> None:
        epoch = self._lifecycle.next_epoch(self._epochs)
        self._connection = Connection(
            link, epoch=epoch, rng=self._rng, alarms=self._alarms
        )
        self._inbound.open(self._connection)
        self._lifecycle.feed(state.LinkOpened())

    def _failed(self, error: BridgeError) -> None:
        self._turn.put_aside(asks_patience(error))
        self._lifecycle.feed(event_of(error))
        self._after()

    def _heard(self, event: LinkEvent) -> None:
        if self._connection is not None:
            self._hearing.heard(self._connection, event)
            self._after()

    # --- the machine's hands ---

    def open_link(self) -> None:
        self._keeper.open()

    def close_link(self) -> None:
        self._keeper.close()
        self._turn.over()
        self._upkeep.close()
        self._inbound.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _linked(self) -> Connection:
        """The machine asks for these only between `LinkOpened` and `CloseLink`."""
        assert self._connection is not None
        return self._connection

    def send_handshake(self) -> None:
        Conversation(
            self._linked(),
            legacy_handshake(self._introduction),
            patience=self._patience,
            done=self._agreed,
            failed=self._failed,
        ).begin()

    def list_all(self) -> None:
        self._upkeep.lists.open(self._linked())

    def fail_in_flight(self) -> None:
        reason = self._lifecycle.state.reason
        if self._lifecycle.phase is Phase.STOPPED:
            self._traffic.close(reason)
        else:
            self._traffic.interrupt(reason)

    def serve(self) -> None:
        connection = self._linked()
        self._turn.went_well()
        self._throttle.reconnected()
        self._announcer.up()
        self._upkeep.open(connection)
        self._traffic.open(connection)

    def publish_change(self) -> None:
        self._announcer.changed()

    def publish_down(self) -> None:
        self._announcer.down()

    def finish_calls(self) -> None:
        self._alarms.set(Alarm.DRAIN, self._drain_by)
        self._traffic.take_no_more()
        if not self._traffic.is_open:
            self._traffic.interrupt(self._lifecycle.state.reason)

    def leave(self) -> None:
        self._left.set()

    def changed(self) -> None:
        """Publish a snapshot."""
        self._alarms.clear(Alarm.STATUS)
        self._announcer.publish(self._counts())

    def _agreed(self, agreement: Agreement) -> None:
        connection = self._linked()
        connection.agreement = agreement
        connection.link.agreed(agreement.revision)
        connection.notify("notifications/initialized")
        self._lifecycle.feed(state.Agreed())

    def _rest(self, until: float) -> None:
        """The circuit or a pause has changed: nothing is asked before ``until``."""
        self._upkeep.rest(until)
        self.changed()

    def _catalogued(self, catalog: Catalog) -> None:
        changed = self._offer.read(catalog)
        if changed or self._lifecycle.phase is not Phase.READY:
            self._lifecycle.feed(state.Catalogued())
            self.changed()

    def _offered_anew(self) -> None:
        """The same catalog, but more or less of it may be served."""
        if self._lifecycle.phase is Phase.READY:
            self._lifecycle.feed(state.Catalogued())
        self.changed()

    # --- time ---

    def _ring(self, alarm: Alarm) -> None:  # noqa: C901, PLR0912 - one line per alarm
        match alarm:
            case Alarm.PAUSE:
                self._lifecycle.feed(state.Waited())
            case Alarm.PHASE:
                self._lifecycle.overdue()
            case Alarm.STABLE:
                self._lifecycle.feed(state.Stable())
            case Alarm.SWEEP:
                self._sweep()
            case Alarm.PROGRESS:
                self._traffic.release_progress()
            case Alarm.NEWS:
                self._inbound.release()
            case Alarm.RELIST:
                self._upkeep.lists.ring()
            case Alarm.WISHES:
                self._upkeep.wishes.ring()
            case Alarm.PROBE:
                self._upkeep.vitals.ring()
            case Alarm.CIRCUIT:
                self._throttle.ring()
            case Alarm.RATE:
                self._traffic.pump()
            case Alarm.DRAIN:
                self._lifecycle.feed(state.CallsDone())
            case Alarm.STATUS:
                self.changed()
            case _:
                assert_never(alarm)

    def _sweep(self) -> None:
        now = trio.current_time()
        self._traffic.sweep(now)
        self._inbound.sweep(now)
        if self._connection is not None:
            self._connection.sweep(now)
        due = min(self._calls.next_due(), self._inbound.next_due())
        if self._connection is not None:
            due = min(due, self._connection.next_due())
        self._alarms.no_later(Alarm.SWEEP, due)

    def _after(self) -> None:
        """After each handler: drained yet? And counters may have moved."""
        if self._lifecycle.phase is Phase.DRAINING and self._calls.idle:
            self._lifecycle.feed(state.CallsDone())
        if self._announcer.is_stale(self._counts()) and not self._left.is_set():
            self._alarms.no_later(Alarm.STATUS, trio.current_time() + STATUS_GAP)

    def _counts(self) -> Counts:
        parts = (self._hearing, self._traffic, self._inbound)
        return Counts(
            in_flight=self._calls.in_flight,
            queued=self._calls.waiting,
            dropped=sum(part.dropped for part in parts),
            proved=self._hearing.proved,
            circuit=self._throttle.circuit.value,
            rests_until=self._throttle.rests_until,
        )

    def _end(self) -> None:
        """Whatever the reason: nobody may be left waiting."""
        left = self._mailbox.seal()
        if self._lifecycle.phase is not Phase.STOPPED:
            self._lifecycle.state = replace(
                self._lifecycle.state,
                phase=Phase.STOPPED,
                reason="the upstream's actor has ended",
            )
        self.close_link()  # first: nothing more is said on a link that may be gone
        self._traffic.close(self._lifecycle.state.reason)
        for message in left:
            if isinstance(message, Call):
                message.reply.resolve(self._admission.unavailable())
            elif isinstance(message, messages.Approve):
                message.reply.resolve(Approved(misfits=message.wanted))
        self._alarms.clear_all()
        self._announcer.down()
        self.changed()
