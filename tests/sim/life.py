"""One life of the bridge: its process, its ports, its log, its end."""

# pyright: reportPrivateUsage=false

import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import trio

from bridge.app import Bridge
from bridge.config.model import Config
from bridge.ports import Browser, Entropy, Ports, WallClock
from bridge.upstream.actor import UpstreamActor
from sim.canary import Canary, open_log
from sim.host import Host
from sim.trace import Trace
from sim.watch import Watch

HOME = Path("/home/someone/.bridge")


class Life:
    """Begins with `run`; ends by itself once stopped, or at once by `kill`."""

    def __init__(
        self,
        config: Config,
        *,
        host: Host,
        clock: WallClock,
        entropy: Entropy,
        browser: Browser,
        canary: Canary,
        trace: Trace,
    ) -> None:
        self.host = host
        self.config = config
        #: Every incarnation of every upstream, oldest first.
        self.actors: list[UpstreamActor] = []
        self.over = trio.Event()
        self._trace = trace
        self._canary = canary
        self._scope = trio.CancelScope()
        log = open_log(trace, canary=canary, clock=clock, silent=lambda: host.dead)
        self.bridge = Bridge(
            config=config,
            ports=Ports(
                clock=clock,
                entropy=entropy,
                processes=host.processes,
                network=host.network,
                files=host.files,
                browser=browser,
                environment={},
            ),
            log=log,
            home=HOME,
        )
        self.watch = Watch(
            self.bridge,
            limits=config.bridge.limits,
            actors=self.actors,
            trace=trace,
        )

    async def run(
        self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """The whole life. A bridge that fails is a finding."""
        try:  # around the scope: a kill may meet an actor that has just crashed
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._look)
                    await self.bridge.run(task_status=task_status)
                    nursery.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - whatever came out is the finding
            self._failed(error)
        self.over.set()

    def _failed(self, error: Exception) -> None:
        if not self.host.dead:
            self._trace.breach("exit", f"the bridge ended with {error!r}")
            self._trace.crash("".join(traceback.format_exception(error)))

    async def _look(self) -> None:
        while not self.host.dead:
            self.watch.look()
            self._canary.ask(self.bridge)
            await trio.sleep(Watch.every)

    def kill(self) -> None:
        """SIGKILL: nothing of it is seen from outside from now on."""
        self.host.die()
        self._scope.cancel()

    def crash(self, name: str) -> bool:
        """Raise in an actor of this upstream. False: none runs now."""
        for actor in reversed(self.actors):
            nursery = actor._nursery
            if actor.address.name != name or nursery is None or not nursery.child_tasks:
                continue
            actor._spawn(_bug)
            return True
        return False

    def made(self, name: str) -> int:
        """How many actors of this upstream there were."""
        return sum(actor.address.name == name for actor in self.actors)


async def _bug() -> None:
    await trio.lowlevel.checkpoint()
    raise RuntimeError("a bug of the bridge")


@contextmanager
def recorded(actors: Callable[[], list[UpstreamActor]]) -> Generator[None]:
    """Whoever makes an actor within the block has it kept in the list of now."""
    begin = UpstreamActor.__init__

    def init(self: UpstreamActor, **parts: Any) -> None:
        begin(self, **parts)
        actors().append(self)

    with patch.object(UpstreamActor, "__init__", init):
        yield
