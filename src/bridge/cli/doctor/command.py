"""Runs the walks of `bridge doctor` and shows what they found."""

import sys
from functools import partial

import click

from bridge.cli.doctor.finding import as_json, as_lines, tally
from bridge.cli.doctor.walk import chosen, walk_all
from bridge.cli.exit import EXIT_FAILED, EXIT_OK, EXIT_USAGE, CommandFailed
from bridge.cli.invocation import Invocation
from bridge.cli.run import run
from bridge.cli.table import printable, show_json, shows_signs
from bridge.cli.workshop import open_workshop


def doctor(
    invocation: Invocation, server: str | None, *, register: bool, form: str
) -> int:
    """Look at ``server``, or at all. The exit status: 0 when every step is a tick."""
    workshop = open_workshop(invocation)
    servers = list(chosen(workshop.config.upstreams, server))
    if server is not None and not servers:
        known = ", ".join(each.name for each in workshop.config.upstreams) or "none"
        raise CommandFailed(
            f"there is no server '{printable(server)}'; servers are: {known}",
            status=EXIT_USAGE,
        )
    reports = run(partial(walk_all, servers, workshop, register=register))
    if form == "json":
        show_json(as_json(reports))
    else:
        signs = shows_signs(sys.stdout)
        for report in reports:
            for line in as_lines(report, signs=signs):
                click.echo(printable(line))
        click.echo(tally(reports))
    well = all(each.well for each in reports)
    faulty = server is None and workshop.left_out
    return EXIT_OK if well and not faulty else EXIT_FAILED
