"""What a running bridge has in use, from outside of it."""

import re
import time
from collections.abc import Callable

import httpx

from interop.rig.bridge import RunningBridge
from interop.rig.raw_client import descriptors

_SESSIONS = re.compile(r"^bridge_sessions (\d+)", re.MULTILINE)


def sessions(bridge: RunningBridge) -> int:
    """How many client sessions it has."""
    found = _SESSIONS.search(httpx.get(f"{bridge.url}/metrics").text)
    assert found
    return int(found[1])


def settled(measure: Callable[[], int], wanted: int, *, within: float = 20.0) -> int:
    """What ``measure`` says once it is no more than ``wanted``, or after that time."""
    deadline = time.monotonic() + within
    while (now := measure()) > wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return now


def open_files(bridge: RunningBridge, wanted: int, *, within: float = 20.0) -> int:
    """The descriptors of the bridge, once they are no more than ``wanted``."""
    return settled(lambda: descriptors(bridge), wanted, within=within)
