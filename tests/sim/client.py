"""A simulated client: visits the bridge and behaves as people's clients do."""

import random
from string import ascii_lowercase

import trio

from sim.chance import Lot
from sim.junk import throw_junk
from sim.scenario import CALLED, STEADY, Scenario
from sim.transports import McpVisit, SseVisit
from sim.visit import LOST, Refused, Stage, Visit

ACTIONS: Lot[str] = Lot(
    [
        ("call", 50),
        ("burst", 10),
        ("cancel", 12),
        ("list", 8),
        ("progress", 8),
        ("dawdle", 4),
        ("pause", 8),
        ("double", 4),
        ("junk", 6),
        ("listen again", 3),
    ]
)
LEAVES: Lot[str] = Lot([("in order", 5), ("vanish", 3), ("reset", 2), ("fade", 2)])
TOOLS: Lot[str] = Lot([("echo", 6), ("slow", 3), ("big", 2)])
BURST = 6
#: Large answers a client orders and then does not read.
UNREAD = 24
#: A second try after a refusal, and how many of them.
AGAIN = 1.0
TRIES = 16


class Client:
    """One client of one transport."""

    def __init__(
        self,
        name: str,
        *,
        kind: type[Visit],
        stage: Stage,
        rng: random.Random,
        token: str | None,
    ) -> None:
        self._name = name
        self._kind = kind
        self._stage = stage
        self._rng = rng
        self._token = token

    async def live(self, scenario: Scenario) -> None:
        """All its visits."""
        await trio.sleep(self._rng.uniform(0, 2))
        for number in range(1, scenario.visits + 1):
            await self._try_to_visit(f"{self._name}.{number}", scenario.actions)
            await trio.sleep(self._rng.uniform(0, 1))

    async def _try_to_visit(self, name: str, actions: int) -> None:
        for attempt in range(TRIES):
            visit = self._kind(
                f"{name}{ascii_lowercase[attempt]}",
                stage=self._stage,
                rng=self._rng,
                token=self._token,
            )
            try:
                async with visit.open():
                    await self._act(visit, actions)
            except* Refused:
                self._note(visit, "refused")
            except* LOST:
                self._note(visit, "lost")
            else:
                return
            if self._stage.stopping:
                return
            await trio.sleep(AGAIN)
        self._stage.trace.breach("open", f"{name} was never let in")

    def _note(self, visit: Visit, what: str) -> None:
        self._stage.trace.note(visit.name, what)

    async def _act(self, visit: Visit, actions: int) -> None:
        if isinstance(visit, McpVisit) and self._rng.random() < 0.5:
            await visit.listen()
        for _ in range(actions):
            if visit.ended:
                return
            await self._do(visit, ACTIONS.draw(self._rng))
            await trio.sleep(self._rng.expovariate(4))
        await self._leave(visit, LEAVES.draw(self._rng))

    async def _do(self, visit: Visit, action: str) -> None:  # noqa: C901 - one line per action
        match action:
            case "burst":
                for _ in range(BURST):
                    await self._call(visit)
            case "cancel":
                id_ = await self._call(visit, tool="slow")
                await trio.sleep(self._rng.uniform(0, 0.45))
                await visit.cancel(id_)
            case "list":
                await visit.request("tools/list")
            case "progress":
                await self._call(visit, progress=True)
            case "dawdle" if isinstance(visit, SseVisit):
                await self._dawdle(visit)
            case "pause":
                await trio.sleep(self._rng.uniform(0, 3))
            case "double":
                await self._call(visit, tool="slow")
                await visit.double()
            case "junk":
                await throw_junk(visit, self._rng)
            case "listen again" if isinstance(visit, McpVisit):
                await visit.listen()
            case _:
                await self._call(visit)

    async def _dawdle(self, visit: SseVisit) -> None:
        self._stage.trace.fault(visit.name, "slow reader")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visit.dawdle, self._rng.uniform(1, 40))
            for _ in range(UNREAD):
                await self._call(visit, tool="big")

    async def _call(
        self, visit: Visit, *, tool: str = "", progress: bool = False
    ) -> int:
        upstream = self._rng.choice(CALLED)
        steady = upstream == STEADY
        return await visit.call(
            upstream,
            tool or TOOLS.draw(self._rng),
            steady=steady,
            progress=progress,
        )

    async def _leave(self, visit: Visit, way: str) -> None:
        match way:
            case "in order":
                await visit.settle()
                if not visit.ended:
                    await visit.farewell()
            case "reset":
                self._stage.trace.fault(visit.name, "client reset")
                visit.leave("reset")
                visit.reset()
            case "fade":
                self._stage.trace.fault(visit.name, "client half-open")
                visit.leave("silent")
                visit.fade()
            case _:
                self._stage.trace.fault(visit.name, "client vanishes")
                visit.leave("vanished")
