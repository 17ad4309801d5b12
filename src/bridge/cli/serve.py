"""`bridge serve`: load, check, run until a signal, drain, exit."""

import errno
import math
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec
import trio
from msgspec.structs import replace

from bridge.actor.supervisor import Escalated
from bridge.app import Bridge
from bridge.cli.allocator import give_back_large_blocks
from bridge.cli.descriptors import with_room
from bridge.cli.early_signals import EarlyHangups, EarlyStop
from bridge.cli.exit import EXIT_FAILED, EXIT_OK, EXIT_USAGE, complain
from bridge.cli.invocation import Serving
from bridge.cli.lost_lines import tell_lost_lines
from bridge.cli.signals import heed_hangups
from bridge.cli.socket_file import SocketFile, socket_path
from bridge.config import Loaded
from bridge.config.model import BridgeConfig, Config
from bridge.config.secrets import secrets_of
from bridge.downstream.control_socket import ListenControl
from bridge.errors import Problem
from bridge.file_watch import LookingWatch
from bridge.observe import catalogue as events
from bridge.observe.logging import Log, build_log
from bridge.observe.outlet import Outlet
from bridge.observe.redact import Redactor
from bridge.orphans.processes import RecordedProcesses
from bridge.ports import Ports
from bridge.pulse import Pulse
from bridge.reload.source import ConfigSource, FileSource
from bridge.system import child_processes, real_ports

#: Ends the children at once.
Cut = Callable[[], Awaitable[None]]
#: After the drain time the process ends whatever is stuck (a thread, a library).
WATCHDOG_GRACE = 5.0


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bridge stands: what it writes to, its home, its file."""

    outlet: Outlet
    log: Log
    said: Counter[str]  # lines of the log, by event
    home: Path
    source: ConfigSource
    early: EarlyHangups
    stop: EarlyStop


def serve(
    serving: Serving,
    *,
    environment: Mapping[str, str],
    home: Path,
    early: EarlyHangups,
    stop: EarlyStop,
) -> int:
    """Run one bridge until it is told to stop. Returns the exit status.

    Its control socket stands in ``home``. SIGHUP makes it read its file again.
    """
    loaded = serving.loaded
    give_back_large_blocks()
    ports = real_ports(environment)
    outlet = Outlet(sys.stdout.fileno())
    said: Counter[str] = Counter()
    log = log_of(loaded.config, ports=ports, outlet=outlet, said=said)
    config, tight = with_room(loaded.config)
    for problem in (*loaded.problems, *filter(None, [tight])):
        report(problem, log)
    if config.bridge.auth.mode == "none":
        log.emit(events.BRIDGE_AUTHENTICATION_OFF, host=config.bridge.host)
    place = Place(
        outlet=outlet,
        log=log,
        home=home,
        source=source_of(serving, started=config),
        early=early,
        stop=stop,
        said=said,
    )
    stop.begin()
    try:
        return trio.run(partial(_serve, config, ports=ports, place=place))
    finally:
        outlet.flush(1.0)


def source_of(serving: Serving, *, started: Config) -> FileSource:
    """The file of this bridge, read for the room its process has.

    What did not fit at the start fits no better now: while the file asks for the same
    limits, they are those the bridge was ``started`` with.
    """
    asked = serving.loaded.config.bridge.limits

    def read() -> Loaded:
        loaded = serving.again()
        config, _ = with_room(loaded.config)
        if loaded.config.bridge.limits == asked:
            bridge = replace(config.bridge, limits=started.bridge.limits)
            config = replace(config, bridge=bridge)
        return replace(loaded, config=config)

    return FileSource(
        serving.path, read=read, watch=LookingWatch(), stamp=serving.stamp
    )


def report(problem: Problem, log: Log) -> None:
    """Say what is wrong with a configuration that serves all the same."""
    if problem.fatal:
        log = log.bind(upstream=problem.server)
    log.emit(
        events.CONFIG_SERVER_LEFT_OUT if problem.fatal else events.CONFIG_WARNING,
        path=problem.path,
        reason=problem.reason,
        hint=problem.hint,
    )


def log_of(
    config: Config,
    *,
    ports: Ports,
    outlet: Outlet,
    said: Counter[str] | None = None,
) -> Log:
    """The log as configured: JSON lines unless a person watches a terminal.

    ``said`` counts them by event.
    """
    wanted = config.bridge.log_format
    if wanted == "auto":
        wanted = "console" if sys.stdout.isatty() else "json"
    redactor = Redactor()
    for secret in secrets_of(config):
        redactor.learn(secret)
    return build_log(
        level=config.bridge.log_level,
        format=wanted,
        write=outlet.write,
        clock=ports.clock,
        redactor=redactor,
        counts=said,
    )


def control_in(home: Path) -> ListenControl:
    """Opens control sockets in ``home``."""
    return lambda port: SocketFile(socket_path(home, port))


async def _serve(config: Config, *, ports: Ports, place: Place) -> int:
    log, home = place.log, place.home
    processes = RecordedProcesses(ports.processes, home=home, log=log)
    bridge = Bridge(
        config=config,
        ports=replace(ports, processes=processes),
        log=log,
        home=home,
        listen_control=control_in(home),
        source=place.source,
    )
    bridge.metrics.watch_dropped_lines(lambda: place.outlet.dropped)
    bridge.metrics.watch_events(lambda: place.said)
    bridge.metrics.watch_children(child_processes)
    pulse = Pulse(log=log, metrics=bridge.metrics)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.run, name="pulse")
        nursery.start_soon(partial(tell_lost_lines, place.outlet, log=log))
        nursery.start_soon(processes.begin)
        nursery.start_soon(
            partial(heed_hangups, bridge.reloader, log=log, early=place.early)
        )
        status = await run_until_stopped(
            bridge, config.bridge, early=place.stop, cut=processes.cut
        )
        nursery.cancel_scope.cancel()
    processes.end()
    return status


async def run_until_stopped(
    bridge: Bridge,
    config: BridgeConfig,
    *,
    early: EarlyStop | None = None,
    cut: Cut = trio.lowlevel.checkpoint,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> int:
    """Run ``bridge`` and heed signals, also an ``early`` one; the exit status. Says
    what went wrong. ``cut`` is what a second signal asks for besides."""
    status = EXIT_OK
    async with trio.open_nursery() as nursery:
        await nursery.start(_heed_signals, bridge, config, cut)
        if early is not None and early.came:
            arm_watchdog(config.drain_timeout + WATCHDOG_GRACE)
            nursery.start_soon(_stop, bridge, signal.SIGTERM.name)
        try:
            await bridge.run(task_status=task_status)
        except OSError as error:
            status = _cannot_listen(config, error)
        except Escalated as failure:
            complain(f"the bridge has ended: {failure.public}; the log says why")
            status = EXIT_FAILED
        nursery.cancel_scope.cancel()
    return status


async def _heed_signals(
    bridge: Bridge,
    config: BridgeConfig,
    cut: Cut,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """The first signal drains, the second cuts; a watchdog ends what is stuck."""
    stopping = False
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for number in signals:
                arm_watchdog(config.drain_timeout + WATCHDOG_GRACE)
                nursery.start_soon(_stop, bridge, signal.Signals(number).name)
                if stopping:
                    nursery.start_soon(cut)
                stopping = True


async def _stop(bridge: Bridge, name: str) -> None:
    await bridge.stop(signal=name)


def arm_watchdog(seconds: float) -> None:
    """Have the kernel end the process after ``seconds``, even if its loop is stuck.

    It takes the alarm from `Pulse`, which must not ring once nobody hears it.
    """
    signal.setitimer(signal.ITIMER_REAL, 0)
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
