"""The command line. The only place that reads the process's environment."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from bridge import __version__
from bridge.cli.exit import EXIT_USAGE, complain
from bridge.config import (
    Loaded,
    Overrides,
    bridge_home,
    command_runner,
    find_config,
    format_problems,
    load_config,
    read_config_file,
)
from bridge.errors import ConfigError


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What every command is given: where it runs and which file it is about."""

    environment: Mapping[str, str]
    config: str | None
    config_dir: str | None
    debug: bool

    def load(self, overrides: Overrides | None = None) -> Loaded:
        """The configuration, or exit status 2 with every problem listed."""
        source = "configuration"
        try:
            path = find_config(
                self.config,
                environment=self.environment,
                home=bridge_home(self.config_dir, self.environment),
                exists=Path.is_file,
            )
            source = str(path)
            return load_config(
                read_config_file(path),
                source=source,
                environment=self.environment,
                overrides=overrides or Overrides(debug=self.debug),
                substitute=command_runner(self.environment),
            )
        except ConfigError as error:
            for line in format_problems(source, error.problems).splitlines():
                complain(line)
            if not error.problems:
                complain(error.public)
            sys.exit(EXIT_USAGE)


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--config",
    "--bridge-config",
    "config",
    metavar="FILE",
    help="Configuration file. Without it: MCP_BRIDGE_CONFIG, ./config.json, "
    "~/.foxxy-bridge/config.json.",
)
@click.option(
    "--config-dir",
    metavar="DIR",
    help="Home of tokens and of the default file (BRIDGE_HOME).",
)
@click.option("--debug", is_flag=True, help="Log at debug level.")
@click.version_option(__version__, prog_name="bridge")
@click.pass_context
def cli(
    context: click.Context,
    *,
    config: str | None,
    config_dir: str | None,
    debug: bool,
) -> None:
    """Many MCP servers behind one validated endpoint."""
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


@cli.command("serve")
@click.option("--config", "--bridge-config", "config", metavar="FILE")
@click.option("--host", help="Address to listen on (bridge.host).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (bridge.port).")
@click.option("--no-auth", is_flag=True, help="No token needed; loopback only.")
@click.option("--debug", is_flag=True, help="Log at debug level.")
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
    """Run the bridge until it is told to stop."""
    from bridge.cli.serve import serve  # noqa: PLC0415 - other commands start faster

    given = msgspec.structs.replace(invocation, config=config or invocation.config)
    loaded = given.load(
        Overrides(
            host=host, port=port, no_auth=no_auth, debug=debug or invocation.debug
        )
    )
    sys.exit(serve(loaded, environment=invocation.environment))


def main() -> None:
    """Entry point of `bridge`, `foxxy-bridge` and `mcp-foxxy-bridge`."""
    cli()
