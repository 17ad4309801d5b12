"""Exit statuses, and how a command says what is wrong."""

import click

EXIT_OK = 0
EXIT_FAILED = 1
#: A wrong option, configuration or address: nothing was started.
EXIT_USAGE = 2


def complain(sentence: str) -> None:
    """One line on standard error: what, why, and what to do."""
    click.echo(f"bridge: {sentence}", err=True)
