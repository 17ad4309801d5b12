"""What a command has around it: a configuration, a simulated world, a store in it."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bridge.cli.workshop import Workshop, with_login
from bridge.config.model import Config, UpstreamConfig
from bridge.upstream.file_store import open_store
from kit.login_room import LoginRoom

HOME = Path("/home/somebody/.foxxy-bridge")


def workshop(room: LoginRoom, *others: UpstreamConfig, **changes: Any) -> Workshop:
    """A command in ``room``: its server, with ``changes``, and ``others``."""
    server = replace(room.config, **changes)
    config = Config(upstreams=(server, *others), bridge=room.bridge)
    store = open_store(
        config.bridge,
        room.ports,
        home=HOME,
        log=room.log,
        servers=[(each.name, each.url) for each in with_login(config)],
    )
    return Workshop(config, ports=room.ports, store=store, log=room.log)
