"""`bridge check`: everything wrong with a configuration, and what it would start."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import click

from bridge.cli import limits_view
from bridge.cli.exit import EXIT_OK, EXIT_USAGE
from bridge.cli.invocation import Refused
from bridge.cli.report import counted
from bridge.cli.table import Format, printable, show_json, show_table
from bridge.config import Loaded, UpstreamConfig, format_problems
from bridge.config.findings import left_out
from bridge.config.model import BridgeConfig
from bridge.errors import Problem

COLUMNS = ("Server", "Transport", "Reached at", "Starts")


def check(found: tuple[str, Loaded] | Refused, *, form: Format) -> int:
    """Report on a configuration that was read. The exit status: 0 without errors."""
    if isinstance(found, Refused):
        _show_refused(found, form)
        return EXIT_USAGE
    source, loaded = found
    broken = any(problem.fatal for problem in loaded.problems)
    if form == "json":
        show_json(
            {
                **_verdict(source, loaded.problems, ok=not broken),
                "starts": _starts(loaded),
            }
        )
    else:
        _show_loaded(source, loaded)
    return EXIT_USAGE if broken else EXIT_OK


def _show_refused(refused: Refused, form: Format) -> None:
    if form == "json":
        show_json(_verdict(refused.source, refused.error.problems, ok=False))
        return
    for line in refused.lines:
        click.echo(printable(line))
    click.echo(f"{_tally(refused.error.problems)}: nothing would start")


def _show_loaded(source: str, loaded: Loaded) -> None:
    for line in format_problems(source, loaded.problems).splitlines():
        click.echo(printable(line))
    bridge = loaded.config.bridge
    click.echo(f"{printable(source)}: {_tally(loaded.problems)}")
    click.echo(f"listens on {address(bridge)}; {admission(bridge)}")
    show_table(COLUMNS, rows(loaded))
    for columns, found in (
        (limits_view.TOOL_COLUMNS, list(limits_view.tool_rows(loaded.config))),
        (limits_view.ACCESS_COLUMNS, list(limits_view.access_rows(loaded.config))),
    ):
        if found:
            show_table(columns, found)


def rows(loaded: Loaded) -> Iterator[tuple[str, ...]]:
    """Every server, those left out last."""
    for server in loaded.config.upstreams:
        starts = "yes" if server.enabled else "no, disabled"
        yield server.name, transport(server), reached_at(server), starts
    for name in sorted(left_out(loaded.problems)):
        yield name, "", "", "no, it has errors"


def address(bridge: BridgeConfig) -> str:
    host = f"[{bridge.host}]" if ":" in bridge.host else bridge.host
    return f"http://{host}:{bridge.port}"


def admission(bridge: BridgeConfig) -> str:
    """Who may come in, in words."""
    auth = bridge.auth
    if auth.mode == "none":
        return "authentication is OFF: everybody on this machine may come in"
    audiences = " or ".join(auth.audience)
    return printable(f"tokens of {auth.issuer} for {audiences} are let in")


def transport(server: UpstreamConfig) -> str:
    return server.transport or ("stdio" if server.command else "found out by asking")


def reached_at(server: UpstreamConfig) -> str:
    """The program, or the address without what could be secret in it (R20)."""
    if not server.url:
        return server.command
    parts = urlsplit(server.url)
    return f"{parts.scheme}://{parts.hostname or ''}" + (
        f":{parts.port}" if parts.port else ""
    )


def _starts(loaded: Loaded) -> dict[str, object]:
    bridge = loaded.config.bridge
    return {
        "url": address(bridge),
        "authentication": bridge.auth.mode,
        "servers": [
            {
                "name": server.name,
                "transport": transport(server),
                "reachedAt": reached_at(server),
            }
            for server in loaded.config.upstreams
            if server.enabled
        ],
        "disabled": [s.name for s in loaded.config.upstreams if not s.enabled],
        "leftOut": sorted(left_out(loaded.problems)),
        "toolLimits": _limits(loaded),
        "access": [
            dict(zip(("rule", "for", "does", "servers", "tools"), row, strict=True))
            for row in limits_view.access_rows(loaded.config)
        ],
    }


def _limits(loaded: Loaded) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for server, limit in limits_view.tool_rows(loaded.config):
        found.setdefault(server, []).append(limit)
    return found


def _verdict(
    source: str, problems: tuple[Problem, ...], *, ok: bool
) -> dict[str, object]:
    return {"file": source, "ok": ok, "problems": [_plain(p) for p in problems]}


def _plain(problem: Problem) -> dict[str, object]:
    line, column = problem.at or (None, None)
    return {
        "weight": "error" if problem.fatal else "warning",
        "path": problem.path,
        "reason": problem.reason,
        "hint": problem.hint,
        "server": problem.server,
        "line": line,
        "column": column,
    }


def _tally(problems: tuple[Problem, ...]) -> str:
    errors = sum(problem.fatal for problem in problems)
    warnings = len(problems) - errors
    return f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
