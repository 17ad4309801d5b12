"""`bridge serve`: load, check, run until a signal, drain, exit."""

import errno
import math
import signal
import sys
from collections.abc import Mapping

import trio

from bridge.actor.supervisor import Escalated
from bridge.app import Bridge
from bridge.cli.exit import EXIT_FAILED, EXIT_USAGE, complain
from bridge.config import Loaded
from bridge.config.model import BridgeConfig
from bridge.observe import catalogue as events
from bridge.observe.logging import Log, build_log
from bridge.observe.outlet import Outlet
from bridge.observe.redact import Redactor
from bridge.ports import Ports
from bridge.system import real_ports

#: After the drain time the process ends whatever is stuck (a thread, a library).
WATCHDOG_GRACE = 5.0


def serve(loaded: Loaded, *, environment: Mapping[str, str]) -> int:
    """Run one bridge until it is told to stop. Returns the exit status."""
    ports = real_ports(environment)
    outlet = Outlet(sys.stdout.fileno())
    log = log_of(loaded.config.bridge, ports=ports, outlet=outlet)
    for problem in loaded.problems:
        log.emit(
            events.CONFIG_WARNING,
            path=problem.path,
            reason=problem.reason,
            hint=problem.hint,
        )
    try:
        return trio.run(_serve, loaded, ports, log)
    finally:
        outlet.flush(1.0)


def log_of(config: BridgeConfig, *, ports: Ports, outlet: Outlet) -> Log:
    """The log as configured: JSON lines unless a person watches a terminal."""
    wanted = config.log_format
    if wanted == "auto":
        wanted = "console" if sys.stdout.isatty() else "json"
    return build_log(
        level=config.log_level,
        format=wanted,
        write=outlet.write,
        clock=ports.clock,
        redactor=Redactor(),
    )


async def _serve(loaded: Loaded, ports: Ports, log: Log) -> int:
    bridge = Bridge(config=loaded.config, ports=ports, log=log)
    status = 0
    async with trio.open_nursery() as nursery:
        await nursery.start(_heed_signals, bridge, loaded.config.bridge)
        try:
            await bridge.run()
        except OSError as error:
            status = _cannot_listen(loaded.config.bridge, error)
        except Escalated as failure:
            complain(f"the bridge has ended: {failure.public}; the log says why")
            status = EXIT_FAILED
        nursery.cancel_scope.cancel()
    return status


async def _heed_signals(
    bridge: Bridge,
    config: BridgeConfig,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """The first signal drains, the second cuts; a watchdog ends what is stuck."""
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for number in signals:
                arm_watchdog(config.drain_timeout + WATCHDOG_GRACE)
                nursery.start_soon(_stop, bridge, signal.Signals(number).name)


async def _stop(bridge: Bridge, name: str) -> None:
    await bridge.stop(signal=name)


def arm_watchdog(seconds: float) -> None:
    """Have the kernel end the process after ``seconds``, even if its loop is stuck."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(seconds))


def _cannot_listen(config: BridgeConfig, error: OSError) -> int:
    where = f"{config.host}:{config.port}"
    if error.errno == errno.EADDRINUSE:
        complain(
            f"{where} is in use by another program; "
            "choose another port with --port or bridge.port"
        )
    else:
        complain(f"cannot listen on {where}: {error.strerror or error}")
    return EXIT_USAGE
