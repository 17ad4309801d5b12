"""`bridge demo --check`: what a client does, done once through /sse and /mcp."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import urlencode

import msgspec
import trio
from msgspec import UNSET

from bridge import __version__
from bridge.config.model import LimitsConfig, UpstreamConfig
from bridge.demo.greeting import Scene
from bridge.demo.issuer import AUDIENCE, CLIENT_ID
from bridge.errors import BridgeError
from bridge.http import HttpClients
from bridge.observe.logging import Log
from bridge.ports import Ports
from bridge.protocol import methods
from bridge.protocol.frame import Frame, notification, request, value
from bridge.protocol.handshake import Introduction, agreed, initialize_params
from bridge.wire.link import Link, NoBearer, Outgoing, Received
from bridge.wire.open import transport_for

#: For each step; all of it happens on this machine.
PATIENCE = 10.0
WANTED = ("clock__now", "clock__countdown", "notes__add_note", "notes__search_notes")
_UNAUTHORIZED = 401
_OK = 200

Say = Callable[[str], None]


class CheckFailed(Exception):
    """A step did not do what it must; the sentence names both."""


class _TokenAnswer(msgspec.Struct):
    access_token: str


class Visitor:
    """A client of the demo. Each step says what it did, or raises CheckFailed."""

    def __init__(self, scene: Scene, *, ports: Ports, log: Log, say: Say) -> None:
        self._scene = scene
        self._ports = ports
        self._log = log
        self._say = say
        self._http = HttpClients(ports.network)

    async def visit(self) -> None:
        """Every step."""
        try:
            token = await self._log_in()
            await self._stand_before_the_door()
            await self._use("/sse", "sse", token)
            await self._use("/mcp", "streamablehttp", token)
        except BridgeError as error:
            raise CheckFailed(error.public) from error
        except trio.TooSlowError:
            raise CheckFailed(f"a step took more than {PATIENCE:g} s") from None

    async def _log_in(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": self._scene.client_secret,
            "audience": AUDIENCE,
        }
        answer = await self._http.fetcher().fetch(
            f"{self._scene.issuer}/token",
            method="POST",
            headers={"content-type": "application/x-www-form-urlencoded"},
            content=urlencode(form).encode(),
        )
        if answer.status != _OK:
            raise CheckFailed(f"the token request was answered {answer.status}")
        self._say("logged in: the identity provider gave a token")
        return msgspec.json.decode(answer.body, type=_TokenAnswer).access_token

    async def _stand_before_the_door(self) -> None:
        for path in ("/sse", "/mcp"):
            answer = await self._http.fetcher().fetch(self._scene.bridge + path)
            if answer.status != _UNAUTHORIZED:
                raise CheckFailed(f"{path} answered {answer.status} without a token")
        self._say("refused without a token: /sse and /mcp answered 401")

    async def _use(self, path: str, transport: str, token: str) -> None:
        async with self._connected(path, transport, token) as client:
            revision = await client.introduce()
            names = await client.tool_names()
            if missing := [name for name in WANTED if name not in names]:
                raise CheckFailed(f"{path} does not list {', '.join(missing)}")
            self._say(f"{path}: agreed on {revision}, listed {len(names)} tools")
            for tool, arguments in (
                ("clock__now", {}),
                ("notes__add_note", {"text": f"written through {path}"}),
            ):
                said = await client.call(tool, arguments)
                self._say(f"{path}: called {tool}: {said}")

    @asynccontextmanager
    async def _connected(
        self, path: str, transport: str, token: str
    ) -> AsyncGenerator["Client"]:
        config = UpstreamConfig(
            name="demo-check",
            url=self._scene.bridge + path,
            transport="sse" if transport == "sse" else "streamablehttp",
            headers={"Authorization": f"Bearer {token}"},
        )
        opened = transport_for(
            config,
            ports=self._ports,
            http=self._http,
            bearer=NoBearer(),
            log=self._log,
            limits=LimitsConfig(),
        ).open()
        with trio.fail_after(PATIENCE):
            async with opened as link:
                yield Client(link)


class Client:
    """A plain MCP client over one link: one request at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._numbers = count(1)

    async def introduce(self) -> str:
        """The handshake. Returns the agreed revision."""
        introduction = Introduction(
            name="bridge-demo-check", version=__version__, interactive=False
        )
        asked = initialize_params(introduction)
        answer = await self._answer(methods.INITIALIZE, asked)
        assert answer.result is not UNSET
        revision = agreed(answer.result).revision
        self._link.agreed(revision)
        self._link.send(Outgoing(notification(methods.INITIALIZED)))
        return revision

    async def tool_names(self) -> list[str]:
        """The names of all tools."""
        listed = await self._ask(methods.TOOLS_LIST, {})
        return [tool["name"] for tool in listed["tools"]]

    async def call(self, tool: str, arguments: dict[str, str]) -> str:
        """The text a tool answers. Raises CheckFailed for an error of the tool."""
        params = {"name": tool, "arguments": arguments}
        result = await self._ask(methods.TOOLS_CALL, params)
        text = "".join(block.get("text", "") for block in result["content"])
        if result.get("isError"):
            raise CheckFailed(f"{tool} failed: {text}")
        return text

    async def _ask(self, method: str, params: Mapping[str, object]) -> dict[str, Any]:
        answer = await self._answer(method, params)
        assert answer.result is not UNSET
        return value(answer.result)

    async def _answer(self, method: str, params: Mapping[str, object]) -> Frame:
        """The successful answer to a request. Raises CheckFailed for another."""
        number = next(self._numbers)
        self._link.send(
            Outgoing(request(method, params, id=number), upstream_id=number)
        )
        while True:
            event = await self._link.receive()
            if not isinstance(event, Received) or event.frame.id != number:
                continue
            if event.frame.error is not UNSET:
                raise CheckFailed(f"{method}: {value(event.frame.error)['message']}")
            return event.frame
