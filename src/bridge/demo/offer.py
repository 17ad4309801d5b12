"""A small MCP server as a value: what it offers, and how it answers a frame.

Speaks the legacy revisions. Transports (`clock_server`, `notes_server`) hand it frames
one by one; it keeps nothing between them but what its tools keep.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar, cast

import msgspec
from msgspec import UNSET

from bridge import __version__
from bridge.errors import FrameInvalid
from bridge.protocol import methods
from bridge.protocol.frame import Frame, notification, raw, value

# Written out: the library that holds these numbers takes a demo server longer to
# import than all the rest of it.
REVISIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
_METHOD_NOT_FOUND = -32601
_INVALID_PARAMS = -32602

Kind = TypeVar("Kind")
Arguments = Mapping[str, object]
#: Says how far a call is: steps done, steps in all.
Report = Callable[[int, int], Awaitable[None]]
#: Where notifications of a call go.
Notify = Callable[[Frame], Awaitable[None]]


class WrongArguments(Exception):
    """A tool cannot work with what it was given; the sentence is for the model."""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """``properties`` are those of its JSON Schema; ``run`` returns the text."""

    name: str
    description: str
    properties: Mapping[str, object]
    required: tuple[str, ...] = ()
    run: Callable[[Arguments, Report], Awaitable[str]]


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str
    text: Callable[[], str]


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    uri: str
    name: str
    description: str
    text: Callable[[], str]


class DemoServer:
    """Answers requests from what it was given."""

    def __init__(
        self,
        name: str,
        *,
        tools: Sequence[Tool],
        prompts: Sequence[Prompt],
        resources: Sequence[Resource],
    ) -> None:
        self._name = name
        self._tools = {tool.name: tool for tool in tools}
        self._prompts = {prompt.name: prompt for prompt in prompts}
        self._resources = {resource.uri: resource for resource in resources}

    async def answer(self, asked: Frame, notify: Notify) -> Frame | None:
        """The answer to a request; None for what needs none."""
        if not asked.is_request:
            return None
        assert isinstance(asked.id, int | str)
        try:
            params = _params(asked)
            result = await self._result(str(asked.method), params, notify)
        except FrameInvalid as error:
            return _refused(asked.id, _INVALID_PARAMS, error.public)
        if result is None:
            return _refused(asked.id, _METHOD_NOT_FOUND, "no such method")
        return Frame(id=asked.id, result=raw(result))

    async def _result(
        self, method: str, params: Arguments, notify: Notify
    ) -> dict[str, object] | None:
        match method:
            case methods.INITIALIZE:
                return self._introduction(params)
            case methods.PING:
                return {}
            case methods.TOOLS_CALL:
                return await self._call(params, notify)
            case methods.PROMPTS_GET:
                return self._prompt(params)
            case methods.RESOURCES_READ:
                return self._read(params)
            case _:
                return self._listing(method)

    def _introduction(self, params: Arguments) -> dict[str, object]:
        wanted = params.get("protocolVersion")
        return {
            "protocolVersion": wanted if wanted in REVISIONS else REVISIONS[0],
            "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
            "serverInfo": {"name": f"demo-{self._name}", "version": __version__},
        }

    def _listing(self, method: str) -> dict[str, object] | None:
        match method:
            case methods.TOOLS_LIST:
                return {"tools": [_shown_tool(t) for t in self._tools.values()]}
            case methods.PROMPTS_LIST:
                return {"prompts": [_shown(p) for p in self._prompts.values()]}
            case methods.RESOURCES_LIST:
                listed = [_shown(r) | {"uri": r.uri} for r in self._resources.values()]
                return {"resources": listed}
            case methods.RESOURCES_TEMPLATES_LIST:
                return {"resourceTemplates": []}
            case _:
                return None

    async def _call(self, params: Arguments, notify: Notify) -> dict[str, object]:
        tool = _named(self._tools, params, "name")
        arguments = _object(params.get("arguments"))
        token = _object(params.get("_meta")).get("progressToken")

        async def report(done: int, total: int) -> None:
            if token is not None:
                said = {"progressToken": token, "progress": done, "total": total}
                await notify(notification(methods.PROGRESS, said))

        try:
            text, failed = await tool.run(arguments, report), False
        except WrongArguments as error:
            text, failed = str(error), True
        return {"content": [{"type": "text", "text": text}], "isError": failed}

    def _prompt(self, params: Arguments) -> dict[str, object]:
        prompt = _named(self._prompts, params, "name")
        content = {"type": "text", "text": prompt.text()}
        return {
            "description": prompt.description,
            "messages": [{"role": "user", "content": content}],
        }

    def _read(self, params: Arguments) -> dict[str, object]:
        found = _named(self._resources, params, "uri")
        contents = {"uri": found.uri, "mimeType": "text/plain", "text": found.text()}
        return {"contents": [contents]}


def _refused(asked: int | str, code: int, message: str) -> Frame:
    return Frame(id=asked, error=raw({"code": code, "message": message}))


def _named(known: Mapping[str, Kind], params: Arguments, key: str) -> Kind:
    found = known.get(str(params.get(key)))
    if found is None:
        raise FrameInvalid(f"there is nothing of this {key}")
    return found


def _params(asked: Frame) -> Arguments:
    return {} if asked.params is UNSET else _object(value(asked.params))


def _object(given: object) -> Arguments:
    """A JSON object; empty where there is none. Raises FrameInvalid."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise FrameInvalid("an object was expected")
    return cast("dict[str, object]", given)


def _shown(thing: Prompt | Resource | Tool) -> dict[str, object]:
    return {"name": thing.name, "description": thing.description}


def _shown_tool(tool: Tool) -> dict[str, object]:
    schema = {
        "type": "object",
        "properties": tool.properties,
        "required": tool.required,
    }
    return _shown(tool) | {"inputSchema": schema}


def number(
    arguments: Arguments, key: str, *, default: float, least: float, most: float
) -> float:
    """A number within bounds. Raises WrongArguments."""
    given = arguments.get(key, default)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise WrongArguments(f"{key} must be a number")
    if not least <= given <= most:
        raise WrongArguments(f"{key} must be from {least:g} to {most:g}")
    return given


def text(arguments: Arguments, key: str, *, most: int) -> str:
    """A text that is not empty. Raises WrongArguments."""
    given = arguments.get(key)
    if not isinstance(given, str) or not given.strip():
        raise WrongArguments(f"{key} must be a text")
    if len(given) > most:
        raise WrongArguments(f"{key} must not be longer than {most} characters")
    return given.strip()
