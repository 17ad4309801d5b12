"""What a new configuration changes (R140). Pure."""

import msgspec
from msgspec.structs import replace

from bridge.config.model import BridgeConfig, Config

# Taken over by a running bridge: the router gets them in one message. Everything
# else was given to a part when it was built, and needs a restart.
_LIVE = frozenset(
    {
        "aggregation",
        "conflict_resolution",
        "default_namespace",
        "separator",
        "config_reload",
        "read_only_mode",
        "tool_security",
        "security",
        "access",
        # Used up while loading; their effect is in the servers' own values.
        "allow_command_substitution",
        "allow_dangerous_commands",
        "allowed_commands",
    }
)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Names of servers by what happens to them, in the order of the new file."""

    unchanged: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()  # in the order of the old file
    changed: tuple[str, ...] = ()
    reordered: bool = False  # the servers that stay stand in another order
    live: tuple[str, ...] = ()  # bridge keys that can be taken over
    restart: tuple[str, ...] = ()  # bridge keys that need a restart

    @property
    def is_empty(self) -> bool:
        return self == Difference(unchanged=self.unchanged)


def diff(old: Config, new: Config) -> Difference:
    """Compare two checked configurations; any key of a server counts."""
    before = {server.name: server for server in old.upstreams}
    after = {server.name: server for server in new.upstreams}
    stay = [name for name in after if name in before]
    keys = _changed_keys(old.bridge, new.bridge)
    return Difference(
        unchanged=tuple(name for name in stay if before[name] == after[name]),
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name in stay if before[name] != after[name]),
        reordered=stay != [name for name in before if name in after],
        live=tuple(_spelled(key) for key in keys if key in _LIVE),
        restart=tuple(_spelled(key) for key in keys if key not in _LIVE),
    )


def applied(old: Config, new: Config) -> Config:
    """What a bridge that runs ``old`` runs once it was given ``new``."""
    taken = {key: getattr(new.bridge, key) for key in _LIVE}
    bridge = replace(old.bridge, **taken)
    return Config(upstreams=new.upstreams, bridge=bridge, left_out=new.left_out)


def _changed_keys(old: BridgeConfig, new: BridgeConfig) -> list[str]:
    return [
        field
        for field in BridgeConfig.__struct_fields__
        if getattr(old, field) != getattr(new, field)
    ]


def _spelled(field: str) -> str:
    """The field as the file spells it."""
    position = BridgeConfig.__struct_fields__.index(field)
    return BridgeConfig.__struct_encode_fields__[position]
