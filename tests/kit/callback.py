"""A login listener on a network of its own, and the people who come to it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import trio

from bridge.contract.login import Attendance
from bridge.downstream.callback import CallbackDesk
from bridge.observe import catalogue as events
from kit.browser import Browser, Headers, Reply
from kit.front import TestClock
from kit.journal import Journal
from kit.network import SimulatedNetwork
from kit.people import Person

PORT = 8090
HERE = ("127.0.0.1", PORT)
STATE, OTHER = "5" * 32, "a" * 32
CODE = "the-secret-code"
GOOD = f"code={CODE}&state={STATE}"


class CallbackPlace:
    """A desk on a network of its own, with its log."""

    def __init__(
        self,
        nursery: trio.Nursery,
        *,
        hosts: Sequence[str] = ("127.0.0.1",),
        network: SimulatedNetwork | None = None,
        port: int = PORT,
    ) -> None:
        self.network = network or SimulatedNetwork()
        self.nursery = nursery
        self.journal = Journal()
        self.stopping = trio.Event()
        self.desk = CallbackDesk(
            network=self.network,
            clock=TestClock(),
            log=self.journal.log,
            port=port,
            hosts=hosts,
        )
        self.person = Person(self.network)

    async def start(self) -> "CallbackPlace":
        await self.nursery.start(self.desk.run, self.stopping)
        return self

    async def ask(
        self,
        target: str,
        *,
        method: str = "GET",
        host: str = "127.0.0.1:8090",
        headers: Headers = (),
    ) -> Reply:
        """One request to 127.0.0.1 on a connection of its own."""
        async with await self.network.connect(*HERE) as stream:
            return await Browser(stream, host=host).ask(method, target, headers=headers)

    async def come_back(self, query: str = GOOD) -> Reply:
        return await self.ask(f"/oauth/callback?{query}")

    async def is_open(self, host: str = "127.0.0.1") -> bool:
        try:
            stream = await self.network.connect(host, PORT)
        except ConnectionRefusedError:
            return False
        await stream.aclose()
        return True

    @property
    def refused(self) -> list[dict[str, object]]:
        return self.journal.of(events.OAUTH_CALLBACK_REFUSED)


class Visit:
    """A request on its way, and the page it gets."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.over = trio.Event()

    async def page(self) -> Reply:
        await self.over.wait()
        assert self.reply is not None
        return self.reply


def visit(place: CallbackPlace, query: str = GOOD) -> Visit:
    made = Visit()

    async def go() -> None:
        made.reply = await place.come_back(query)
        made.over.set()

    place.nursery.start_soon(go)
    return made


@asynccontextmanager
async def logged_in(
    place: CallbackPlace, state: str = STATE
) -> AsyncGenerator[Attendance]:
    async with place.desk.attend(state) as attendance:
        yield attendance
        attendance.answer(success=True)
