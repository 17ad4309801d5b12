"""SIGHUP: read the configuration again. It never ends a bridge."""

import signal

import trio

from bridge.cli.early_signals import EarlyHangups
from bridge.contract.reload import Plan, Reloading
from bridge.observe import catalogue as events
from bridge.observe.logging import Log


async def heed_hangups(
    reloading: Reloading | None,
    *,
    log: Log,
    early: EarlyHangups | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """A reload for every SIGHUP, or for all that came while one ran, for ever.

    None: there is no file to read; that is said.
    """
    with trio.open_signal_receiver(signal.SIGHUP) as hangups:
        task_status.started()
        if early is not None and early.came:
            await _reload(reloading, log)
        async for _ in hangups:
            await _reload(reloading, log)


async def _reload(reloading: Reloading | None, log: Log) -> None:
    if reloading is None:
        said = "ignored: this bridge has no configuration file"
        log.emit(events.BRIDGE_HANGUP.at("warning"), outcome=said)
        return
    log.emit(events.BRIDGE_HANGUP, outcome=outcome(await reloading.reload()))


def outcome(plan: Plan) -> str:
    """What became of a reload, in a word."""
    if plan.refused:
        return "refused: nothing was changed"
    return "unchanged" if plan.is_empty else "reloaded"
