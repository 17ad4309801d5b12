"""Open files: how many there may be, and how many of them clients may hold.

Clients must not be able to take the descriptor an upstream needs to be started again,
or the key set to be fetched with (E5). Systems allow a process some thousand by
default and more on request; what connections may not have is kept back here.
"""

import resource

import msgspec

from bridge.config.model import Config
from bridge.errors import Problem

#: Our listeners, log, signals, key fetches, the control socket.
OWN = 32
#: Three pipes of a child and what starting one takes, or pooled connections.
PER_UPSTREAM = 8


def with_room(config: Config) -> tuple[Config, Problem | None]:
    """The configuration with no more connections than open files allow, and what to
    say when that is fewer than configured.

    Raises the process's own limit first, as far as it may.
    """
    wanted = config.bridge.limits.connections
    kept_back = OWN + PER_UPSTREAM * len(config.upstreams)
    allowed = raise_limit(wanted + kept_back)
    connections = room(allowed, wanted=wanted, kept_back=kept_back)
    if connections == wanted:
        return config, None
    limits = msgspec.structs.replace(config.bridge.limits, connections=connections)
    bridge = msgspec.structs.replace(config.bridge, limits=limits)
    problem = Problem(
        "bridge.limits.connections",
        f"only {connections} are possible: {allowed} open files are allowed",
        hint="raise `ulimit -n`",
        fatal=False,
    )
    return msgspec.structs.replace(config, bridge=bridge), problem


def room(allowed: int, *, wanted: int, kept_back: int) -> int:
    """How many connections fit; at least half of what is allowed, and one."""
    return max(1, min(wanted, allowed - min(kept_back, allowed // 2)))


def raise_limit(wanted: int) -> int:
    """How many open files this process may have now, ``wanted`` if that is possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    except (OSError, ValueError):  # some systems have a lower limit they do not name
        return soft
    return possible
