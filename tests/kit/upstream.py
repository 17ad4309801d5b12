"""A legacy MCP server in memory behind a fake link, and an actor around it.

`ScriptedServer` answers what it hears by its ``methods``; whatever has no entry there
is kept in ``held`` until a test answers it. `FakeTransport` opens links to it.
"""

import itertools
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from math import inf
from typing import Any, TypeVar

import msgspec
import structlog.testing
import trio
import trio.testing
from msgspec import UNSET, Raw

from bridge.actor.mailbox import Mailbox
from bridge.actor.reply import Reply
from bridge.config.model import (
    FailoverConfig,
    HealthCheckConfig,
    LimitsConfig,
    UpstreamConfig,
)
from bridge.contract.principal import ANONYMOUS, Principal
from bridge.contract.router import RouterMessage
from bridge.contract.upstream import (
    Answered,
    Call,
    CallEvent,
    CallOutcome,
    Question,
    UpstreamMessage,
)
from bridge.errors import BridgeError, LinkBusy, LinkError, LinkLost
from bridge.observe.logging import Log
from bridge.observe.status import UpstreamStatus
from bridge.protocol.frame import Frame, raw, value
from bridge.upstream.actor import UpstreamActor
from bridge.upstream.pin_keeper import PinKeeper
from bridge.upstream.token_owner import Tell, TokenOwner
from bridge.upstream.turns import Turns, place_of
from bridge.upstream.vitals import Fetch
from bridge.wire.link import (
    Link,
    LinkEvent,
    Outgoing,
    Received,
    RequestFailed,
)

T = TypeVar("T")

#: Params in, result out. A `LinkError` fails the request, `Refusal` is an error answer.
Method = Callable[[dict[str, Any]], object]


class Refusal(Exception):
    """Raised by a method: answer with this JSON-RPC error."""

    def __init__(self, code: int, message: str = "no") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def tool(name: str, **members: object) -> dict[str, object]:
    """A tool as a server lists it."""
    return {"name": name, "inputSchema": {"type": "object"}, **members}


_TOOLS_ONLY: dict[str, object] = {"tools": {}}


class ScriptedServer:
    """What a legacy server says. Change ``methods`` and ``tools`` at any time."""

    def __init__(
        self,
        *,
        tools: list[dict[str, object]] | None = None,
        capabilities: dict[str, object] | None = None,
        revision: str = "2025-11-25",
    ) -> None:
        self.tools = [tool("echo")] if tools is None else tools
        self.capabilities: dict[str, object] = (
            _TOOLS_ONLY if capabilities is None else capabilities
        )
        self.revision = revision
        self.heard: list[Frame] = []
        self.held: list[tuple[FakeLink, Frame]] = []
        self.methods: dict[str, Method] = {
            "initialize": self._initialize,
            "ping": lambda _params: {},
            "tools/list": lambda _params: {"tools": self.tools},
            "prompts/list": lambda _params: {"prompts": []},
            "resources/list": lambda _params: {"resources": []},
            "resources/templates/list": lambda _params: {"resourceTemplates": []},
            "resources/subscribe": lambda _params: {},
            "resources/unsubscribe": lambda _params: {},
            "logging/setLevel": lambda _params: {},
        }

    def _initialize(self, _params: dict[str, Any]) -> object:
        return {
            "protocolVersion": self.revision,
            "capabilities": self.capabilities,
            "serverInfo": {"name": "scripted", "version": "1"},
            "instructions": "be kind",
        }

    def heard_of(self, method: str) -> list[Frame]:
        """The frames of one method, in order."""
        return [frame for frame in self.heard if frame.method == method]

    def responses(self) -> list[Frame]:
        """What the bridge answered to this server's own requests."""
        return [frame for frame in self.heard if frame.is_response]

    def hear(self, link: "FakeLink", frame: Frame) -> None:
        """Take a frame of the bridge; answer it, or keep a request in ``held``."""
        self.heard.append(frame)
        if not frame.is_request:
            return
        method = self.methods.get(str(frame.method))
        if method is None:
            self.held.append((link, frame))
        else:
            self._answer(link, frame, method)

    def _answer(self, link: "FakeLink", frame: Frame, method: Method) -> None:
        try:
            result = method(params_of(frame))
        except Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message}
            link.push(Received(frame=Frame(id=frame.id, error=raw(error))))
        except LinkError as error:
            link.push(RequestFailed(upstream_id=id_of(frame), error=error))
        else:
            link.push(Received(frame=Frame(id=frame.id, result=raw(result))))

    def answer_held(self, result: object = None) -> None:
        """Answer the oldest request nobody has answered yet."""
        link, frame = self.held.pop(0)
        body = raw({"ok": True} if result is None else result)
        link.push(Received(frame=Frame(id=frame.id, result=body)))

    def fail_held(self, error: LinkError) -> None:
        """Let the oldest request nobody has answered fail alone."""
        link, frame = self.held.pop(0)
        link.push(RequestFailed(upstream_id=id_of(frame), error=error))


def id_of(frame: Frame) -> int:
    """The integer id of a request of the bridge."""
    assert isinstance(frame.id, int)
    return frame.id


def params_of(frame: Frame) -> dict[str, Any]:
    """The whole params, decoded."""
    return {} if frame.params is UNSET else value(frame.params)


class FakeLink:
    """A link whose other end is a `ScriptedServer`."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.sent: list[Outgoing] = []
        self.cancelled: list[int] = []
        self.revision: str | None = None
        self.busy = False
        self.writes = True  # False: frames stay in the queue, unwritten
        self.closed = False
        self._error: LinkError | None = None
        self._send, self._receive = trio.open_memory_channel[LinkEvent | LinkError](inf)

    def send(self, outgoing: Outgoing) -> None:
        if self.closed:
            raise RuntimeError("a closed link was asked to send")
        if self._error is not None:
            raise self._error
        if self.busy:
            raise LinkBusy("the queue is full")
        self.sent.append(outgoing)
        if self.writes:
            outgoing.written = True
            self.server.hear(self, outgoing.frame)

    def cancel(self, upstream_id: int) -> None:
        self.cancelled.append(upstream_id)

    def agreed(self, revision: str) -> None:
        self.revision = revision

    async def receive(self) -> LinkEvent:
        event = await self._receive.receive()
        if isinstance(event, LinkError):
            raise event
        return event

    def push(self, event: LinkEvent) -> None:
        """Let the bridge receive an event."""
        self._send.send_nowait(event)

    def say(self, frame: Frame, *, related: int | None = None) -> None:
        """Let the bridge receive a frame."""
        self.push(Received(frame=frame, related=related))

    def fall_silent(self, error: LinkError | None = None) -> None:
        """Lose the link: sending tells at once, receiving only after `fail`."""
        self._error = error or LinkLost("the server has gone")

    def fail(self, error: LinkError | None = None) -> None:
        """Lose the link."""
        self._error = error or LinkLost("the server has gone")
        self._send.send_nowait(self._error)


class FakeTransport:
    """Opens links to a server, or fails as told.

    ``faults`` are raised by the next openings, first come first. ``opening`` and
    ``closing`` are how long an opening and a closing take, in s.
    """

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.faults: deque[LinkError] = deque()
        self.down: LinkError | None = None  # raised by every opening while it is set
        self.opening = 0.0
        self.closing = 0.0
        self.opened_at: list[float] = []
        self.links: list[FakeLink] = []

    @property
    def link(self) -> FakeLink:
        """The newest link."""
        return self.links[-1]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Link]:
        self.opened_at.append(trio.current_time())
        await trio.sleep(self.opening)
        if self.faults:
            raise self.faults.popleft()
        if self.down is not None:
            raise self.down
        link = FakeLink(self.server)
        self.links.append(link)
        try:
            yield link
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.closing)
            link.closed = True


class Outcome:
    """A reply's sink that keeps everything. ``outcomes`` must end up with one."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []
        self.outcomes: list[CallOutcome] = []
        self.refusal: Raw | None = None  # what every question is answered with
        self._done = trio.Event()

    def tell(self, event: CallEvent) -> None:
        self.events.append(event)
        if isinstance(event, Question) and self.refusal is not None:
            event.refuse(self.refusal)

    def finish(self, outcome: CallOutcome) -> None:
        self.outcomes.append(outcome)
        self._done.set()

    @property
    def done(self) -> bool:
        return bool(self.outcomes)

    async def wait(self) -> CallOutcome:
        """The one outcome."""
        await self._done.wait()
        assert len(self.outcomes) == 1
        return self.outcomes[0]

    async def result(self) -> Any:
        """The decoded result; fails when there is none."""
        outcome = await self.wait()
        assert isinstance(outcome, Answered), outcome
        assert outcome.result is not None
        return value(outcome.result)

    async def error(self, kind: type[T]) -> T:
        """The error, which must be of this kind."""
        outcome = await self.wait()
        assert isinstance(outcome, kind), outcome
        return outcome

    def told(self, kind: type[T]) -> list[T]:
        """The news of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


_ECHO: dict[str, object] = {"name": "echo", "arguments": {}}


def person(name: str) -> Principal:
    """Somebody a token could speak for."""
    return Principal(issuer="https://idp", subject=name)


class FakeTokens:
    """A `TokenOwner` that is told what to say; ``asked`` keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.tell: Tell = lambda _verdict: None

    async def run(
        self,
        tell: Tell,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        self.tell = tell
        task_status.started()

    def needed(self, challenge: str, generation: int) -> None:
        self.asked.append((challenge, generation))

    def log_in(self, *, force: bool) -> None:
        self.asked.append(("force" if force else "log in", 0))

    def log_out(self) -> None:
        self.asked.append(("log out", 0))


class Bench:
    """An upstream actor with everything around it."""

    def __init__(
        self,
        *,
        server: ScriptedServer | None = None,
        config: UpstreamConfig | None = None,
        failover: FailoverConfig | None = None,
        bound: int = 256,
        fetch: Fetch | None = None,
        tokens: TokenOwner | None = None,
        pins: PinKeeper | None = None,
        turns: Turns | None = None,
        seed: int = 1,
    ) -> None:
        self.server = server or ScriptedServer()
        self.transport = FakeTransport(self.server)
        self.mailbox: Mailbox[UpstreamMessage] = Mailbox(bound=bound)
        self.router: Mailbox[RouterMessage] = Mailbox(bound=1024)
        self.statuses: list[UpstreamStatus] = []
        self._changed = trio.Event()
        self.stopping = trio.Event()
        self.ended = trio.Event()
        self._call_ids = itertools.count(1)
        self.actor = UpstreamActor(
            config=config or quiet(),
            failover=failover or FailoverConfig(),
            transport=self.transport,
            mailbox=self.mailbox,
            to_router=self.router,
            publish=self._publish,
            epochs=itertools.count(1),
            rng=random.Random(seed),
            log=Log(structlog.get_logger()),
            version="1.0",
            limits=LimitsConfig(mailbox=bound),
            fetch=fetch,
            tokens=tokens,
            pins=pins,
            turn=None if turns is None else turns.at(place_of(config or quiet())),
        )

    @property
    def status(self) -> UpstreamStatus:
        return self.statuses[-1]

    @property
    def link(self) -> FakeLink:
        return self.transport.link

    def phases(self) -> list[str]:
        """The phases shown so far, repetitions removed."""
        return [key for key, _ in itertools.groupby(s.phase for s in self.statuses)]

    def told_router(self, kind: type[T]) -> list[T]:
        """Take out what the router was told and keep one kind of it."""
        told: list[RouterMessage] = []
        while (message := self.router.take()) is not None:
            told.append(message)
        return [message for message in told if isinstance(message, kind)]

    async def run(self) -> None:
        """Run the actor to its end."""
        try:
            await self.actor.run(self.stopping)
        finally:
            self.ended.set()

    async def reach(self, phase: str) -> None:
        """Wait until a phase is shown."""
        while not self.statuses or self.status.phase != phase:
            await self._changed.wait()

    def _publish(self, status: UpstreamStatus) -> None:
        self.statuses.append(status)
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def ready(self) -> None:
        await self.reach("ready")
        await settle()

    def abandoned(self) -> Outcome:
        """Offer a call whose asker goes away before it is sent."""
        outcome = Outcome()
        reply = Reply[CallEvent, CallOutcome](outcome)
        self._offer(Frame(method="tools/call", params=raw(_ECHO)), reply)
        reply.abandon()
        return outcome

    def _offer(self, frame: Frame, reply: Reply[CallEvent, CallOutcome]) -> None:
        self.mailbox.offer(
            Call(
                call_id=next(self._call_ids),
                frame=frame,
                reply=reply,
                principal=ANONYMOUS,
                session_id="s1",
                received_at=trio.current_time(),
            )
        )

    def call(
        self,
        method: str = "tools/call",
        params: object | None = None,
        *,
        principal: Principal = ANONYMOUS,
        session: str = "s1",
        wants_progress: bool = False,
        repeatable: bool = False,
    ) -> tuple[int, Outcome]:
        """Offer a call as a session would."""
        outcome = Outcome()
        call_id = next(self._call_ids)
        body: object = _ECHO if params is None else params
        self.mailbox.offer(
            Call(
                call_id=call_id,
                frame=Frame(method=method, params=raw(body)),
                reply=Reply[CallEvent, CallOutcome](outcome),
                principal=principal,
                session_id=session,
                received_at=trio.current_time(),
                wants_progress=wants_progress,
                repeatable=repeatable,
            )
        )
        return call_id, outcome

    def post(self, message: UpstreamMessage) -> None:
        """Offer any other message."""
        self.mailbox.offer(message, counted=False)


def quiet(name: str = "files", **settings: Any) -> UpstreamConfig:
    """A configuration without health checks, so that nothing happens by itself."""
    settings.setdefault("health_check", HealthCheckConfig(enabled=False))
    return UpstreamConfig(name=name, **settings)


async def settle() -> None:
    """Let everything that can happen now happen."""
    await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def running(bench: Bench) -> AsyncGenerator[Bench]:
    """The actor in the background, ready; at the end nothing may be left of it."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.run)
        yield bench
        bench.stopping.set()
        await bench.ended.wait()
    assert_at_rest(bench)


@asynccontextmanager
async def ready(bench: Bench) -> AsyncGenerator[Bench]:
    """As `running`, and the upstream is ready when the block begins."""
    async with running(bench):
        await bench.ready()
        yield bench


def assert_at_rest(bench: Bench) -> None:
    """Every table is empty, every link closed, no alarm set."""
    assert bench.actor.at_rest
    assert bench.mailbox.sealed
    assert all(link.closed for link in bench.transport.links)


@contextmanager
def logged() -> Generator[list[dict[str, Any]]]:
    """The events logged within the block."""
    with structlog.testing.capture_logs() as lines:
        yield lines  # type: ignore[misc]


def error_of(outcome: CallOutcome) -> BridgeError:
    """The outcome, which must be an error of the bridge."""
    assert isinstance(outcome, BridgeError)
    return outcome


def decoded(body: Raw) -> Any:
    return msgspec.json.decode(body)
