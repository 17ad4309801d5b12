"""The words and options of `bridge tool pending` and `bridge tool approve`.

Commands import what they run when they run, as in `bridge.cli.main`.
"""
# ruff: noqa: PLC0415 - see above

import sys

import click

from bridge.cli.invocation import Invocation
from bridge.cli.options import examples, format_option, local_options


@click.command(
    "pending",
    epilog=examples("bridge tool pending", "bridge tool pending files --format json"),
)
@click.argument("server", required=False)
@format_option
@local_options
@click.pass_obj
def pending_command(
    invocation: Invocation, *, server: str | None, form: str, port: int | None
) -> None:
    """List the definitions of pinned servers that wait for approval.

    A pinned server ("pin": true) is trusted as it is first seen. What changes in a
    tool or prompt later, and what is new, is neither shown nor called until you have
    looked at it.
    """
    from bridge.cli.pins import Ask, show_pending

    ask = Ask(home=invocation.home, port=port, form=form)
    sys.exit(show_pending(ask, server))


@click.command(
    "approve",
    epilog=examples(
        "bridge tool approve files read_file",
        "bridge tool approve files --all",
        "bridge tool approve files read_file --yes    without being asked",
    ),
)
@click.argument("server")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="All that is held back of it.")
@click.option("--yes", is_flag=True, help="Do not ask; what has changed is shown.")
@local_options
@click.pass_obj
def approve_command(
    invocation: Invocation,
    *,
    server: str,
    names: tuple[str, ...],
    everything: bool,
    yes: bool,
    port: int | None,
) -> None:
    """Show what has changed in tools and prompts of SERVER, and serve them again.

    Names are those of the server itself, as `bridge tool pending` lists them. What is
    approved is the very text that is shown: one that has changed again stays held
    back.
    """
    from bridge.cli.pins import Ask, Choice, approve

    if everything == bool(names):
        raise click.UsageError("Name what to approve, or --all.")
    ask = Ask(home=invocation.home, port=port, yes=yes)
    choice = Choice(server=server, names=names, everything=everything)
    sys.exit(approve(ask, choice))
