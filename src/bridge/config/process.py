"""Runs the command of a ``$(command ...)``: no shell, one deadline, bounded output."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping

from bridge.config.expand import COMMAND_SECONDS, Substitute, SubstitutionFailed

# A secret is short; more than this is the wrong command.
_LONGEST_OUTPUT = 64 * 2**10


def command_runner(
    environment: Mapping[str, str], *, seconds: float = COMMAND_SECONDS
) -> Substitute:
    """A substitute that starts real processes. It blocks: load in a worker thread."""

    def run(words: list[str]) -> str:
        return _run(words, environment, seconds=seconds)

    return run


def _run(words: list[str], environment: Mapping[str, str], *, seconds: float) -> str:
    # A file takes the output, so that a child of the command which lives on and
    # holds the pipe open cannot make the wait longer than the deadline.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - allow-listed, and no shell
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise SubstitutionFailed("a command could not be started") from error
        _wait(process, seconds)
        output.seek(0)
        return _text(output.read(_LONGEST_OUTPUT + 1))


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise SubstitutionFailed(
            f"a command did not end within {seconds:g} s"
        ) from None
    finally:
        _end(process)
    if status != 0:
        raise SubstitutionFailed(f"a command ended with status {status}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the command's group when it still runs, and reap it."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(output: bytes) -> str:
    if len(output) > _LONGEST_OUTPUT:
        raise SubstitutionFailed(f"a command gave more than {_LONGEST_OUTPUT} bytes")
    try:
        return output.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SubstitutionFailed("a command gave no UTF-8 text") from None
