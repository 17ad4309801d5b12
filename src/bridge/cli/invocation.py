"""What every command is given: where it runs and which file it is about."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bridge.cli.exit import EXIT_USAGE, CommandFailed
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


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that cannot start. ``source`` is its file, if found."""

    source: str
    error: ConfigError

    @property
    def lines(self) -> list[str]:
        """One line for each problem, or the one sentence there is."""
        problems = format_problems(self.source, self.error.problems)
        return problems.splitlines() or [self.error.public]


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """The process's environment and the options before the command."""

    environment: Mapping[str, str]
    config: str | None = None
    config_dir: str | None = None
    debug: bool = False

    @property
    def home(self) -> Path:
        """The folder of tokens, of the default file and of control sockets."""
        return bridge_home(self.config_dir, self.environment)

    def about(self, config: str | None, *, debug: bool = False) -> "Invocation":
        """The same with the file the command itself names, if it does, and with what
        it says of ``debug``."""
        return msgspec.structs.replace(
            self, config=config or self.config, debug=debug or self.debug
        )

    def read(self, overrides: Overrides) -> tuple[str, Loaded] | Refused:
        """The configuration and the name of its file, or why there is none."""
        source = "configuration"
        try:
            path = find_config(
                self.config,
                environment=self.environment,
                home=self.home,
                exists=Path.is_file,
            )
            source = str(path)
            loaded = load_config(
                read_config_file(path),
                source=source,
                environment=self.environment,
                overrides=overrides,
                substitute=command_runner(self.environment),
            )
        except ConfigError as error:
            return Refused(source=source, error=error)
        return source, loaded

    def load(self, overrides: Overrides) -> Loaded:
        """The configuration. Raises CommandFailed with every problem there is."""
        found = self.read(overrides)
        if isinstance(found, Refused):
            raise CommandFailed(*found.lines, status=EXIT_USAGE)
        return found[1]
