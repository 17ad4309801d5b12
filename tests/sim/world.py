"""The whole bridge in a simulated world: `simulate(seed)` gives the trace of one run.

Real: everything under `src/bridge`, put together by its own composition root, and the
HTTP engine under it. Simulated: clocks, chance, network, disk, processes, issuer,
identity provider, servers, people and clients. What is added later (more faults) joins
in `_World._turmoil`; what is checked later joins in `sim.watch` or `sim.ledger`, and in
the table of `sim.promises`.
"""

import gc
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch

import httpx
import trio
from trio.testing import MockClock

from bridge.upstream.actor import UpstreamActor
from kit.files import MemoryDisk
from kit.people import SimulatedBrowser
from kit.processes import Child
from kit.schedule import reproducible_schedule
from sim.canary import Canary
from sim.chance import Chance, SeededEntropy
from sim.client import Client
from sim.clock import SimulatedClock
from sim.door import SimulatedDoor
from sim.editor import Editor
from sim.host import Host
from sim.http_server import HttpServer
from sim.intruder import Intruder
from sim.ledger import Ledger
from sim.life import Life, recorded
from sim.mind import DEEDS, GUARDED_DEEDS, HTTP_DEEDS, Mind
from sim.network import SimulatedInternet
from sim.scenario import CALLED, EXTRA, GUARDED, STDIO, UPSTREAMS, WEB, Plan, Scenario
from sim.settings import base_config
from sim.stdio_server import StdioServer
from sim.thief import Thief
from sim.trace import Trace
from sim.transports import McpVisit, SseVisit
from sim.vault import UNDER_WAY, WINDOW, Vault
from sim.visit import HOST, LOST, PORT, Refused, Stage, Visit
from sim.weather import Disk, Weather, set_wrong

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
#: Sessions nobody ended are swept within this; one whose client went silent at the end
#: begins to idle only when its system gives the connection up, 26 s later.
EMPTIES_WITHIN = 45.0
#: Tokens on their way are waited for, whatever is cancelled: they are used up else.
TOKENS_WITHIN = 10.0
#: A tool that joins is known to listeners within this.
TOLD_WITHIN = 5.0
#: How often an operator looks whether somebody has to log in.
OPERATOR_LOOKS = 8.0
_CHILDREN = (*STDIO, EXTRA)


def simulate(seed: int, scenario: Scenario = DEFAULT) -> Trace:
    """Run one seed to its end. The same seed gives the same trace, in every process."""
    trace = Trace(seed)
    world = _World(seed, scenario, trace)
    with (
        reproducible_schedule(seed),
        _without_collector(),
        patch.object(httpx, "create_ssl_context", _shared_context),
        recorded(world.actors),
    ):
        try:
            trio.run(world.run, clock=MockClock(autojump_threshold=0))
        except Exception as error:  # noqa: BLE001 - whatever came out is the finding
            trace.crash("".join(traceback.format_exception(error)))
    return trace


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


class _World:
    def __init__(self, seed: int, scenario: Scenario, trace: Trace) -> None:
        self._scenario = scenario
        self._trace = trace
        self._chance = Chance(seed)
        self._plan = Plan.of(self._chance, scenario)
        self._ledger = Ledger(trace)
        self._minds = {name: self._mind(name) for name in CALLED}
        self._servers = {name: StdioServer(self._minds[name]) for name in _CHILDREN}
        self._web = HttpServer(self._minds[WEB])
        self._door = SimulatedDoor(guarded=self._plan.guarded)
        self._vault = Vault(self._chance, minds=self._minds, trace=trace)
        self._clock = SimulatedClock()
        self._disk = Disk(trace)
        self._memory = MemoryDisk()
        self._entropy = SeededEntropy(self._chance)
        self._calm = False
        self._life: Life | None = None

    def _mind(self, name: str) -> Mind:
        deeds = GUARDED_DEEDS if name in GUARDED else DEEDS
        mind = Mind(
            name,
            rng=self._chance.of(f"server {name}"),
            deeds=HTTP_DEEDS if name == WEB else deeds,
            ledger=self._ledger,
            trace=self._trace,
        )
        mind.flaky = name in self._plan.flaky
        return mind

    def actors(self) -> list[UpstreamActor]:
        """Those of the life of now."""
        return self._living.actors

    @property
    def _living(self) -> Life:
        assert self._life is not None
        return self._life

    # --- the run ---

    async def run(self) -> None:
        """Everything, from the first listener to the last task."""
        with trio.move_on_after(ENDS_WITHIN) as scope:
            async with trio.open_nursery() as around:
                await self._build(around)
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    await self._begin_life()
                    await self._story()
                    nursery.cancel_scope.cancel()
                self._check_ended()
                around.cancel_scope.cancel()
        if scope.cancelled_caught:
            self._trace.breach("progress", "the run did not come to its end")
        self._ledger.close()
        self._trace.counts["refreshes"] += self._vault.provider.counts.refreshes
        self._trace.counts["jitters"] += self._living.host.jitter.count
        self._canary.judge_lines()
        self._vault.check(self._canary.lines)

    async def _build(self, nursery: trio.Nursery) -> None:
        self._around = nursery
        self._network = SimulatedInternet(self._chance.of("network"), nursery)
        self._stage = Stage(
            network=self._network, ledger=self._ledger, trace=self._trace
        )
        tokens = [self._token(f"client{n}") for n in range(self._scenario.clients)]
        self._canary = Canary(self._trace, tokens=[each for each in tokens if each])
        self._stage.eavesdrop = self._canary.heard
        await self._web.serve(self._network, nursery)
        await self._vault.serve(self._network, nursery)
        await self._door.serve(self._network, nursery, down=self._plan.issuer_down)
        self._browser = SimulatedBrowser(person=self._vault.person, nursery=nursery)
        self._base = base_config(self._plan, auth=self._door.config, vault=self._vault)
        self._editor = Editor(
            self._base,
            stage=self._stage,
            trace=self._trace,
            rng=self._chance.of("editor"),
        )
        self._weather = Weather(
            network=self._network,
            places=self._places,
            trace=self._trace,
            over=lambda: self._calm,
            lost=self._answers_lost,
        )

    @property
    def _places(self) -> dict[str, tuple[str, int]]:
        """Where the weather may strike: only what is flaky."""
        every = {
            WEB: HttpServer.address,
            "provider": self._vault.address,
            **{name: s.site.address for name, s in self._vault.servers.items()},
        }
        flaky = {*self._plan.flaky, "provider"}
        return {name: place for name, place in every.items() if name in flaky}

    def _answers_lost(self, place: str) -> None:
        if place == "provider":
            self._vault.excuse(since=trio.current_time() - UNDER_WAY - 6)

    # --- lives ---

    async def _begin_life(self) -> None:
        host = Host(
            net=self._network,
            disk=self._memory,
            nursery=self._around,
            child=self._run_child,
            rng=self._chance.of("jitter of tasks"),
        )
        host.files.trouble = self._disk
        self._life = Life(
            self._base,
            host=host,
            clock=self._clock,
            entropy=self._entropy,
            browser=self._browser,
            canary=self._canary,
            trace=self._trace,
        )
        await self._nursery.start(self._life.run)

    async def _run_child(self, child: Child) -> int:
        return await self._servers[child.command[0]].main(child)

    async def _die_and_rise(self, at: float, *, dead_for: float) -> None:
        await trio.sleep(at)
        if self._stage.stopping:
            return
        self._trace.fault("world", "killed")
        self._stage.died()
        self._living.kill()
        writing = self._living.host.files.writing or self._disk.refuse
        window = 1000.0 if writing else WINDOW
        self._vault.excuse(since=trio.current_time() - window)
        await trio.sleep(dead_for)
        await self._begin_life()
        self._stage.rose()

    # --- the story ---

    async def _story(self) -> None:
        """Turmoil; then a stop in its middle, or calm, a check-up and a stop."""
        if self._plan.stop_early is not None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._turmoil)
                await trio.sleep(self._plan.stop_early)
                while self._life is None or self._living.host.dead:  # noqa: ASYNC110 - its next life has no event
                    await trio.sleep(0.1)
                self._trace.fault("world", "stop in the middle")
                await self._stop()
                self._calm = True
                nursery.cancel_scope.cancel()
            return
        await self._turmoil()
        await self._calm_down()
        await self._check_up()
        await trio.sleep(EMPTIES_WITHIN)
        self._living.watch.check_idle()
        await self._stop()

    async def _turmoil(self) -> None:
        async with trio.open_nursery() as trouble:
            self._make_trouble(trouble)
            async with trio.open_nursery() as nursery:
                for number in range(self._scenario.clients):
                    nursery.start_soon(self._client(number).live, self._scenario)
                for number in range(self._intruders):
                    nursery.start_soon(self._intruder(number).live)
                    nursery.start_soon(self._thief(number).live)
                if self._plan.kill is not None:
                    at, dead_for = self._plan.kill
                    die = self._die_and_rise
                    nursery.start_soon(lambda: die(at, dead_for=dead_for))
            trouble.cancel_scope.cancel()

    def _make_trouble(self, nursery: trio.Nursery) -> None:
        plan, chance = self._plan, self._chance
        if plan.weather:
            nursery.start_soon(self._weather.blow, chance.of("weather"))
        if plan.mischief:
            nursery.start_soon(self._vault.misbehave, lambda: self._calm)
        if plan.disk:
            nursery.start_soon(self._disk.fail, chance.of("disk"), lambda: self._calm)
        if plan.clock:
            nursery.start_soon(self._set_clock)
        nursery.start_soon(self._edit)
        nursery.start_soon(self._crash_actors)

    async def _crash_actors(self) -> None:
        """A bug in one actor is that actor's alone: nobody else may feel it."""
        rng = self._chance.of("crashes")
        for _ in range(self._plan.crashes):
            await trio.sleep(rng.expovariate(0.4))
            name = rng.choice([*sorted(self._plan.flaky), WEB])
            if name in self._plan.flaky and self._living.crash(name):
                self._trace.fault(name, "actor crashes")

    async def _set_clock(self) -> None:
        rng = self._chance.of("clock")
        over = self._is_calm
        await set_wrong(self._clock, rng, trace=self._trace, over=over)

    def _is_calm(self) -> bool:
        return self._calm

    async def _edit(self) -> None:
        rng = self._chance.of("edits")
        for _ in range(self._plan.reloads):
            await trio.sleep(rng.expovariate(0.6))
            if not self._living.host.dead:
                await self._editor.edit(self._living)

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

    def _thief(self, number: int) -> Thief:
        name = f"thief{number}"
        rng = self._chance.of(name)
        token = self._door.token(name)
        return Thief(name, stage=self._stage, rng=rng, token=token)

    def _token(self, name: str) -> str | None:
        return self._door.token(name) if self._plan.guarded else None

    # --- quiet ---

    async def _calm_down(self) -> None:
        self._trace.note("world", "the faults stop")
        self._calm = True
        for mind in self._minds.values():
            mind.flaky = False
        self._weather.clear()
        self._vault.heal()
        self._disk.heal()
        self._clock.skew = 0.0
        await self._editor.restore(self._living)
        self._nursery.start_soon(self._operate)
        await trio.sleep(FOUND_WITHIN)
        with trio.move_on_after(HEALS_WITHIN) as scope:
            while self._living.watch.down:  # noqa: ASYNC110 - it has no event
                await trio.sleep(0.25)
        if scope.cancelled_caught:
            self._trace.breach("heal", "; ".join(self._living.watch.down))

    async def _operate(self) -> None:
        """An operator logs in where the bridge may not ask again by itself."""
        control = self._living.bridge.control
        while not self._stage.stopping:
            for login in control.oauth():
                if login.state == "login_required" and not login.logging_in:
                    self._trace.note("operator", f"logs in to {login.name}")
                    control.login(login.name, force=False)
                elif login.login_url:  # a page that somebody closed
                    self._nursery.start_soon(self._vault.person, login.login_url)
            await trio.sleep(OPERATOR_LOOKS)

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
                    await self._check_news(visit)
            except* (Refused, *LOST) as group:
                self._trace.breach("heal", f"{visit.name}: {group.exceptions[0]!r}")

    async def _check_news(self, visit: Visit) -> None:
        """What joins is told to who listens, and is listed and callable."""
        if not isinstance(visit, SseVisit):
            return
        visit.told_of_change = trio.Event()
        await self._editor.add(self._living)
        with trio.move_on_after(TOLD_WITHIN) as scope:
            await visit.told_of_change.wait()
        if scope.cancelled_caught:
            self._trace.breach("news", "a new tool was not told to a listener")
        await visit.request("tools/list")
        if f"{EXTRA}__echo" not in visit.listed:
            self._trace.breach("news", "a new tool is not listed")
        await visit.call(EXTRA, "echo", steady=True)
        await visit.settle()

    # --- the end ---

    async def _stop(self) -> None:
        self._trace.note("world", "stop")
        began = self._stage.stopping_at = trio.current_time()
        bound = max(self._plan.drain, TOKENS_WITHIN) + 0.5
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_again)
            await self._living.bridge.stop(signal="SIGTERM")
            nursery.cancel_scope.cancel()
        with trio.move_on_after(1) as scope:
            await self._living.over.wait()
        if scope.cancelled_caught:
            self._trace.breach("drain", "the bridge did not end with its stop")
        took = trio.current_time() - began
        if took > bound:
            self._trace.breach("drain", f"the stop took {took:.3f} s")

    async def _stop_again(self) -> None:
        after = self._plan.stop_again
        if after is None or self._plan.stop_early is None:
            return
        await trio.sleep(after)
        self._trace.fault("world", "second signal")
        self._stage.cut = True
        await self._living.bridge.stop(signal="SIGTERM")

    @property
    def _was_cut(self) -> bool:
        """A part did not end in time, and was cancelled where it stood."""
        return self._trace.counts["child.cleanup_timed_out"] > 0

    def _check_ended(self) -> None:
        self._living.watch.check_ended(
            network=self._network,
            host=self._living.host,
            served=(HOST, PORT),
            cut=self._stage.cut or self._was_cut,
        )
