"""Which actor a task belongs to: the supervised child it was started below."""

from typing import cast

import trio

from bridge.actor.lifetime import Lifetime

_LIFETIME = Lifetime.run.__code__


def label(task: trio.lowlevel.Task) -> str:
    """``upstream:time (UpstreamActor._hear_mailbox)``; a task of no actor by its own
    name."""
    own = ".".join(task.name.rpartition("<locals>.")[2].split(".")[-2:])
    owner = _owner(task)
    if owner is None:
        return own
    return owner.name if owner is task else f"{owner.name} ({own})"


def _owner(task: trio.lowlevel.Task) -> trio.lowlevel.Task | None:
    """The nearest supervising task at or above ``task``."""
    at: trio.lowlevel.Task | None = task
    while at is not None and not _is_lifetime(at):
        nursery = at.parent_nursery
        at = None if nursery is None else nursery.parent_task
    return at


def _is_lifetime(task: trio.lowlevel.Task) -> bool:
    return cast("object", getattr(task.coro, "cr_code", None)) is _LIFETIME
