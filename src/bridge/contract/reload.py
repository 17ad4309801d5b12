"""What a changed configuration file does to a running bridge, and who applies it."""

from typing import Protocol

import msgspec


class Remark(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One finding in the file: where, what is wrong, what to do."""

    path: str
    reason: str
    hint: str = ""
    fatal: bool = True
    server: str | None = None  # whose error it is, of one server only
    at: tuple[int, int] | None = None  # line and column in the file


class Plan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a file would change, or has changed: names only, never values.

    ``applied``: the bridge now runs it. With a fatal problem nothing is applied and
    the lists are empty. ``keys``: of each changed server, those that differ, such as
    ``args`` or ``env.API_KEY``. ``live`` and ``restart`` are keys of the ``bridge``
    section: taken over at once, and only after a restart.
    """

    file: str
    applied: bool = False
    unchanged: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    keys: dict[str, tuple[str, ...]] = {}
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reordered: bool = False
    live: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    problems: tuple[Remark, ...] = ()

    @property
    def refused(self) -> bool:
        """The file cannot be applied as a whole, so that nothing of it is."""
        return any(problem.fatal for problem in self.problems)

    @property
    def is_empty(self) -> bool:
        """The file says what the bridge runs already."""
        names = (self.changed, self.added, self.removed, self.live, self.restart)
        return not self.refused and not any(names) and not self.reordered


class Reloading(Protocol):
    """Reads the configuration file of a running bridge again."""

    async def plan(self) -> Plan:
        """What the file as it stands now would change. Changes nothing."""
        ...

    async def reload(self) -> Plan:
        """Apply the file as a whole, or nothing of it."""
        ...
