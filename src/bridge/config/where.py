"""Which file is the configuration (decision 2), and where the bridge keeps its own."""

import errno
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge.errors import ConfigError, Problem

_FILE_VARIABLES = ("MCP_BRIDGE_CONFIG", "FOXXY_BRIDGE_CONFIG")
_HOME_VARIABLES = ("BRIDGE_HOME", "MCP_CONFIG_DIR")
_FILE_NAME = "config.json"

# Far beyond any configuration; a wrong path to a log or a device is refused early.
_LARGEST_BYTES = 4 * 2**20


def bridge_home(explicit: str | None, environment: Mapping[str, str]) -> Path:
    """The folder of tokens and of the default file: ``~/.foxxy-bridge`` or as set."""
    for text in (explicit, *(environment.get(name) for name in _HOME_VARIABLES)):
        if text:
            return _at_home(text, environment)
    return _at_home("~/.foxxy-bridge", environment)


def find_config(
    explicit: str | None,
    *,
    environment: Mapping[str, str],
    home: Path,
    exists: Callable[[Path], bool],
) -> Path:
    """The file to read: option, environment, ``./config.json``, ``<home>/config.json``.

    A file that is named is never replaced by another. Raises ConfigError.
    """
    named = [("--config", explicit)]
    named += [(name, environment.get(name)) for name in _FILE_VARIABLES]
    for label, text in named:
        if text:
            return _named(label, _at_home(text, environment), exists)
    places = (Path(_FILE_NAME), home / _FILE_NAME)
    for place in places:
        if exists(place):
            return place
    looked = " and ".join(str(place) for place in places)
    raise _missing("(file)", f"no configuration found; looked for {looked}")


def _named(label: str, path: Path, exists: Callable[[Path], bool]) -> Path:
    if not exists(path):
        raise _missing(label, f"no file {path}")
    return path


def _missing(label: str, reason: str) -> ConfigError:
    problem = Problem(label, reason, hint="name one with --config FILE")
    return ConfigError(reason, (problem,))


def _at_home(text: str, environment: Mapping[str, str]) -> Path:
    """``~`` as a shell reads it, without asking the system who the user is."""
    user_home = environment.get("HOME")
    if user_home and (text == "~" or text.startswith("~/")):
        return Path(user_home, text[2:])
    return Path(text)


def read_config_file(path: Path) -> bytes:
    """The bytes of the file. Raises ConfigError when it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ConfigError(f"{path}: {reason}", (Problem("(file)", reason),)) from error
    if len(data) > _LARGEST_BYTES:
        reason = f"larger than {_LARGEST_BYTES} bytes"
        raise ConfigError(f"{path}: {reason}", (Problem("(file)", reason),))
    return data


def stamp_of(path: Path) -> str:
    """Changes whenever ``path`` leads to other content; never raises.

    The time of an inode's change cannot be set by hand, so an edit that keeps size
    and date is seen as well.
    """
    try:
        found = path.stat()  # follows links: what they lead to counts
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "unreadable")
    return (
        f"{found.st_dev}-{found.st_ino}-{found.st_size}"
        f"-{found.st_mtime_ns}-{found.st_ctime_ns}"
    )
