"""What every command is given: where it runs and which file it is about."""

from collections.abc import Callable, Mapping
from functools import partial
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
    stamp_of,
)
from bridge.errors import ConfigError


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What a bridge is started with, and how it reads that again."""

    loaded: Loaded
    path: Path
    stamp: str  # of the file as it was before it was read
    again: Callable[[], Loaded]  # raises ConfigError; blocks


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
            path = self._file()
            source = str(path)
            return source, self._load(path, overrides)
        except ConfigError as error:
            return Refused(source=source, error=error)

    def load(self, overrides: Overrides) -> Loaded:
        """The configuration. Raises CommandFailed with every problem there is."""
        found = self.read(overrides)
        if isinstance(found, Refused):
            raise CommandFailed(*found.lines, status=EXIT_USAGE)
        return found[1]

    def serving(self, overrides: Overrides) -> Serving:
        """The same, for a bridge that follows the file. Raises CommandFailed."""
        source = "configuration"
        try:
            path = self._file()
            source = str(path)
            stamp = stamp_of(path)
            loaded = self._load(path, overrides)
        except ConfigError as error:
            refused = Refused(source=source, error=error)
            raise CommandFailed(*refused.lines, status=EXIT_USAGE) from error
        path = path.absolute()
        again = partial(self._load, path, overrides)
        return Serving(loaded=loaded, path=path, stamp=stamp, again=again)

    def _file(self) -> Path:
        return find_config(
            self.config,
            environment=self.environment,
            home=self.home,
            exists=Path.is_file,
        )

    def _load(self, path: Path, overrides: Overrides) -> Loaded:
        return load_config(
            read_config_file(path),
            source=str(path),
            environment=self.environment,
            overrides=overrides,
            substitute=command_runner(self.environment),
        )
