"""The words and options of `bridge oauth` and `bridge doctor`.

Commands import what they run when they run, as in `bridge.cli.main`.
"""
# ruff: noqa: PLC0415 - see above

import sys

import click

from bridge.cli.invocation import Invocation
from bridge.cli.options import (
    Option,
    config_option,
    debug_option,
    examples,
    format_option,
    home_option,
    port_option,
    together,
)

_STATUSES = """\b
Exit status:
  0    {done}
  1    {failed}
  2    a wrong option, configuration or server name; nothing was done
  130  given up with Ctrl-C"""

#: R94.
_PATIENCE = 300.0

_place_options: Option = together(config_option, home_option, port_option)


def _epilog(*lines: str, done: str, failed: str) -> str:
    return f"{examples(*lines)}\n\n{_STATUSES.format(done=done, failed=failed)}"


@click.group("oauth")
def oauth_group() -> None:
    """Log in to servers with OAuth, log out, see how logins stand.

    Where a bridge runs it is asked, and keeps the tokens; else the command does it
    itself, with the configuration a bridge would take.
    """


@oauth_group.command(
    "login",
    epilog=_epilog(
        "bridge oauth login production",
        "bridge oauth login production --force",
        "bridge oauth login production --paste     on a machine without a browser",
        done="logged in",
        failed="not logged in: denied, failed, or not within --timeout",
    ),
)
@click.argument("server")
@click.option("--force", is_flag=True, help="Log in anew, even with a good token.")
@click.option(
    "--paste",
    is_flag=True,
    help="Ask for the address the browser was sent to: for a browser elsewhere. "
    "Opens none here.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=_PATIENCE,
    show_default=True,
    metavar="S",
    help="How long to wait for the person, in seconds.",
)
@click.option(
    "--no-browser",
    is_flag=True,
    help="Open no browser; print the address only. (A running bridge opens its own.)",
)
@_place_options
@debug_option
@click.pass_obj
def login_command(
    invocation: Invocation,
    *,
    server: str,
    force: bool,
    paste: bool,
    timeout: float,
    no_browser: bool,
    config: str | None,
    port: int | None,
    debug: bool,
) -> None:
    """Log in to SERVER in a browser, or with a code on another device.

    The address to open is printed too. A server that has a good token is left alone
    unless --force is given.
    """
    from bridge.cli.oauth import Ask, log_in

    found = invocation.about(config, debug=debug)
    ask = Ask(invocation=found, port=port, browser=not (no_browser or paste))
    sys.exit(log_in(ask, server, force=force, paste=paste, within=timeout))


@oauth_group.command(
    "logout",
    epilog=_epilog(
        "bridge oauth logout staging",
        "bridge oauth logout --all",
        done="logged out, or was not logged in",
        failed="not logged out",
    ),
)
@click.argument("server", required=False)
@click.option("--all", "everything", is_flag=True, help="Log out of every server.")
@_place_options
@debug_option
@click.pass_obj
def logout_command(
    invocation: Invocation,
    *,
    server: str | None,
    everything: bool,
    config: str | None,
    port: int | None,
    debug: bool,
) -> None:
    """Revoke the tokens of SERVER, where its provider can, and delete them."""
    from bridge.cli.oauth import Ask, log_out

    if everything == (server is not None):
        raise click.UsageError("Name a server, or --all.")
    found = invocation.about(config, debug=debug)
    sys.exit(log_out(Ask(invocation=found, port=port), server))


@oauth_group.command(
    "status",
    epilog=_epilog(
        "bridge oauth status",
        "bridge oauth status production",
        "bridge oauth status --format json",
        done="every server shown has a valid token",
        failed="at least one has none, or an expired one",
    ),
)
@click.argument("server", required=False)
@format_option
@_place_options
@debug_option
@click.pass_obj
def status_command(
    invocation: Invocation,
    *,
    server: str | None,
    form: str,
    config: str | None,
    port: int | None,
    debug: bool,
) -> None:
    """Show the logins: a valid token, an expired one, or none.

    Below the table stands the address of each login that waits for a person.
    """
    from bridge.cli.oauth import Ask, show_status

    found = invocation.about(config, debug=debug)
    sys.exit(show_status(Ask(invocation=found, port=port), server, form=form))


@click.command(
    "doctor",
    epilog=_epilog(
        "bridge doctor",
        "bridge doctor production",
        "bridge doctor --format json",
        done="every step of every server is well",
        failed="at least one step is not",
    ),
)
@click.argument("server", required=False)
@click.option(
    "--register",
    is_flag=True,
    help="Where a login would register a client: register it now, and keep it.",
)
@format_option
@config_option
@home_option
@debug_option
@click.pass_obj
def doctor_command(
    invocation: Invocation,
    *,
    server: str | None,
    register: bool,
    form: str,
    config: str | None,
    debug: bool,
) -> None:
    """Try every step towards SERVER, or towards all, and explain what fails.

    Nothing is changed: nobody is logged in, no token is refreshed. It says what to
    run or to change next.
    """
    from bridge.cli.doctor.command import doctor

    found = invocation.about(config, debug=debug)
    sys.exit(doctor(found, server, register=register, form=form))
