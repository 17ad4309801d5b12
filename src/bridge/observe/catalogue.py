"""Every event the bridge logs: its name, level and fields."""

import msgspec


class Event(msgspec.Struct, frozen=True):
    """One thing that can happen. Names are stable across releases."""

    name: str
    level: str
    fields: tuple[str, ...] = ()
    message: str = ""  # the promised sentence (R143 to R145), filled from the fields


BRIDGE_STARTED = Event("bridge.started", "info", ("version", "url", "upstreams"))
