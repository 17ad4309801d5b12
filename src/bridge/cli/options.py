"""Options that several commands share, with one meaning each."""

from collections.abc import Callable
from typing import Any

import click
import msgspec

from bridge.cli.exit import EXIT_STATUSES

Command = Callable[..., Any]
Option = Callable[[Command], Command]


def together(*options: Option) -> Option:
    """Several options as one decorator, shown in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _set_home(
    context: click.Context, _option: click.Parameter, home: str | None
) -> None:
    """After the command it means the same as before it, and wins."""
    if home is not None:
        context.obj = msgspec.structs.replace(context.obj, config_dir=home)


HOME_HELP = "Home of tokens and of the default file: BRIDGE_HOME, ~/.foxxy-bridge."
home_option: Option = click.option(
    "--config-dir",
    metavar="DIR",
    expose_value=False,
    callback=_set_home,
    help=HOME_HELP,
)
config_option: Option = click.option(
    "--config",
    "--bridge-config",
    "config",
    metavar="FILE",
    help="Configuration file. Without it: MCP_BRIDGE_CONFIG, ./config.json, "
    "~/.foxxy-bridge/config.json.",
)
debug_option: Option = click.option(
    "--debug", is_flag=True, help="Log at debug level (bridge.logLevel)."
)
serve_options: Option = together(
    config_option,
    home_option,
    click.option("--host", help="Address to listen on (bridge.host)."),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        help="Port to listen on; 0 takes a free one (bridge.port).",
    ),
    click.option(
        "--no-auth",
        is_flag=True,
        help="Let everybody in, on a loopback address only (bridge.auth.mode).",
    ),
)
format_option: Option = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
port_option: Option = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Which bridge of this machine, when several run.",
)
local_options: Option = together(home_option, port_option)
remote_options: Option = together(
    local_options,
    click.option(
        "--url",
        metavar="URL",
        envvar="BRIDGE_URL",
        show_envvar=True,
        help="A bridge elsewhere, such as https://bridge.example.com.",
    ),
    click.option(
        "--token",
        metavar="TOKEN",
        envvar="BRIDGE_TOKEN",
        show_envvar=True,
        help="Bearer token for --url.",
    ),
    format_option,
)


def examples(*lines: str) -> str:
    """The end of a help page, laid out as written."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def examples_and_statuses(*lines: str) -> str:
    return f"{examples(*lines)}\n\n{EXIT_STATUSES}"
