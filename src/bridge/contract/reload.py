"""What a changed configuration file does to a running bridge, and who is asked for it."""

from typing import Protocol

import msgspec


class Remark(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One finding in the file: where, what is wrong, what to do."""

    path: str
    reason: str
    hint: str = ""
    fatal: bool = True


class Plan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a file would change, or has changed: names only, never values.

    ``applied``: the bridge now runs it. With a fatal problem nothing is applied and
    the lists are empty. ``live`` and ``restart`` are keys of the ``bridge`` section:
    taken over at once, and only after a restart.
    """

    file: str
    applied: bool = False
    unchanged: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reordered: bool = False
    live: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    problems: tuple[Remark, ...] = ()


class Reloading(Protocol):
    """Reads the configuration file of a running bridge again."""

    async def plan(self) -> Plan:
        """What the file as it stands now would change. Changes nothing."""
        ...

    async def reload(self) -> Plan:
        """Apply the file as a whole, or nothing of it."""
        ...
