"""The Browser port of this machine: which command shows an address, and how it runs.

Never a shell: each command is an argument list and the address one argument of it. A
browser outlives us and may block for as long as it likes; a waiting thread reaps it.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

import trio

from bridge.config.address import WEB, Address, parse_address

#: How long a command may take to say that it cannot; one that runs longer shows it.
PATIENCE = 3.0
#: Commands that still run (a BROWSER that is the browser itself). With more, something
#: opens windows in a loop.
STILL_RUNNING = 8

#: What a desktop needs to find its browser; nothing else, above all no secret.
_INHERITED = frozenset(
    {
        *("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"),
        *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS"),
        *("DESKTOP_SESSION", "KDE_FULL_SESSION", "GNOME_DESKTOP_SESSION_ID"),
        *("APPDATA", "LOCALAPPDATA", "SYSTEMROOT", "USERPROFILE"),
    }
)
_FAMILIES = ("LC_", "XDG_")
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
_OPENERS: Mapping[str, Sequence[str]] = {
    "darwin": ("open",),
    # `start` is a word of the shell; this is what it ends up doing.
    "win32": ("rundll32", "url.dll,FileProtocolHandler"),
}
_OPENER = ("xdg-open",)
_NOT_STARTED = 127  # as a shell says it


class SystemBrowser:
    """Opens addresses with ``BROWSER``, else with what the platform has."""

    def __init__(
        self, environment: Mapping[str, str], *, platform: str = sys.platform
    ) -> None:
        self._environment = environment
        self._platform = platform
        self._waiting = trio.CapacityLimiter(STILL_RUNNING)

    async def open(self, url: str) -> bool:
        """Whether a command took ``url``, or still runs after a few seconds.

        Only https, and http on loopback: the caller has checked it, and a mistake
        there would start programs here (threat D6).
        """
        if not _is_shown(url):
            return False
        for command in commands(url, self._environment, platform=self._platform):
            if self._waiting.available_tokens > 0 and await self._run(command):
                return True
        return False

    async def _run(self, command: Sequence[str]) -> bool:
        environment = child_environment(self._environment)
        with trio.move_on_after(PATIENCE):
            # Given up, the thread goes on waiting, and takes the status in the end:
            # no zombie is left, and no stop of ours waits for the child or ends it.
            status = await trio.to_thread.run_sync(
                _run_to_its_end,
                command,
                environment,
                abandon_on_cancel=True,
                limiter=self._waiting,
            )
            return status == 0
        return True


def commands(
    url: str, environment: Mapping[str, str], *, platform: str
) -> Iterator[list[str]]:
    """The argument lists that may show ``url``, the best first; none when headless."""
    chosen = environment.get("BROWSER", "")
    if chosen:
        yield from _chosen(chosen, url, separator=";" if platform == "win32" else ":")
    elif platform in _OPENERS:
        yield [*_OPENERS[platform], url]
    elif any(environment.get(screen) for screen in _SCREENS):
        yield [*_OPENER, url]


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of ours a browser may see."""
    return {
        key: value
        for key, value in environment.items()
        if key in _INHERITED or key.startswith(_FAMILIES)
    }


def _chosen(listed: str, url: str, *, separator: str) -> Iterator[list[str]]:
    """``BROWSER``: commands, each with ``%s`` for the address or without."""
    for text in listed.split(separator):
        try:
            words = shlex.split(text)
        except ValueError:  # an open quote: not a command anybody meant
            continue
        if words and words[-1] == "&":  # we do not wait for it anyway
            words.pop()
        if not words:
            continue
        named = any("%s" in word for word in words[1:])
        placed = [words[0], *(word.replace("%s", url) for word in words[1:])]
        yield placed if named else [*placed, url]


def _is_shown(url: str) -> bool:
    address = parse_address(url, WEB)
    return isinstance(address, Address) and address.private


def _run_to_its_end(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit status."""
    try:
        child = subprocess.Popen(  # noqa: S603 - a list, and the address was checked
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError:
        return _NOT_STARTED
    return child.wait()
