"""A router room without a world: catalogs by hand, upstreams made of mailboxes."""

from collections.abc import Sequence
from itertools import count

import msgspec
import trio
import trio.testing
from msgspec import Raw

from bridge.actor.mailbox import Mailbox
from bridge.contract.access import NO_TOKEN, AccessRule, Entitlement
from bridge.contract.catalog import Catalog, Entry
from bridge.contract.principal import ANONYMOUS, Principal
from bridge.contract.router import (
    Reconfigured,
    RouterMessage,
    UpstreamPolicy,
    UpstreamUp,
)
from bridge.contract.upstream import Call, UpstreamAddress, UpstreamMessage
from bridge.protocol.frame import Frame, decode, encode, notification, raw, request
from bridge.router.actor import RouterActor
from bridge.router.board import Board
from bridge.router.dispatch import Dispatcher
from bridge.router.outbox import Outbox
from bridge.router.policy import EVERYTHING, View
from bridge.router.session import Session, Sessions, SessionTransport
from kit.recorded import RecordedLog


def tool(name: str, **members: object) -> Entry:
    return _entry(name, {"name": name, "inputSchema": {"type": "object"}, **members})


def prompt(name: str) -> Entry:
    return _entry(name, {"name": name})


def resource(uri: str, name: str = "a resource") -> Entry:
    return _entry(uri, {"uri": uri, "name": name})


def template(uri_template: str) -> Entry:
    return _entry(uri_template, {"uriTemplate": uri_template, "name": "a template"})


def _entry(key: str, members: dict[str, object]) -> Entry:
    return Entry(key=key, members={k: raw(v) for k, v in members.items()})


def policy(
    name: str,
    namespace: str | None = None,
    *,
    priority: int = 100,
    tags: frozenset[str] = frozenset(),
) -> UpstreamPolicy:
    shown = name if namespace is None else namespace
    return UpstreamPolicy(
        name=name,
        tool_namespace=shown,
        prompt_namespace=shown,
        resource_namespace=shown,
        priority=priority,
        tags=tags,
    )


def names(entries: tuple[dict[str, Raw], ...]) -> list[str]:
    return [msgspec.json.decode(entry["name"], type=str) for entry in entries]


class RouterRoom:
    """Board, sessions, dispatcher and router actor over bare mailboxes."""

    def __init__(
        self,
        *policies: UpstreamPolicy,
        conflict_resolution: str = "namespace",
        sessions: int = 100,
        per_principal: int = 50,
        calls_per_session: int = 32,
        rate_limit: float = 0.0,
        page_size: int = 0,
        forward_logs: bool = False,
        access: tuple[AccessRule, ...] = (),
        outbox_frames: int = 256,
    ) -> None:
        self.log = RecordedLog()
        ids = count(1)
        self.board = Board()
        self.mailbox: Mailbox[RouterMessage] = Mailbox(bound=1024)
        self.sessions = Sessions(
            new_id=lambda _octets: f"session-{next(ids)}",
            limit=sessions,
            limit_per_principal=per_principal,
            outbox_frames=outbox_frames,
            outbox_bytes=2**20,
            log=self.log,
        )
        self.dispatcher = Dispatcher(
            board=self.board,
            sessions=self.sessions,
            to_router=self.send,
            server_name="bridge",
            version="1",
            calls_per_session=calls_per_session,
            rate_limit=rate_limit,
            page_size=page_size,
        )
        self.actor = RouterActor(
            mailbox=self.mailbox,
            board=self.board,
            sessions=self.sessions,
            log=self.log,
            forward_logs=forward_logs,
        )
        self.upstreams = {
            p.name: UpstreamAddress(name=p.name, mailbox=Mailbox(bound=4))
            for p in policies
        }
        self.board.set_starting(frozenset(self.upstreams))
        self.send(
            Reconfigured(
                policies=policies,
                conflict_resolution=conflict_resolution,
                access=access,
            )
        )

    def send(self, message: RouterMessage) -> None:
        self.mailbox.offer(message, counted=False)

    async def start(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(self.actor.run, trio.Event())
        await trio.testing.wait_all_tasks_blocked()

    def up(
        self,
        name: str,
        *,
        epoch: int = 1,
        tools: Sequence[Entry] = (),
        prompts: Sequence[Entry] = (),
        resources: Sequence[Entry] = (),
        templates: Sequence[Entry] = (),
    ) -> None:
        catalog = Catalog(
            tools=tuple(tools),
            prompts=tuple(prompts),
            resources=tuple(resources),
            templates=tuple(templates),
        )
        self.send(
            UpstreamUp(address=self.upstreams[name], epoch=epoch, catalog=catalog)
        )

    def heard(self, name: str) -> list[UpstreamMessage]:
        """Everything an upstream has been sent and not read yet."""
        box = self.upstreams[name].mailbox
        found: list[UpstreamMessage] = []
        while (message := box.take()) is not None:
            found.append(message)
        return found

    def call_at(self, name: str) -> Call:
        """The one call among what an upstream has been sent."""
        [call] = [m for m in self.heard(name) if isinstance(m, Call)]
        return call

    async def client(
        self,
        *,
        principal: Principal = ANONYMOUS,
        view: View = EVERYTHING,
        transport: SessionTransport = "sse",
        capabilities: dict[str, object] | None = None,
        entitlement: Entitlement = NO_TOKEN,
    ) -> "Client":
        """A client that has shaken hands."""
        session = self.sessions.open(
            principal=principal,
            view=self.board.view_for(view, entitlement),
            transport=transport,
            expires_at=None,
            entitlement=entitlement,
        )
        client = Client(self, session)
        await client.hello(capabilities or {})
        return client


class Client:
    """One session seen from outside."""

    def __init__(self, room: RouterRoom, session: Session) -> None:
        self.room = room
        self.session = session
        self._ids = count(1)

    async def hello(self, capabilities: dict[str, object]) -> Frame:
        reply = await self.ask(
            "initialize",
            {
                "protocolVersion": "2025-11-25",
                "capabilities": capabilities,
                "clientInfo": {"name": "test", "version": "1"},
            },
        )
        await self.send(notification("notifications/initialized"))
        return reply

    async def send(self, frame: Frame, *, sink: Outbox | None = None) -> None:
        wire = decode(encode(frame))
        await self.room.dispatcher.dispatch(
            self.session, wire, self.session.outbox if sink is None else sink
        )

    async def ask(self, method: str, params: object | None = None) -> Frame:
        """Send a request that the bridge answers itself, and take the answer."""
        await self.send(request(method, params, id=next(self._ids)))
        return self.next()

    async def call(self, method: str, params: object, *, id: int | str = "c1") -> None:  # noqa: A002
        """Send a request that goes to an upstream."""
        await self.send(request(method, params, id=id))

    def next(self) -> Frame:
        """The next frame in the session's outbox; fails when there is none."""
        item = self.session.outbox.get_nowait()
        assert item is not None, "nothing was sent to the client"
        return decode(item.data)

    @property
    def quiet(self) -> bool:
        return self.session.outbox.queued == 0
