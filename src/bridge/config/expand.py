"""``${VAR}``, ``${VAR:default}`` and, where allowed, ``$(command ...)`` in a text.

Rules (R19 to R22):

- a variable's value and a command's output are taken as they are, never expanded again
- ``$${`` and ``$$(`` stand for the two characters themselves
- a command runs without a shell: its words are split first, and variables are
  expanded inside each word, so that a value can never become a second argument
- whatever cannot be expanded is named in ``Expansion.faults``; the caller then never
  uses the text
"""

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import PurePath

import msgspec

from bridge.errors import BridgeError

Substitute = Callable[[list[str]], str]

COMMAND_SECONDS = 30.0  # a secret manager that asks a person takes that long
COMMAND_CHARACTERS = 1000

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_START = re.compile(r"\$\$(?=[{(])|\$[{(]")
_SHELL_CHARACTERS = re.compile(r"[;&|<>`$\n\r\x00]")
# Programs that run any other program, which would make an allow list say nothing.
_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh", "busybox"}
_OTHER_SHELLS = {"cmd", "cmd.exe", "powershell", "powershell.exe", "pwsh"}
_LAUNCHERS = _SHELLS | _OTHER_SHELLS | {"sudo", "doas", "su", "env", "xargs", "nohup"}


class SubstitutionFailed(BridgeError):
    """A command gave no value. ``public`` says why, without its output."""

    code = "config.substitution_failed"


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    """What ``$(command ...)`` may do. ``run``: argument list to output."""

    enabled: bool = False
    allowed: tuple[str, ...] = ()
    dangerous: bool = False
    run: Substitute | None = None


class Expansion(msgspec.Struct, frozen=True, kw_only=True):
    """A text after expansion. It may be used only when ``faults`` is empty."""

    text: str
    changed: bool = False
    unset: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def expand(
    text: str, *, environment: Mapping[str, str], commands: Commands
) -> Expansion:
    """Expand one text. Never raises; all that is wrong is in the result."""
    if _START.search(text) is None:
        return Expansion(text=text)
    return _Expander(text, environment, commands=commands).expansion()


class _Expander:
    def __init__(
        self, text: str, environment: Mapping[str, str], *, commands: Commands
    ) -> None:
        self._text = text
        self._environment = environment
        self._commands = commands
        self._unset: list[str] = []
        self._faults: list[str] = []

    def expansion(self) -> Expansion:
        parts: list[str] = []
        at = 0
        while found := _START.search(self._text, at):
            parts.append(self._text[at : found.start()])
            part, at = self._part(found)
            parts.append(part)
        parts.append(self._text[at:])
        return Expansion(
            text="".join(parts),
            changed=True,
            unset=tuple(self._unset),
            faults=tuple(self._faults),
        )

    def _part(self, found: re.Match[str]) -> tuple[str, int]:
        """What stands for one mark, and where the text goes on."""
        match found[0]:
            case "$$":
                return self._text[found.end() - 1 : found.end() + 1], found.end() + 1
            case "${":
                return self._braces(found.start())
            case _:
                return self._command(found.end())

    def _braces(self, start: int) -> tuple[str, int]:
        found = _VARIABLE.match(self._text, start)
        if found is None:
            self._faults.append("'${' is not closed (write '$${' for the characters)")
            return "", len(self._text)
        return self._variable(found[1]), found.end()

    def _variable(self, inner: str) -> str:
        name, colon, default = inner.partition(":")
        if not _NAME.fullmatch(name):
            self._faults.append("'${...}' does not hold the name of a variable")
            return ""
        value = self._environment.get(name)
        if value is None and not colon:
            self._unset.append(name)
        return default if value is None else value

    def _command(self, start: int) -> tuple[str, int]:
        end = _closing(self._text, start)
        if end is None:
            self._faults.append("'$(' is not closed (write '$$(' for the characters)")
            return "", len(self._text)
        try:
            return self._output(self._text[start:end]), end + 1
        except SubstitutionFailed as failure:
            self._faults.append(failure.public)
            return "", end + 1

    def _output(self, command: str) -> str:
        run = self._commands.run
        if not self._commands.enabled or run is None:
            raise SubstitutionFailed(
                "command substitution is not allowed here (write '$$(' for the "
                "characters)"
            )
        words = self._words(command)
        if self._unset or self._faults:
            raise SubstitutionFailed("a command was not run, because of its variables")
        _permit(words[0], self._commands)
        return run(words)

    def _words(self, command: str) -> list[str]:
        if len(command) > COMMAND_CHARACTERS:
            raise SubstitutionFailed(
                f"a command is longer than {COMMAND_CHARACTERS} characters"
            )
        bare = _VARIABLE.sub("", command)
        if _SHELL_CHARACTERS.search(bare) and not self._commands.dangerous:
            raise SubstitutionFailed("a command holds shell characters; no shell runs")
        try:
            words = shlex.split(command)
        except ValueError:
            raise SubstitutionFailed(
                "a command has a quote that is not closed"
            ) from None
        if not words:
            raise SubstitutionFailed("a command is empty")
        return [_VARIABLE.sub(lambda m: self._variable(m[1]), word) for word in words]


def _permit(program: str, commands: Commands) -> None:
    """Refuse a program that is not on the list by exactly this name or path."""
    if program not in commands.allowed:
        raise SubstitutionFailed("a command's program is not in allowed_commands")
    if PurePath(program).name in _LAUNCHERS and not commands.dangerous:
        raise SubstitutionFailed("a command's program could run any other program")


def _closing(text: str, start: int) -> int | None:
    """Where the bracket that opened before ``start`` closes, outside quotes."""
    quote = ""
    depth = 1
    for at in range(start, len(text)):
        character = text[at]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character == "(") - (character == ")")
        if depth == 0:
            return at
    return None
