"""The commands about a running bridge: ask, then show."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import click
import msgspec

from bridge.cli import report, tree_view
from bridge.cli.exit import CommandFailed
from bridge.cli.remote import NotThere, Target, ask
from bridge.cli.table import (
    printable,
    show_json,
    show_lines,
    show_table,
    shows_signs,
)
from bridge.cli.tree_view import lines
from bridge.observe.tree import Node

T = TypeVar("T")
Options = Mapping[str, object]


class _RemoteOptions(msgspec.Struct, frozen=True):
    """What `bridge.cli.options.remote_options` gives."""

    port: int | None
    url: str | None
    token: str | None
    form: str


def show_status(home: Path, options: Options) -> None:
    """The bridge and its servers."""
    status = _asked(home, options, path="/status", kind=report.StatusPage)
    if status is None:
        return
    click.echo(printable(report.headline(status)))
    for line in report.trouble_lines(status):
        click.echo(printable(line))
    show_table(
        report.STATUS_COLUMNS,
        report.status_rows(status),
        numbers=report.STATUS_NUMBERS,
    )
    for conflict in status.conflicts:
        click.echo(f"offered by more than one server: {printable(conflict)}")
    for line in report.withheld_lines(status):
        click.echo(printable(line))


def show_tree(home: Path, options: Options) -> None:
    """The supervision tree."""
    root = _asked(home, options, path="/api/tree", kind=Node)
    if root is None:
        return
    guides = tree_view.LINES if shows_signs(sys.stdout) else tree_view.ASCII
    show_lines((line.lead, line.state, line.details) for line in lines(root, guides))


def reconnect(home: Path, options: Options, *, server: str) -> None:
    """Have a server connected anew."""
    path = f"/sse/mcp/{quote(server, safe='')}/reconnect"
    try:
        begun = _asked(home, options, path=path, kind=_Begun, method="POST")
    except NotThere as error:
        raise CommandFailed(*not_there(tag=None, server=server)) from error
    if begun is not None:
        name = printable(begun.server)
        click.echo(f"{name} is connected anew; see `bridge status` for how it went")


def show_servers(home: Path, options: Options) -> None:
    """Every configured server."""
    page = _asked(home, options, path="/sse/servers", kind=report.ServersPage)
    if page is not None:
        show_table(report.SERVER_COLUMNS, report.server_rows(page))


def show_tools(
    home: Path,
    options: Options,
    *,
    tag: str | None,
    server: str | None,
    everything: bool = False,
) -> None:
    """The tools of everything, of a server, or of the servers with tags.

    ``everything``: also those that are withheld from all clients, and why.
    """
    path = tools_path(tag=tag, server=server)
    try:
        page = _asked(home, options, path=path, kind=report.ToolsPage)
    except NotThere as error:
        said = not_there(tag=tag, server=server)
        raise CommandFailed(*said or error.lines) from error
    if page is None:
        return
    show_table(report.TOOL_COLUMNS, report.tool_rows(page))
    if everything and page.withheld:
        show_table(report.WITHHELD_COLUMNS, report.withheld_rows(page))


def not_there(*, tag: str | None, server: str | None) -> list[str]:
    """What to say of a name the bridge does not know; nothing without a name."""
    if server is not None:
        return [f"no server '{printable(server)}'; see `bridge mcp list`"]
    if tag is not None:
        return [f"no server with the tag '{printable(tag)}'; see `bridge mcp list`"]
    return []


def tools_path(*, tag: str | None, server: str | None) -> str:
    """The address of a list of tools."""
    if server is not None:
        return f"/sse/mcp/{quote(server, safe='')}/list_tools"
    if tag is not None:
        return f"/sse/tag/{quote(tag, safe='+,')}/list_tools"
    return "/sse/list_tools"


class _Begun(msgspec.Struct, frozen=True):
    server: str


def _asked(
    home: Path,
    options: Options,
    *,
    path: str,
    kind: type[T],
    method: str = "GET",
) -> T | None:
    """The page; None when it has been shown as JSON."""
    given = msgspec.convert(options, _RemoteOptions)
    target = Target(
        home=home, port=given.port, url=given.url or "", token=given.token or ""
    )
    body = ask(target, path, method=method)
    if given.form == "table":
        return report.decoded(body, kind)
    show_json(report.decoded(body, dict[str, object]))
    return None
