"""The whole bridge in a simulated world: `simulate(seed)` gives the trace of one run.

Real: everything under `src/bridge`, put together by its own composition root, and the
HTTP engine under it. Simulated: clock, chance, network, processes, issuer, servers and
clients. What is added later (more faults, an identity provider, reloads) joins in
`_World._turmoil`; what is checked later joins in `sim.watch` or `sim.ledger`.
"""

import gc
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Self
from unittest.mock import patch

import httpx
import trio
from trio.testing import MockClock

from bridge import app
from bridge.app import Bridge
from bridge.config.model import (
    BridgeConfig,
    Config,
    FailoverConfig,
    HealthCheckConfig,
    LimitsConfig,
    UpstreamConfig,
)
from bridge.observe.catalogue import Event
from bridge.observe.logging import Log
from bridge.ports import Ports
from bridge.upstream.actor import UpstreamActor
from kit.files import MemoryFiles
from kit.people import SimulatedBrowser
from kit.processes import Child, SimulatedProcesses
from kit.schedule import reproducible_schedule
from sim import door as issuer
from sim.chance import Chance, SeededEntropy
from sim.client import Client
from sim.door import SimulatedClock, SimulatedDoor
from sim.http_server import HttpServer
from sim.intruder import Intruder
from sim.ledger import Ledger
from sim.mind import DEEDS, HTTP_DEEDS, Mind
from sim.network import SimulatedInternet
from sim.scenario import STDIO, UPSTREAMS, WEB, Plan, Scenario
from sim.stdio_server import StdioServer
from sim.trace import Trace
from sim.transports import McpVisit, SseVisit
from sim.visit import HOST, LOST, PORT, Refused, Stage, Visit
from sim.watch import Watch

DEFAULT = Scenario()
#: Reading the machine's certificates takes longer than many a run.
_shared_context = cache(httpx.create_ssl_context)
#: A run that takes longer (virtual seconds) is stuck.
ENDS_WITHIN = 900.0
#: After the faults stop, every upstream is back within this: a hang in the handshake
#: takes 30 s to be noticed, then comes a pause.
HEALS_WITHIN = 50.0
#: A hang begun before is found by the health checks within this.
FOUND_WITHIN = 12.0
#: Sessions nobody ended are swept within this.
EMPTIES_WITHIN = 50.0
CALL_TIMEOUT = 6.0

LIMITS = LimitsConfig(
    outbox_frames=12,
    outbox_bytes=24 * 1024,
    calls_per_session=16,
    session_idle=20.0,
    mailbox=64,
)


def simulate(seed: int, scenario: Scenario = DEFAULT) -> Trace:
    """Run one seed to its end. The same seed gives the same trace, in every process."""
    trace = Trace(seed)
    world = _World(seed, scenario, trace)
    with (
        reproducible_schedule(seed),
        _without_collector(),
        patch.object(httpx, "create_ssl_context", _shared_context),
        patch.object(app, "UpstreamActor", _recorded(world.actors)),
    ):
        try:
            trio.run(world.run, clock=MockClock(autojump_threshold=0))
        except Exception as error:  # noqa: BLE001 - whatever came out is the finding
            _report_crash(trace, error)
    return trace


def _report_crash(trace: Trace, error: Exception) -> None:
    text = "".join(traceback.format_exception(error))
    trace.crash(text)


@contextmanager
def _without_collector() -> Generator[None]:
    """Finalisers run with the last reference, not when memory is short."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _TracedLog(Log):
    """The bridge's own events become part of the trace."""

    def __init__(self, trace: Trace, context: dict[str, object]) -> None:
        super().__init__(None)
        self._trace = trace
        self._context = context

    def bind(self, **context: object) -> Self:
        return type(self)(self._trace, {**self._context, **context})

    def emit(self, event: Event, **fields: object) -> None:
        every = {**self._context, **fields}
        said = " ".join(f"{key}={value}" for key, value in every.items())
        self._trace.note("bridge", f"{event.name} {said}")


class _World:
    def __init__(self, seed: int, scenario: Scenario, trace: Trace) -> None:
        self._scenario = scenario
        self._trace = trace
        self._chance = Chance(seed)
        self._plan = Plan.of(self._chance, scenario)
        self._ledger = Ledger(trace)
        self._network = SimulatedInternet(self._chance.of("network"))
        self._door = SimulatedDoor(guarded=self._plan.guarded)
        self._stage = Stage(network=self._network, ledger=self._ledger, trace=trace)
        self._minds = {name: self._mind(name) for name in UPSTREAMS}
        self._servers = {name: StdioServer(self._minds[name]) for name in STDIO}
        self._web = HttpServer(self._minds[WEB])
        self._over = trio.Event()
        self.actors: list[UpstreamActor] = []

    def _mind(self, name: str) -> Mind:
        mind = Mind(
            name,
            rng=self._chance.of(f"server {name}"),
            deeds=HTTP_DEEDS if name == WEB else DEEDS,
            ledger=self._ledger,
            trace=self._trace,
        )
        mind.flaky = name in self._plan.flaky
        return mind

    # --- the run ---

    async def run(self) -> None:
        """Everything, from the first listener to the last task."""
        with trio.move_on_after(ENDS_WITHIN) as scope:
            async with trio.open_nursery() as around:
                await self._build(around)
                async with trio.open_nursery() as nursery:
                    await nursery.start(self._host)
                    nursery.start_soon(self._watch.keep_looking)
                    await self._story()
                    nursery.cancel_scope.cancel()
                self._check_ended()
                around.cancel_scope.cancel()
        if scope.cancelled_caught:
            self._trace.breach("progress", "the run did not come to its end")
        self._ledger.close()

    async def _build(self, nursery: trio.Nursery) -> None:
        self._processes = SimulatedProcesses(nursery, self._run_child)
        await self._web.serve(self._network, nursery)
        await self._door.serve(self._network, nursery, down=self._plan.issuer_down)
        self._bridge = self._make_bridge()
        self._watch = Watch(
            self._bridge, limits=LIMITS, actors=self.actors, trace=self._trace
        )

    def _make_bridge(self) -> Bridge:
        ports = Ports(
            clock=SimulatedClock(),
            entropy=SeededEntropy(self._chance),
            processes=self._processes,
            network=self._network,
            files=MemoryFiles(),
            browser=SimulatedBrowser(present=False),
            environment={},
        )
        return Bridge(
            config=self._config(), ports=ports, log=_TracedLog(self._trace, {})
        )

    def _config(self) -> Config:
        stdio = [_upstream(name, command=name) for name in STDIO]
        web = _upstream(WEB, url=HttpServer.url, transport="streamablehttp")
        return Config(
            upstreams=(*stdio, web),
            bridge=BridgeConfig(
                host=HOST,
                port=PORT,
                auth=self._door.config,
                limits=LIMITS,
                failover=FailoverConfig(recovery_interval_ms=2000),
                drain_timeout=self._plan.drain,
            ),
        )

    async def _run_child(self, child: Child) -> int:
        return await self._servers[child.command[0]].main(child)

    async def _host(
        self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
    ) -> None:
        try:
            await self._bridge.run(task_status=task_status)
        except Exception as error:  # noqa: BLE001 - a bridge that fails is a finding
            self._trace.breach("exit", f"the bridge ended with {error!r}")
            _report_crash(self._trace, error)
        self._over.set()

    async def _story(self) -> None:
        """Turmoil; then a stop in its middle, or calm, a check-up and a stop."""
        if self._plan.stop_early is not None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._turmoil)
                await trio.sleep(self._plan.stop_early)
                self._trace.fault("world", "stop in the middle")
                await self._stop()
            return
        await self._turmoil()
        await self._calm_down()
        await self._check_up()
        await trio.sleep(EMPTIES_WITHIN)
        self._watch.check_idle()
        await self._stop()

    async def _turmoil(self) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(self._scenario.clients):
                client = self._client(number)
                nursery.start_soon(client.live, self._scenario)
            for number in range(self._intruders):
                nursery.start_soon(self._intruder(number).live)
            if WEB in self._plan.flaky:
                nursery.start_soon(self._shake_network)

    @property
    def _intruders(self) -> int:
        return self._scenario.intruders if self._plan.guarded else 0

    def _client(self, number: int) -> Client:
        kind = (SseVisit, McpVisit)[number % 2]
        name = f"{'sse' if kind is SseVisit else 'mcp'}{number}"
        return Client(
            name,
            kind=kind,
            stage=self._stage,
            rng=self._chance.of(f"client {name}"),
            token=self._token(name),
        )

    def _intruder(self, number: int) -> Intruder:
        name = f"intruder{number}"
        rng = self._chance.of(name)
        return Intruder(name, stage=self._stage, rng=rng, door=self._door)

    def _token(self, name: str) -> str | None:
        return self._door.token(name) if self._plan.guarded else None

    async def _shake_network(self) -> None:
        rng = self._chance.of("weather")
        await trio.sleep(rng.uniform(0.5, 6.0))
        if self._network.cut(HttpServer.address):
            self._trace.fault(WEB, "connections reset")
        if rng.random() < 0.5:
            self._trace.fault(WEB, "connections refused")
            self._network.refused.add(HttpServer.address)
            await trio.sleep(rng.uniform(0.5, 6.0))
            self._network.refused.discard(HttpServer.address)

    async def _calm_down(self) -> None:
        self._trace.note("world", "the faults stop")
        for mind in self._minds.values():
            mind.flaky = False
        await trio.sleep(FOUND_WITHIN)
        with trio.move_on_after(HEALS_WITHIN) as scope:
            while self._watch.down:  # noqa: ASYNC110 - it has no event
                await trio.sleep(0.25)
        if scope.cancelled_caught:
            self._trace.breach("heal", "; ".join(self._watch.down))

    async def _check_up(self) -> None:
        """Every upstream answers, over both ways in."""
        kinds: Sequence[type[Visit]] = (SseVisit, McpVisit)
        for kind in kinds:
            visit = kind(
                f"checkup {kind.__name__}",
                stage=self._stage,
                rng=self._chance.of("checkup"),
                token=self._token("checkup"),
            )
            try:
                async with visit.open():
                    await visit.request("tools/list")
                    for upstream in UPSTREAMS:
                        await visit.call(upstream, "echo", steady=True)
                    await visit.settle()
            except* (Refused, *LOST) as group:
                self._trace.breach("heal", f"{visit.name}: {group.exceptions[0]!r}")

    async def _stop(self) -> None:
        self._trace.note("world", "stop")
        began = self._stage.stopping_at = trio.current_time()
        await self._bridge.stop(signal="SIGTERM")
        with trio.move_on_after(1) as scope:
            await self._over.wait()
        if scope.cancelled_caught:
            self._trace.breach("drain", "the bridge did not end with its stop")
        took = trio.current_time() - began
        if took > self._plan.drain + 0.5:
            self._trace.breach("drain", f"the stop took {took:.3f} s")

    def _check_ended(self) -> None:
        self._watch.check_ended(
            network=self._network,
            processes=self._processes,
            dialled=(HttpServer.address, issuer.ADDRESS),
            served=(HOST, PORT),
        )


def _upstream(name: str, **settings: Any) -> UpstreamConfig:
    return UpstreamConfig(
        name=name,
        timeout=CALL_TIMEOUT,
        retry_delay_ms=200,
        health_check=HealthCheckConfig(
            interval_ms=4000,
            timeout_ms=1500,
            keep_alive_interval_ms=4000,
            keep_alive_timeout_ms=1500,
            max_consecutive_failures=2,
            restart_delay_ms=200,
            max_restart_attempts=4,
        ),
        **settings,
    )


def _recorded(actors: list[UpstreamActor]) -> Callable[..., UpstreamActor]:
    """Makes actors as the class does, and keeps them."""

    def make(**parts: Any) -> UpstreamActor:
        actor = UpstreamActor(**parts)
        actors.append(actor)
        return actor

    return make
