"""An upstream with a login: its actor, its tokens and the real links, simulated around.

    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        assert await upstream.echo("hi") == "hi"

Rooms outlive their upstreams: what is on the disk is there for the next `running`.
"""

import itertools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from bridge.actor.mailbox import Mailbox
from bridge.actor.reply import Reply
from bridge.config.model import (
    BridgeConfig,
    FailoverConfig,
    LimitsConfig,
    OAuthConfig,
    UpstreamConfig,
)
from bridge.contract.principal import ANONYMOUS
from bridge.contract.router import RouterMessage
from bridge.contract.upstream import (
    Answered,
    Call,
    CallEvent,
    CallOutcome,
    UpstreamMessage,
)
from bridge.downstream.callback import CallbackDesk
from bridge.http import HttpClients
from bridge.observe.catalogue import Event
from bridge.observe.status import OAuthStatus, UpstreamStatus
from bridge.ports import Ports
from bridge.protocol.frame import Frame
from bridge.upstream.actor import UpstreamActor
from bridge.upstream.credentials import Credentials
from bridge.upstream.file_store import open_store
from bridge.upstream.login import Reception
from bridge.upstream.open_account import open_account
from bridge.wire.open import transport_for
from kit.files import MemoryFiles
from kit.login_log import LoginLog, secrets_in
from kit.network import SimulatedNetwork
from kit.people import SimulatedBrowser
from kit.processes import SimulatedProcesses
from kit.protected import ProtectedServer
from kit.provider import StrictProvider
from kit.provider_rules import EPOCH, Rules
from kit.sign_in import Person
from kit.upstream import Outcome, quiet, raw

HOME = Path("/home/someone/.foxxy-bridge")
OAUTH_PORT = 8090


class MovableClock:
    """Epoch time that runs with Trio's, and can be set."""

    def __init__(self) -> None:
        self.epoch = EPOCH

    def now(self) -> float:
        return self.epoch + trio.current_time()


class SeededTokens:
    """The Entropy port."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)

    def token(self, octets: int) -> str:
        return self.random.randbytes(octets).hex()


class Upstream:
    """One incarnation: an actor and the owner of its tokens."""

    def __init__(
        self, room: "LoginRoom", *, ports: Ports, before: "Upstream | None" = None
    ) -> None:
        config, bridge = room.config, room.bridge
        self.mailbox: Mailbox[UpstreamMessage] = Mailbox(bound=256)
        self.router: Mailbox[RouterMessage] = Mailbox(bound=1024)
        self.status: UpstreamStatus | None = None
        self.login: OAuthStatus | None = None
        self.room = room
        self.stopping = trio.Event()
        self._changed = trio.Event()
        self._numbers = itertools.count(1)
        http = HttpClients(room.network)
        servers = [(config.name, config.url)]
        self.store = open_store(bridge, ports, home=HOME, log=room.log, servers=servers)
        if before is not None:  # one store for all editions of one bridge
            self.store = before.store
        self.account = open_account(
            config,
            bridge,
            ports=ports,
            http=http,
            store=self.store,
            reception=Reception(desk=room.desk, browser=ports.browser),
            log=room.log,
        )
        self.tokens = Credentials(
            self.account,
            clock=room.clock,
            rng=ports.entropy.random,
            log=room.log,
            publish=self._heed_login,
            count=lambda step, outcome: room.counted.append((step, outcome)),
        )
        self.actor = UpstreamActor(
            config=config,
            failover=FailoverConfig(recovery_interval_ms=5000),
            transport=transport_for(
                config,
                ports=ports,
                http=http,
                bearer=self.tokens,
                log=room.log,
                limits=LimitsConfig(),
            ),
            mailbox=self.mailbox,
            to_router=self.router,
            publish=self._heed,
            epochs=itertools.count(1),
            rng=ports.entropy.random,
            log=room.log,
            version="1.0",
            tokens=self.tokens,
        )

    def _heed(self, status: UpstreamStatus) -> None:
        self.status = status
        self.room.shown.append(repr(status))
        self._wake()

    def _heed_login(self, status: OAuthStatus) -> None:
        self.login = status
        # the address to log in at is the operator's
        self.room.shown.append(repr(msgspec.structs.replace(status, login_url="")))
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def reach(self, phase: str, *, within: float = 600.0) -> None:
        """Wait until the connection is in this phase."""
        with trio.fail_after(within):
            while self.status is None or self.status.phase != phase:
                await self._changed.wait()

    async def reach_login(self, state: str, *, within: float = 600.0) -> OAuthStatus:
        """Wait until the login is in this state; one that is required: nobody tries."""
        with trio.fail_after(within):
            while not self._stands_at(state):
                await self._changed.wait()
            assert self.login is not None
            return self.login

    def _stands_at(self, state: str) -> bool:
        if self.login is None or self.login.state != state:
            return False
        return state != "login_required" or not self.login.logging_in

    async def call(self, tool: str = "echo", text: str = "hi") -> CallOutcome:
        """One call, to its outcome."""
        outcome = Outcome()
        params = {"name": tool, "arguments": {"text": text}}
        self.mailbox.offer(
            Call(
                call_id=next(self._numbers),
                frame=Frame(method="tools/call", params=raw(params)),
                reply=Reply[CallEvent, CallOutcome](outcome),
                principal=ANONYMOUS,
                session_id="s1",
                received_at=trio.current_time(),
            )
        )
        with trio.fail_after(900):
            said = await outcome.wait()
        self.room.shown.append(repr(said) + getattr(said, "public", ""))
        return said

    async def keep_calling(self, *, every: float, until: float) -> list[CallOutcome]:
        """A call now and then, as long as said; those that did not succeed."""
        failed: list[CallOutcome] = []
        while trio.current_time() < until:
            said = await self.call()
            if not isinstance(said, Answered):
                failed.append(said)
            await trio.sleep(every)
        return failed

    async def echo(self, text: str = "hi") -> str:
        """One call that must succeed; what it said."""
        outcome = await self.call(text=text)
        assert isinstance(outcome, Answered), outcome
        assert outcome.result is not None, outcome
        return msgspec.json.decode(outcome.result)["content"][0]["text"]

    def post(self, message: UpstreamMessage) -> None:
        self.mailbox.offer(message, counted=False)


class LoginRoom:
    """The world around; see `login_room`."""

    def __init__(
        self,
        nursery: trio.Nursery,
        *,
        rules: Rules | None = None,
        transport: Any = "streamablehttp",
        oauth: dict[str, Any] | None = None,
        seed: int = 1,
    ) -> None:
        self.nursery = nursery
        self.network = SimulatedNetwork()
        self.shown: list[str] = []  # what statuses and outcomes said
        self.provider = StrictProvider(rules=rules, seed=seed)
        self.server = ProtectedServer(self.provider, transport=transport)
        self.clock = MovableClock()
        self.log = LoginLog(self.clock)
        self.files = MemoryFiles()
        self.person: Callable[[str], Awaitable[object]] = Person(self.network)
        self.browser = SimulatedBrowser(person=self._visit, nursery=nursery)
        self.counted: list[tuple[str, str]] = []
        self.config: UpstreamConfig = quiet(
            "example",
            url=self.server.url,
            transport=transport,
            oauth=OAuthConfig(enabled=True, **(oauth or {})),
        )
        self.bridge = BridgeConfig(oauth_port=OAUTH_PORT)
        self.ports = Ports(
            clock=self.clock,
            entropy=SeededTokens(seed),
            processes=SimulatedProcesses(nursery, _no_child),
            network=self.network,
            files=self.files,
            browser=self.browser,
            environment={},
        )
        self.desk = CallbackDesk(
            network=self.network, clock=self.clock, log=self.log, port=OAUTH_PORT
        )

    async def _visit(self, url: str) -> None:
        await self.person(url)

    @property
    def requests(self) -> int:
        """All there were, at the provider and at the server."""
        traffic = self.server.traffic
        at_server = traffic.served + traffic.unauthorized + traffic.forbidden
        return at_server + traffic.metadata + self.provider.counts.requests.total()

    @property
    def token_file(self) -> Path:
        """Where the login is kept."""
        (found,) = [
            path
            for path in self.files.disk.files
            if path.name.startswith("server-hash-") and path.suffix == ".json"
        ]
        return found

    def stored(self) -> dict[str, Any]:
        """What the file of the login says."""
        return msgspec.json.decode(self.files.disk.files[self.token_file])

    def sleep_of_the_machine(self, seconds: float) -> None:
        """The world goes on, and this machine's monotonic clock does not."""
        self.clock.epoch += seconds
        self.provider.core.epoch += seconds

    def turn_to(self, server: ProtectedServer) -> None:
        """The next upstream goes to this server."""
        self.server = server
        self.config = msgspec.structs.replace(self.config, url=server.url)

    def another_process(self) -> Ports:
        """The ports of a second bridge on this machine."""
        files = MemoryFiles(self.files.disk)
        return msgspec.structs.replace(self.ports, files=files)

    def leaks(self) -> set[str]:
        """Secrets that logs, statuses or outcomes show."""
        clients = self.provider.clients.known.values()
        return secrets_in(
            [*self.log.lines, *self.log.texts, *self.shown],
            *(client.secret for client in clients),
            *self.provider.verifiers,
        )

    @asynccontextmanager
    async def running(
        self, *, ports: Ports | None = None, before: Upstream | None = None
    ) -> AsyncGenerator[Upstream]:
        """The upstream in the background; at the end it has stopped.

        ``before``: it is the next edition of that one, in the same bridge.
        """
        upstream = Upstream(self, ports=ports or self.ports, before=before)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upstream.actor.run, upstream.stopping)
            yield upstream
            upstream.stopping.set()
        assert upstream.actor.at_rest

    def said(self, event: Event) -> list[dict[str, object]]:
        """The fields of every such log line so far."""
        return self.log.named(event)


async def _no_child(_child: object) -> int:
    raise AssertionError("nothing here is a local server")


@asynccontextmanager
async def login_room(
    *,
    rules: Rules | None = None,
    transport: str = "streamablehttp",
    oauth: dict[str, Any] | None = None,
    seed: int = 1,
) -> AsyncGenerator[LoginRoom]:
    """Provider, server and callback listen.

    Whoever broke a rule, or showed a secret, fails the test.
    """
    async with trio.open_nursery() as nursery:
        room = LoginRoom(
            nursery, rules=rules, transport=transport, oauth=oauth, seed=seed
        )
        await room.provider.serve(room.network, nursery)
        await room.server.serve(room.network, nursery)
        await nursery.start(room.desk.run, trio.Event())
        yield room
        nursery.cancel_scope.cancel()
    assert room.provider.breaches == []
    assert room.leaks() == set()
