"""The command line. The only place that reads the process's environment.

Commands import what they run when they run, so that ``--help`` and a wrong option
are answered at once.
"""
# ruff: noqa: PLC0415 - see above

import os
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path

import click

from bridge import __version__
from bridge.cli.early_signals import EarlyHangups, EarlyStop
from bridge.cli.exit import EXIT_FAILED, CommandFailed, complain
from bridge.cli.invocation import Invocation
from bridge.cli.oauth_commands import doctor_command, oauth_group
from bridge.cli.options import (
    HOME_HELP,
    config_option,
    debug_option,
    examples,
    examples_and_statuses,
    format_option,
    local_options,
    remote_options,
    serve_options,
)
from bridge.cli.tool_commands import approve_command, pending_command
from bridge.config import Overrides


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples_and_statuses(
        "bridge demo                         try it, with nothing prepared",
        "bridge check --config config.json   what is wrong, what would start",
        "bridge serve --config config.json   run it",
        "bridge status                       how it is doing",
    ),
)
@config_option
@click.option(
    "--config-dir",
    metavar="DIR",
    help=HOME_HELP,
)
@debug_option
@click.version_option(__version__, prog_name="bridge")
@click.pass_context
def cli(
    context: click.Context, *, config: str | None, config_dir: str | None, debug: bool
) -> None:
    """Many MCP servers behind one validated endpoint.

    With --bridge-config FILE and no command it serves, as `bridge serve` does.
    """
    context.obj = Invocation(
        environment=dict(os.environ),  # noqa: TID251 - read once, here
        config=config,
        config_dir=config_dir,
        debug=debug,
    )
    if context.invoked_subcommand is not None:
        return
    if config is None:
        click.echo(context.get_help())
        context.exit()
    context.invoke(serve_command)  # the seed's spelling (R115)


@cli.command(
    "serve",
    epilog=examples(
        "bridge serve --config config.json",
        "bridge serve --config config.json --no-auth",
        "OAUTH_ISSUER=https://id.example.com OAUTH_AUDIENCE=mcp bridge serve",
    ),
)
@serve_options
@debug_option
@click.pass_obj
def serve_command(
    invocation: Invocation,
    *,
    config: str | None = None,
    host: str | None = None,
    port: int | None = None,
    no_auth: bool = False,
    debug: bool = False,
) -> None:
    """Run the bridge until it is told to stop.

    Who comes in needs a token of OAUTH_ISSUER for OAUTH_AUDIENCE (or bridge.auth in
    the file); --no-auth switches that off. SIGTERM and Ctrl-C stop it once calls in
    flight have been answered, a second one at once. It follows changes of the file;
    SIGHUP has it read at once.
    """
    stop = EarlyStop()  # first of all: no signal may end a bridge as if it had failed
    early = EarlyHangups()
    overrides = Overrides(
        host=host, port=port, no_auth=no_auth, debug=debug or invocation.debug
    )
    serving = invocation.about(config).serving(overrides)
    from bridge.cli.serve import serve  # a bad file is answered without all of it

    status = serve(
        serving,
        environment=invocation.environment,
        home=invocation.home,
        early=early,
        stop=stop,
    )
    sys.exit(status)


@cli.command(
    "check",
    epilog=examples(
        "bridge check --config config.json",
        "bridge check --config config.json --no-auth --format json",
    ),
)
@serve_options
@format_option
@click.pass_obj
def check_command(
    invocation: Invocation,
    *,
    config: str | None,
    host: str | None,
    port: int | None,
    no_auth: bool,
    form: str,
) -> None:
    """Say all that is wrong with a configuration, and what it would start.

    Takes the options of `serve` and starts nothing. The exit status is 2 when there
    is any error, also one of a single server.
    """
    from bridge.cli.check import check

    found = invocation.about(config).read(
        Overrides(host=host, port=port, no_auth=no_auth, debug=invocation.debug)
    )
    sys.exit(check(found, form="json" if form == "json" else "table"))


@cli.command(
    "plan",
    epilog=examples(
        "bridge plan",
        "bridge plan --format json",
        "bridge plan --config new.json --against config.json   without a bridge",
    ),
)
@click.option(
    "--against",
    metavar="FILE",
    help="Compare with this file instead of what a running bridge runs.",
)
@local_options
@config_option
@click.option(
    "--no-auth", is_flag=True, help="With --against: as `serve --no-auth` would."
)
@format_option
@click.pass_obj
def plan_command(
    invocation: Invocation,
    *,
    against: str | None,
    port: int | None,
    config: str | None,
    no_auth: bool,
    form: str,
) -> None:
    """Say what the file of a running bridge would change now, and change nothing.

    Names of servers and keys, never values. The running bridge is asked, since only it
    knows what it runs; it reads the file it was started with. The exit status is 2
    when the file cannot be applied.
    """
    from bridge.cli.plan import PLAN_PAGE, ask_running, compare, show_plan

    running = against is None
    if against is None:
        if config is not None or no_auth:
            raise click.UsageError("--config and --no-auth go with --against.")
        plan = ask_running(PLAN_PAGE, home=invocation.home, port=port)
    else:
        overrides = Overrides(no_auth=no_auth, debug=invocation.debug)
        plan = compare(
            invocation.about(against).read(overrides),
            invocation.about(config).read(overrides),
        )
    shown = "json" if form == "json" else "table"
    sys.exit(show_plan(plan, form=shown, running=running))


@cli.command("reload", epilog=examples("bridge reload", "bridge reload --port 8081"))
@local_options
@format_option
@click.pass_obj
def reload_command(invocation: Invocation, *, port: int | None, form: str) -> None:
    """Have a running bridge read its file and apply it, as a whole or not at all.

    Calls in flight are answered; servers that did not change are not touched. The exit
    status is 2 when the file cannot be applied: then the bridge goes on with what it
    runs.
    """
    from bridge.cli.plan import RELOAD_PAGE, ask_running, show_plan

    plan = ask_running(RELOAD_PAGE, home=invocation.home, port=port)
    sys.exit(show_plan(plan, form="json" if form == "json" else "table"))


@cli.command("status", epilog=examples("bridge status", "bridge status --format json"))
@remote_options
@click.pass_obj
def status_command(invocation: Invocation, **options: object) -> None:
    """Show a running bridge and its servers, live."""
    from bridge.cli.live import show_status

    show_status(invocation.home, options)


@cli.command("tree", epilog=examples("bridge tree", "bridge tree --format json"))
@remote_options
@click.pass_obj
def tree_command(invocation: Invocation, **options: object) -> None:
    """Show every part of a running bridge: state, work, restarts, what it waits for."""
    from bridge.cli.live import show_tree

    show_tree(invocation.home, options)


@cli.command(
    "demo",
    epilog=examples("bridge demo", "bridge demo --port 9000", "bridge demo --check"),
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port of the bridge. Without it: 8080, or a free one when that is taken.",
)
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Log in, list and call by itself through /sse and /mcp, then end.",
)
@debug_option
@click.pass_obj
def demo_command(
    invocation: Invocation, *, port: int | None, only_check: bool, debug: bool
) -> None:
    """Try the bridge with nothing prepared.

    Starts an identity provider for development, two small MCP servers and the bridge
    in front of them, all on this machine and only there, and prints commands to try.
    Ctrl-C ends everything.
    """
    from bridge.demo.run import Wish, demo

    wish = Wish(
        port=port,
        only_check=only_check,
        debug=debug or invocation.debug,
        home=invocation.home,
    )
    sys.exit(demo(wish, environment=invocation.environment))


@cli.group("server")
def server_group() -> None:
    """The bridge itself: start it, see its status."""


@cli.group("config")
def config_group() -> None:
    """The configuration file."""


@cli.group("mcp")
def mcp_group() -> None:
    """The MCP servers behind a running bridge."""


@cli.group("tool")
def tool_group() -> None:
    """The tools a running bridge offers, and those it holds back."""


@mcp_group.command("list", epilog=examples("bridge mcp list"))
@remote_options
@click.pass_obj
def mcp_list_command(invocation: Invocation, **options: object) -> None:
    """List the servers: state, transport, what they say they are, tags."""
    from bridge.cli.live import show_servers

    show_servers(invocation.home, options)


@mcp_group.command("reconnect", epilog=examples("bridge mcp reconnect time"))
@click.argument("server")
@remote_options
@click.pass_obj
def mcp_reconnect_command(
    invocation: Invocation, *, server: str, **options: object
) -> None:
    """Connect a server anew: give up its link, its pause, or its quarantine."""
    from bridge.cli.live import reconnect

    reconnect(invocation.home, options, server=server)


@tool_group.command(
    "list",
    epilog=examples(
        "bridge tool list",
        "bridge tool list --server time",
        "bridge tool list --tag dev",
        "bridge tool list --tag dev+remote   with both tags (a,b: with any)",
        "bridge tool list --all              what policy withholds as well, and why",
    ),
)
@click.option("--tag", metavar="TAGS", help="Only of servers with these tags.")
@click.option("--server", metavar="NAME", help="Only of this server.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also the tools no client is shown, with the reason.",
)
@remote_options
@click.pass_obj
def tool_list_command(
    invocation: Invocation,
    *,
    tag: str | None,
    server: str | None,
    everything: bool,
    **options: object,
) -> None:
    """List the tools as a client is shown them."""
    from bridge.cli.live import show_tools

    if tag and server:
        raise click.UsageError("Choose one of --tag and --server.")
    show_tools(invocation.home, options, tag=tag, server=server, everything=everything)


tool_group.add_command(pending_command)
tool_group.add_command(approve_command)
cli.add_command(oauth_group)
cli.add_command(doctor_command)

# The seed's spellings of the same commands (R115, R116).
server_group.add_command(serve_command, "start")
server_group.add_command(status_command, "status")
config_group.add_command(check_command, "validate")


def main() -> None:
    """Entry point of `bridge`, `foxxy-bridge` and `mcp-foxxy-bridge`.

    The boundary: whatever happens, a person reads sentences and a script a status.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character is shown its escape.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(prog_name="bridge")
    except CommandFailed as failure:
        for line in failure.lines:
            complain(line)
        sys.exit(failure.status)
    except Exception as error:  # noqa: BLE001 - the boundary of the command line
        complain(unexpected(error))
        sys.exit(EXIT_FAILED)


def unexpected(error: Exception) -> str:
    """A fault of ours in one line: what and where, never the message (it may hold
    what is not for everybody)."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return (
        f"an unexpected {type(error).__name__} at {where} (bridge {__version__}); "
        "this is a fault of the bridge, please report it with this line"
    )
