"""`bridge tool pending` and `bridge tool approve`: look at what is held back."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

import click
import msgspec

from bridge.cli.control_client import ControlClient
from bridge.cli.definition_view import difference, headline
from bridge.cli.exit import EXIT_FAILED, EXIT_OK, EXIT_USAGE, CommandFailed, complain
from bridge.cli.remote import NoBridge, NotThere, Target, socket_of
from bridge.cli.report import counted, decoded
from bridge.cli.run import read_line, run
from bridge.cli.table import printable, show_json, show_table
from bridge.config import slug
from bridge.contract.pins import Approval, Approved, shortened, singular
from bridge.observe.status import HeldStatus, PinStatus

COLUMNS = ("Server", "Kind", "Name", "Why", "Hash")
#: Of one request: the socket takes small bodies.
_BATCH_BYTES = 32 * 2**10
_DEADLINE = 30.0
_YES = frozenset({"y", "yes"})


class _All(msgspec.Struct):
    servers: tuple[PinStatus, ...] = ()


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Which bridge is asked, and how it answers."""

    home: Path
    port: int | None = None
    form: str = "table"
    yes: bool = False


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be approved of a server: these names, or everything."""

    server: str
    names: tuple[str, ...] = ()
    everything: bool = False


def show_pending(ask: Ask, server: str | None) -> int:
    """What is held back. The exit status: 0, also when nothing is."""
    return run(partial(_show_pending, ask, server))


def approve(ask: Ask, choice: Choice) -> int:
    """Show what has changed, ask, approve. The exit status."""
    return run(partial(_approve, ask, choice))


async def _show_pending(ask: Ask, server: str | None) -> int:
    client = _client(ask)
    statuses = decoded(await client.ask("GET", "/pins"), _All).servers
    if server is not None:
        statuses = (await _status(client, server),)
    if ask.form == "json":
        show_json({"servers": msgspec.to_builtins(statuses)})
        return EXIT_OK
    rows = [row for status in statuses for row in _rows(status)]
    if rows:
        show_table(COLUMNS, rows)
        click.echo("look at one and approve it: bridge tool approve SERVER NAME")
    elif statuses:
        names = ", ".join(printable(status.name) for status in statuses)
        click.echo(f"nothing is held back (pinned: {names})")
    else:
        click.echo('no server is pinned; set "pin": true in its entry')
    for status in statuses:
        if status.trouble:
            complain(f"{printable(status.name)}: {printable(status.trouble)}")
    return EXIT_OK


async def _approve(ask: Ask, choice: Choice) -> int:
    client = _client(ask)
    status = await _status(client, choice.server)
    chosen = chosen_of(status, choice)
    if not chosen:
        click.echo(f"nothing of '{printable(status.name)}' is held back")
        return EXIT_OK
    for held in chosen:
        click.echo(headline(status.name, held))
        for line in difference(held):
            click.echo(line)
        click.echo()
    if not ask.yes and not await _confirmed(len(chosen)):
        complain("nothing was approved")
        return EXIT_FAILED
    return await _send(client, status, chosen)


async def _send(
    client: ControlClient, status: PinStatus, chosen: Sequence[HeldStatus]
) -> int:
    path = f"{_path(status.name)}/approve"
    misfits: list[Approval] = []
    trouble = ""
    for batch in batches(chosen):
        body = msgspec.json.encode({"definitions": batch})
        answer = await client.ask("POST", path, body=body, deadline=_DEADLINE)
        found = decoded(answer, Approved)
        misfits += found.misfits
        trouble = found.trouble or trouble
    approved = len(chosen) - len(misfits)
    click.echo(f"approved {counted(approved, 'definition')}; served from now on")
    for each in misfits:
        complain(
            f"{singular(each.kind)} {printable(each.key)} has changed again meanwhile "
            "and stays held back; look again with 'bridge tool pending'"
        )
    if trouble:
        complain(f"this counts only until the bridge restarts: {printable(trouble)}")
    return EXIT_FAILED if misfits or trouble else EXIT_OK


def chosen_of(status: PinStatus, choice: Choice) -> list[HeldStatus]:
    """What is held back and named. Raises CommandFailed for a name that is not."""
    if choice.everything:
        return list(status.held)
    known = {held.key for held in status.held}
    unknown = [name for name in choice.names if name not in known]
    if unknown:
        waiting = ", ".join(sorted(printable(key) for key in known)) or "nothing"
        raise CommandFailed(
            f"'{printable(unknown[0])}' of '{printable(status.name)}' is not held "
            f"back; held back: {waiting} (names are those of the server itself)",
            status=EXIT_USAGE,
        )
    return [held for held in status.held if held.key in choice.names]


def batches(chosen: Iterable[HeldStatus]) -> Iterator[list[Approval]]:
    """The approvals in portions a request can carry."""
    batch: list[Approval] = []
    size = 0
    for held in chosen:
        kind = "tools" if held.kind == "tools" else "prompts"
        approval = Approval(kind=kind, key=held.key, hash=held.hash)
        size += len(msgspec.json.encode(approval)) + 1
        if batch and size > _BATCH_BYTES:
            yield batch
            batch, size = [], len(msgspec.json.encode(approval)) + 1
        batch.append(approval)
    if batch:
        yield batch


async def _confirmed(count: int) -> bool:
    which = "this" if count == 1 else f"these {count}"
    click.echo(f"approve {which}? [y/N] ", nl=False)
    answer = await read_line(sys.stdin.fileno())
    if not os.isatty(sys.stdin.fileno()):
        click.echo()
    return (answer or "").lower() in _YES


async def _status(client: ControlClient, server: str) -> PinStatus:
    try:
        return decoded(await client.ask("GET", _path(server)), PinStatus)
    except NotThere as error:
        raise CommandFailed(*error.lines, status=EXIT_USAGE) from error


def _rows(status: PinStatus) -> Iterator[tuple[str, ...]]:
    for held in status.held:
        digits = shortened(held.hash)
        yield status.name, singular(held.kind), held.key, held.why, digits


def _client(ask: Ask) -> ControlClient:
    try:
        return ControlClient(socket_of(Target(home=ask.home, port=ask.port)))
    except NoBridge as error:
        raise CommandFailed(
            *error.lines,
            "  only a running bridge sees what its servers offer now: start it, then "
            "look with 'bridge tool pending'",
        ) from error


def _path(server: str) -> str:
    return f"/pins/{quote(slug(server) or server, safe='')}"
