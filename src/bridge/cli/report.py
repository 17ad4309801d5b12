"""Pure: what a running bridge says of itself, as rows for people."""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from bridge.cli.exit import CommandFailed
from bridge.observe.outlook import duration, pause

T = TypeVar("T")

#: Of a description, where rows are not cut by the terminal.
_LONGEST_LINE = 120
#: Below the table of servers; the list of tools has them all.
_WITHHELD_LINES = 5


class ServerLine(msgspec.Struct, frozen=True, rename="camel"):
    """One upstream, as `/status` and `/sse/servers` show it."""

    name: str
    state: str = ""
    phase: str = ""
    reason: str = ""
    since: float = 0.0
    retry_in: float | None = None
    waits_for: str = ""
    transport: str = ""
    revision: str = ""
    server: str = ""
    restarts: int = 0
    tools: int = 0
    prompts: int = 0
    resources: int = 0
    in_flight: int = 0
    tags: tuple[str, ...] = ()
    tls_verified: bool = True
    held_back: int = 0


class WithheldLine(msgspec.Struct, frozen=True):
    """A tool policy keeps from everybody, and why."""

    name: str
    server: str = ""
    reason: str = ""


class KeysLine(msgspec.Struct, frozen=True, rename="camel"):
    """The issuer's key set, as `/status` shows it."""

    issuer: str = ""
    state: str = ""
    last_error: str = ""
    retry_in: float | None = None


class StatusPage(msgspec.Struct, frozen=True, rename="camel"):
    version: str = ""
    ready: bool = False
    state: str = ""
    states: dict[str, int] = {}
    keys: KeysLine | None = None
    uptime: float = 0.0
    sessions: int = 0
    tools: int = 0
    prompts: int = 0
    resources: int = 0
    upstreams: tuple[ServerLine, ...] = ()
    conflicts: tuple[str, ...] = ()
    withheld: tuple[WithheldLine, ...] = ()
    withheld_count: int = 0


class ServersPage(msgspec.Struct, frozen=True):
    servers: tuple[ServerLine, ...] = ()


class ToolLine(msgspec.Struct, frozen=True):
    """A tool as a client would be shown it."""

    name: str
    title: str | None = None
    description: str | None = None


class ToolsPage(msgspec.Struct, frozen=True):
    tools: tuple[ToolLine, ...] = ()
    withheld: tuple[WithheldLine, ...] = ()


def decoded(body: bytes, kind: type[T]) -> T:
    """The page. Raises CommandFailed for what no bridge of ours would say."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandFailed(
            "what answers is no bridge of this version; compare 'bridge --version'"
        ) from error


def headline(status: StatusPage) -> str:
    """The bridge itself in one line."""
    ready = status.state or ("ready" if status.ready else "not ready")
    if status.state == "degraded":
        up, count = status.states.get("connected", 0), len(status.upstreams)
        ready += f", {up} of {counted(count, 'server')} connected"
    return (
        f"bridge {status.version}: {ready}, up {duration(status.uptime)}, "
        f"{counted(status.sessions, 'session')}, {counted(status.tools, 'tool')}, "
        f"{counted(status.prompts, 'prompt')}, {counted(status.resources, 'resource')}"
    )


def trouble_lines(status: StatusPage) -> Iterator[str]:
    """What is wrong with the bridge itself; the table says it of its servers."""
    keys = status.keys
    if keys is None or keys.state == "valid":
        return
    parts = [f"the keys of {keys.issuer} are {keys.state}", keys.last_error]
    if keys.retry_in is not None:
        parts.append(f"read again in {pause(keys.retry_in)}")
    yield "; ".join(part for part in parts if part)


STATUS_COLUMNS = (
    *("Server", "State", "For", "Transport", "Tools", "Prompts", "Resources"),
    *("In flight", "Restarts", "Note"),
)
STATUS_NUMBERS = frozenset({"Tools", "Prompts", "Resources", "In flight", "Restarts"})


def status_rows(status: StatusPage) -> Iterator[tuple[str, ...]]:
    for line in status.upstreams:
        counts = (line.tools, line.prompts, line.resources, line.in_flight)
        yield (
            *(line.name, line.state, duration(line.since), line.transport),
            *(str(count) for count in (*counts, line.restarts)),
            note(line),
        )


SERVER_COLUMNS = ("Server", "State", "Transport", "Says it is", "Revision", "Tags")


def server_rows(page: ServersPage) -> Iterator[tuple[str, ...]]:
    for line in page.servers:
        yield (
            *(line.name, line.state, line.transport, line.server),
            *(line.revision, ", ".join(line.tags)),
        )


TOOL_COLUMNS = ("Tool", "Description")


def tool_rows(page: ToolsPage) -> Iterator[tuple[str, ...]]:
    for tool in page.tools:
        yield tool.name, _first_line(tool.description or tool.title or "")


WITHHELD_COLUMNS = ("Withheld tool", "Server", "Because")


def withheld_rows(page: ToolsPage) -> Iterator[tuple[str, ...]]:
    for line in page.withheld:
        yield line.name, line.server, line.reason


def withheld_lines(status: StatusPage) -> Iterator[str]:
    """A few of the tools nobody is offered, with their reasons."""
    for line in status.withheld[:_WITHHELD_LINES]:
        yield f"withheld: {line.name} ({line.server}): {line.reason}"
    more = status.withheld_count - _WITHHELD_LINES
    if more > 0:
        yield f"withheld: {counted(more, 'tool')} more; see `bridge tool list --all`"


def note(line: ServerLine) -> str:
    """Why it is as it is, and what comes next."""
    if line.state == "connected":
        parts = [f"waits for {line.waits_for}" if line.waits_for else ""]
    elif line.waits_for:
        parts = [_unless_in(line.reason, line.waits_for), f"waits for {line.waits_for}"]
    else:
        parts = [line.reason]
        if line.retry_in is not None:
            parts.append(f"retried in {pause(line.retry_in)}")
    if line.held_back:
        parts.append(f"{counted(line.held_back, 'definition')} held back")
    if not line.tls_verified:
        parts.append("TLS certificate not verified")
    return "; ".join(part for part in parts if part)


def _unless_in(reason: str, said: str) -> str:
    return "" if reason in said else reason


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0].strip()
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 3]}..."
