"""Exit statuses, and how a command says what is wrong."""

import click

EXIT_OK = 0
EXIT_FAILED = 1
#: A wrong option, configuration or address: nothing was started.
EXIT_USAGE = 2
#: What a shell reports of a program that Ctrl-C ended.
EXIT_INTERRUPTED = 130

EXIT_STATUSES = """\b
Exit status:
  0    done
  1    failed: no bridge runs, it does not answer, or it ended by itself
  2    a wrong option, configuration or address; nothing was started
  142  the bridge did not stop in time and was ended (SIGALRM)"""


class CommandFailed(Exception):
    """A command cannot go on. ``lines`` say why to a person; ``status`` to a script."""

    def __init__(self, *lines: str, status: int = EXIT_FAILED) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.status = status


def complain(sentence: str) -> None:
    """One line on standard error: what, why, and what to do."""
    click.echo(f"bridge: {sentence}", err=True)
