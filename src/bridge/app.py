"""The composition root: every part is built here, from a configuration and the world.

Start: key cache, router, upstreams (all at once, nobody waits for them), server. Stop
in reverse: the server drains first, then the upstreams together, then router and keys.
A test builds the same bridge with other ports.
"""

from pathlib import Path

import trio

from bridge import __version__
from bridge.actor.child import ChildContext, ChildSpec
from bridge.actor.mailbox import Mailbox
from bridge.actor.restart import PastBudget, RestartPolicy, RestartType
from bridge.actor.supervisor import Escalated, Supervisor
from bridge.approvals import Approvals
from bridge.assembly import Assembly
from bridge.config.diff import Difference, applied, diff
from bridge.config.model import Config
from bridge.config.where import bridge_home
from bridge.contract.router import RouterMessage
from bridge.control import READY_WITHIN, Insight, LiveControl
from bridge.downstream.control_socket import ControlPages, ListenControl, serve_control
from bridge.downstream.front import Front
from bridge.downstream.health import Health, Management
from bridge.downstream.oauth_pages import OAuthPages
from bridge.downstream.pin_pages import PinPages
from bridge.downstream.reload_pages import ReloadPages
from bridge.fleet import LINK_CLOSE, Fleet
from bridge.gauges import Gauges
from bridge.http import HttpClients
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.observe.metrics import Metrics
from bridge.observe.readings import Readings
from bridge.ports import Ports
from bridge.reload.reloader import Reloader, Running
from bridge.reload.source import ConfigSource
from bridge.router.actor import RouterActor
from bridge.router.board import Board
from bridge.router.dispatch import BridgeStopping, Dispatcher
from bridge.router.policy import EVERYTHING
from bridge.router.rules import rules_of
from bridge.router.session import Sessions
from bridge.supervision import Facts

SERVER_NAME = "mcp-trio-bridge"
ROUTER_MAILBOX = 1024
#: For a part the process cannot do without: past its budget the process ends.
_VITAL = RestartPolicy(past_budget=PastBudget.ESCALATE)
#: For a part the bridge can do without, which may also give up by itself.
_HELPFUL = RestartPolicy(type=RestartType.TRANSIENT)


class Bridge:
    """One bridge, from its first listener to its last child.

    ``home`` is the folder of the logins to upstreams. ``listen_control`` opens the
    socket the command line asks, given our port; without it there is none. ``source``
    is where the configuration is read again; without it nothing is.
    """

    def __init__(
        self,
        *,
        config: Config,
        ports: Ports,
        log: Log,
        home: Path | None = None,
        listen_control: ListenControl | None = None,
        source: ConfigSource | None = None,
    ) -> None:
        self._config = config
        self._listen_control = listen_control
        self._ports = ports
        self._log = log
        self._failure: Escalated | None = None
        self._began = self._stop_began = trio.current_time()
        self.metrics = Metrics()
        self._http = HttpClients(ports.network)
        self._board = Board()
        self._board.publish(rules_of(config), {})
        names = frozenset(policy.name for policy in self._board.rules.policies)
        self._board.set_starting(names)
        self._to_router: Mailbox[RouterMessage] = Mailbox(bound=ROUTER_MAILBOX)
        self._supervisor = Supervisor(
            log=log,
            rng=ports.entropy.random,
            stop_within=config.bridge.drain_timeout,
        )
        self._approvals = Approvals(
            lambda name: self.control.address_of(name)  # noqa: PLW0108 - made later
        )
        self._assembly = Assembly(
            bridge=lambda: self._config.bridge,
            ports=ports,
            http=self._http,
            to_router=self._to_router,
            approvals=self._approvals,
            metrics=self.metrics,
            home=home or bridge_home(None, ports.environment),
            log=log,
        )
        self._assembly.configure(config.upstreams)
        self._sessions = self._make_sessions()
        self._dispatcher = self._make_dispatcher()
        self.control = LiveControl(
            board=self._board,
            sessions=self._sessions,
            supervisor=self._supervisor,
            metrics=self.metrics,
            upstreams=config.upstreams,
            insight=self._make_insight(),
            desk=self._assembly.desk,
        )
        self.control.left_out = config.left_out
        self._fleet = Fleet(
            supervisor=self._supervisor,
            to_router=self._to_router,
            registry=self.control,
            build=self._assembly,
            log=log,
            within=config.bridge.drain_timeout,
        )
        self._reloading = trio.Lock()
        self.reloader = self._make_reloader(source)
        self._front = Front(
            config=config.bridge,
            ports=ports,
            log=log,
            http=self._http,
            board=self._board,
            sessions=self._sessions,
            dispatcher=self._dispatcher,
            control=self.control,
            metrics=self.metrics,
        )

    async def run(
        self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until `stop`. Reports its base address once it listens.

        Raises OSError when the address is in use, and `Escalated` when a part the
        bridge cannot do without keeps failing.
        """
        await self._front.listen()
        if self._supervisor.stopping:  # told to stop while the address was looked up
            await self._front.aclose()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._supervise, nursery.cancel_scope)
            self._add_children()
            await self._supervisor.wait_started("server")
            task_status.started(self._front.url)
            upstreams = len(self._board.rules.policies)
            self._log.emit(
                events.BRIDGE_STARTED,
                version=__version__,
                url=self._front.url,
                upstreams=upstreams,
            )
            await self._board.settled(EVERYTHING, within=READY_WITHIN)
            up = sum(p.up for p in self._board.presences.values())
            self._log.emit(
                events.BRIDGE_READY,
                upstreams=up,
                failed=upstreams - up - len(self._board.starting),
                starting=len(self._board.starting),
                seconds=round(trio.current_time() - self._began, 3),
            )
        if self._failure is not None:
            raise self._failure

    async def reload(self, config: Config) -> Difference:
        """Run ``config`` from now on; what changes, in names. One at a time.

        Upstreams that did not change are not touched. Keys of the bridge that need a
        restart keep their values (`Difference.restart`). Raises `BridgeStopping`, and
        `AddressRefused` for an address no login can be kept for.
        """
        async with self._reloading:
            if self.control.draining or self._supervisor.stopping:
                raise BridgeStopping("the bridge is stopping; nothing was changed")
            difference = diff(self._config, config)
            wanted = applied(self._config, config)
            # First of all: what it refuses changes nothing.
            self._assembly.configure(wanted.upstreams)
            self._config = wanted
            self.control.configure(self._config.upstreams)
            self.control.left_out = self._config.left_out
            self._to_router.offer(rules_of(self._config), counted=False)
            self._fleet.configure(self._config.upstreams)
            await self._fleet.router_settled()  # routes and lists are the new ones
            return difference

    async def stop(self, *, signal: str = "") -> None:
        """Drain and stop; a second call cuts everything. Returns when it is over."""
        seconds = self._config.bridge.drain_timeout
        self._begin_drain(signal)
        await self._supervisor.stop(within=seconds)

    def _begin_drain(self, signal: str = "") -> None:
        if self.control.draining:
            return
        self.control.draining = True
        self._stop_began = trio.current_time()
        self._dispatcher.begin_drain()
        self._log.emit(
            events.BRIDGE_DRAINING,
            signal=signal,
            seconds=self._config.bridge.drain_timeout,
            calls=self._dispatcher.in_flight,
        )

    async def _supervise(self, readiness: trio.CancelScope) -> None:
        try:
            await self._supervisor.run()
        except Escalated as failure:
            self._failure = failure  # raised by `run`, plain, once all have ended
        readiness.cancel()
        took = trio.current_time() - self._stop_began
        self._log.emit(events.BRIDGE_STOPPED, seconds=round(took, 3))

    def _make_sessions(self) -> Sessions:
        limits = self._config.bridge.limits
        sessions = Sessions(
            new_id=self._ports.entropy.token,
            limit=limits.sessions,
            limit_per_principal=limits.sessions_per_principal,
            outbox_frames=limits.outbox_frames,
            outbox_bytes=limits.outbox_bytes,
            outboxes_bytes=limits.outboxes_bytes,
            log=self._log,
        )
        self.metrics.watch_sessions(lambda: len(sessions))
        self.metrics.watch(self._read_gauges)
        return sessions

    def _make_reloader(self, source: ConfigSource | None) -> Reloader | None:
        if source is None:
            return None
        running = Running(
            config=lambda: self._config,
            draining=lambda: self.control.draining,
            apply=self.reload,
        )
        return Reloader(source, running=running, log=self._log)

    def _read_gauges(self) -> Readings:
        return Gauges(
            status=self.control.status,
            sessions=self._sessions,
            router=self._to_router,
            mailboxes=lambda: self.control.mailboxes,
            calls_in_flight=lambda: self._dispatcher.in_flight,
            connections=lambda: self._front.connections,
        ).read()

    def _make_insight(self) -> Insight:
        """What the status tells of the parts beside the upstreams."""
        return Insight(
            clock=self._ports.clock,
            keys=lambda: self._front.keys and self._front.keys.status,
            mailboxes={"router": self._to_router},
            facts=self._facts,
        )

    def _facts(self) -> dict[str, Facts]:
        table = self._board.whole
        return {
            "router": {"table": table.version, "conflicts": len(table.conflicts)},
            "callback": {"listening": self._assembly.desk.listening},
            "server": {
                "url": self._front.url,
                "sessions": len(self._sessions),
                "connections": self._front.connections,
                "inFlight": self._dispatcher.in_flight,
            },
        }

    def _make_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            board=self._board,
            sessions=self._sessions,
            to_router=lambda message: self._to_router.offer(message, counted=False),
            server_name=SERVER_NAME,
            version=__version__,
            calls_per_session=self._config.bridge.limits.calls_per_session,
            page_size=self._config.bridge.page_size,
            rate_limit=self._config.bridge.rate_limit,
            on_call=lambda upstream, outcome, seconds: self.metrics.call_finished(
                upstream, outcome, seconds=seconds
            ),
        )

    # --- children, in start order ---

    def _add_children(self) -> None:
        if self._front.keys is not None:
            self._supervisor.add(
                ChildSpec(id="keys", start=self._run_keys, restart=_VITAL)
            )
        self._supervisor.add(
            ChildSpec(id="router", start=self._run_router, restart=_VITAL)
        )
        self._supervisor.add(
            ChildSpec(id="callback", start=self._run_desk, restart=_HELPFUL)
        )
        self._supervisor.reserve("upstreams")
        self._supervisor.reserve("errands")
        self._fleet.configure(self._config.upstreams)
        if self.reloader is not None:
            self._supervisor.add(
                ChildSpec(id="reload", start=self.reloader.run, restart=_HELPFUL)
            )
        self._add_control()
        self._supervisor.add(
            ChildSpec(
                id="server",
                start=self._run_server,
                restart=_VITAL,
                shutdown=self._config.bridge.drain_timeout,
            )
        )

    async def _run_keys(self, context: ChildContext) -> None:
        if self._front.keys is not None:
            await self._front.keys.run(context.stopping)

    async def _run_router(self, context: ChildContext) -> None:
        router = RouterActor(
            mailbox=self._to_router,
            board=self._board,
            sessions=self._sessions,
            log=self._log,
            forward_logs=self._config.bridge.forward_logs,
        )
        context.started()
        await router.run(context.stopping)

    async def _run_desk(self, context: ChildContext) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self._assembly.desk.run, context.stopping)
            context.started()

    def _add_control(self) -> None:
        if self._listen_control is None:
            return
        pages = ControlPages(
            health=Health(self.control),
            management=Management(
                control=self.control,
                dispatcher=self._dispatcher,
                metrics=self.metrics.text,
            ),
            knows=self._board.knows,
            oauth=OAuthPages(self.control),
            reload=ReloadPages(self.reloader),
            pins=PinPages(self._approvals),
        )
        listen = self._listen_control

        async def start(context: ChildContext) -> None:
            await serve_control(
                pages,
                context,
                listen=lambda: listen(self._front.port),
                clock=self._ports.clock,
                log=self._log,
            )

        self._supervisor.add(ChildSpec(id="control", start=start, restart=_HELPFUL))

    async def _run_server(self, context: ChildContext) -> None:
        patience = max(self._config.bridge.drain_timeout - LINK_CLOSE, 0.0)
        await self._front.run(context, patience=patience, draining=self._begin_drain)
