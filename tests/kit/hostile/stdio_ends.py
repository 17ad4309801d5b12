"""Servers on stdio that are slow, die, or will not die (C4 to C7)."""

import os
import signal
import subprocess
import sys
import threading
import time

from kit.hostile.behaviour import Behaviour, Work
from kit.hostile.stdio_parts import (
    beside,
    delayed,
    doing,
    each,
    first,
    flood,
    for_ever,
    honest,
    on,
    requests,
    serve,
    silent,
    then,
    trickled,
)

_MUTE = "handshaking took too long|no answer to initialize in time"
_SLEEPER = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "signal.signal(signal.SIGHUP, signal.SIG_IGN); time.sleep(3600)"
)


#: In the environment of who has left its group on purpose: out of reach of signals.
ESCAPED = {"HOSTILE_ESCAPED": "1"}


def exits(status: int) -> Work:
    return lambda: os._exit(status)


def dies(number: signal.Signals) -> Work:
    """By a signal; core files help nobody here."""
    return lambda: os.kill(os.getpid(), number)


def ignores(*numbers: signal.Signals) -> Work:
    def work() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return work


def grandchild(*, leaves: bool = False) -> Work:
    """Starts a child that holds our stdout and heeds no signal but SIGKILL.

    ``leaves``: it leads a session of its own, where no signal to our group reaches it.
    """
    command = [sys.executable, "-S", "-E", "-c", _SLEEPER]

    def work() -> None:
        env = {**os.environ, **(ESCAPED if leaves else {})}
        subprocess.Popen(command, start_new_session=leaves, env=env)

    return work


def daemon() -> None:
    """A grandchild of a child that ends at once, in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.environ.update(ESCAPED)
            os.execv(sys.executable, [sys.executable, "-S", "-E", "-c", _SLEEPER])
        os._exit(0)
    os.wait()


def zombies(count: int) -> Work:
    """Children that end and are never waited for."""

    def work() -> None:
        for _ in range(count):
            if os.fork() == 0:
                os._exit(0)

    return work


def hops() -> None:
    """A descendant that forks and ends all the time: no pid of it is good for long."""
    if os.fork() == 0:
        while True:
            time.sleep(0.2)
            if os.fork():
                os._exit(0)


def after(seconds: float, work: Work) -> Work:
    def start() -> None:
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        timer.start()

    return start


def closes(*files: int) -> Work:
    def work() -> None:
        for file in files:
            os.close(file)

    return work


def raises() -> None:
    raise ZeroDivisionError


def never_reads_again() -> None:
    """Two answers, so that it counts as well; nothing is read after them."""
    served = requests()
    for _ in range(2):
        honest(next(served))
    for_ever()


def spin() -> None:
    """Busy, but a little: there are two processors for everybody."""
    while True:
        deadline = time.monotonic() + 0.002
        while time.monotonic() < deadline:
            pass
        time.sleep(0.05)


ENDS: dict[str, Behaviour[Work]] = {
    # slowness
    "mute": Behaviour("never answers initialize", "C4", on(initialize=silent), _MUTE),
    "mute_on_list": Behaviour(
        "never answers tools/list",
        "C4",
        on(list=silent),
        "discovering took too long|no answer to tools/list in time",
    ),
    "mute_on_call": Behaviour("never answers a call", "C4", on(call=silent)),
    "mute_on_ping": Behaviour("never answers a ping", "C4", on(ping=silent)),
    "late_on_call": Behaviour(
        "answers a call after its time", "C4", on(call=delayed(4))
    ),
    "late_twice": Behaviour(
        "answers a call twice after its time",
        "C4 C30",
        on(call=each(delayed(4), honest)),
    ),
    "slow_start": Behaviour(
        "takes two seconds before it reads anything",
        "C4",
        first(lambda: time.sleep(2)),
    ),
    "trickle": Behaviour(
        "answers one byte per 0.2 s", "C4", on(initialize=trickled(0.2)), _MUTE
    ),
    "trickle_call": Behaviour(
        "answers a call one byte per 0.2 s", "C4", on(call=trickled(0.2))
    ),
    # ends
    "exits_at_once": Behaviour("exits at once", "C5", exits(7), "ended with status 7"),
    "exits_well_at_once": Behaviour(
        "exits at once, with status 0", "C5", exits(0), "ended with status 0"
    ),
    "exits_in_initialize": Behaviour(
        "exits when it is greeted",
        "C5",
        on(initialize=doing(exits(5))),
        "ended with status 5",
    ),
    "exits_after_initialize": Behaviour(
        "exits after the answer to initialize",
        "C5",
        on(initialize=then(honest, exits(0))),
        "ended with status 0",
    ),
    "exits_in_list": Behaviour(
        "exits when it is asked for its tools",
        "C5",
        on(list=doing(exits(6))),
        "ended with status 6",
    ),
    "exits_after_list": Behaviour(
        "exits each time its tools are known",
        "C5",
        on(list=then(honest, exits(8))),
        "ended with status 8",
    ),
    "exits_in_call": Behaviour(
        "exits in a call", "C5", on(call=doing(exits(9))), "ended with status 9"
    ),
    "exits_after_call": Behaviour(
        "exits after each answer to a call",
        "C5",
        on(call=then(honest, exits(10))),
        "ended with status 10",
    ),
    "exits_every_second": Behaviour(
        "exits after each second of life",
        "C5",
        first(after(1.0, exits(1))),
        "ended with status 1",
    ),
    "killed_in_call": Behaviour(
        "dies by SIGKILL in a call",
        "C5",
        on(call=doing(dies(signal.SIGKILL))),
        "ended by signal 9",
    ),
    "crashes_in_call": Behaviour(
        "dies by SIGSEGV in a call",
        "C5",
        on(call=doing(dies(signal.SIGSEGV))),
        "ended by signal 11",
    ),
    "aborts_in_call": Behaviour(
        "dies by SIGABRT in a call",
        "C5",
        on(call=doing(dies(signal.SIGABRT))),
        "ended by signal 6",
    ),
    "terminated_at_once": Behaviour(
        "dies by SIGTERM at once", "C5", dies(signal.SIGTERM), "ended by signal 15"
    ),
    "traceback": Behaviour(
        "dies of an exception nobody caught", "C5", raises, "ended with status 1"
    ),
    "stops_itself": Behaviour(
        "stops itself by SIGSTOP in a call",
        "C4 C6",
        on(call=doing(dies(signal.SIGSTOP))),
    ),
    # what will not end
    "deaf": Behaviour(
        "ignores SIGTERM and the end of its input",
        "C6",
        first(ignores(signal.SIGTERM, signal.SIGHUP), then=first(serve, then=for_ever)),
    ),
    "floods_when_stopped": Behaviour(
        "ignores SIGTERM and floods stdout once its input has ended",
        "C6",
        first(ignores(signal.SIGTERM), serve, then=flood(b"no\n")),
    ),
    "grandchild": Behaviour(
        "starts a child that holds its stdout and ignores SIGTERM",
        "C6",
        first(grandchild()),
    ),
    "grandchild_outlives": Behaviour(
        "dies in a call; its child holds stdout and ignores SIGTERM",
        "C6",
        first(grandchild(), then=on(call=doing(exits(3)))),
        "ended with status 3",
    ),
    "grandchild_leaves": Behaviour(
        "starts a child in a session of its own that holds stdout",
        "C6",
        first(grandchild(leaves=True)),
    ),
    "grandchild_leaves_and_outlives": Behaviour(
        "dies in a call; its child in another session holds stdout",
        "C6",
        first(grandchild(leaves=True), then=on(call=doing(exits(3)))),
        "ended with status 3",
    ),
    "daemon": Behaviour(
        "leaves a daemon behind: forked twice, in a session of its own",
        "C6 E3",
        first(daemon),
    ),
    "zombies": Behaviour(
        "makes fifty zombies and dies in a call",
        "C6",
        first(zombies(50), then=on(call=doing(exits(2)))),
        "ended with status 2",
    ),
    "hops": Behaviour(
        "has a descendant that changes its pid all the time", "C6", first(hops)
    ),
    # half-closed
    "closes_stdout": Behaviour(
        "closes stdout in a call and lives on",
        "C7",
        on(call=doing(closes(1), for_ever)),
        "closed its output",
    ),
    "closes_stdout_at_once": Behaviour(
        "closes stdout at once and lives on",
        "C7",
        first(closes(1), then=for_ever),
        "closed its output",
    ),
    "closes_stdin": Behaviour(
        "closes stdin after its list and lives on",
        "C7",
        on(list=then(honest, closes(0), for_ever)),
    ),
    "closes_all": Behaviour(
        "closes all three files and lives on",
        "C7",
        first(closes(0, 1, 2), then=for_ever),
        "closed its output|cannot be written to",
    ),
    "never_reads": Behaviour(
        "reads nothing once its tools are known", "C7", never_reads_again
    ),
    "reads_nothing": Behaviour("reads nothing at all", "C4 C7", for_ever, _MUTE),
    "busy": Behaviour(
        "spins beside its answers",
        "C4",
        beside(spin),
    ),
}
