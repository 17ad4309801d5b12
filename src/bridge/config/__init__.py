"""The configuration: its model, how a file becomes one, and what a change means."""

from bridge.config.diff import Difference, diff
from bridge.config.expand import Substitute, SubstitutionFailed
from bridge.config.findings import format_problems
from bridge.config.load import Loaded, load_config
from bridge.config.model import BridgeConfig, Config, UpstreamConfig
from bridge.config.names import named, slug
from bridge.config.overlay import Overrides
from bridge.config.process import command_runner
from bridge.config.where import bridge_home, find_config, read_config_file, stamp_of

__all__ = [
    "BridgeConfig",
    "Config",
    "Difference",
    "Loaded",
    "Overrides",
    "Substitute",
    "SubstitutionFailed",
    "UpstreamConfig",
    "bridge_home",
    "command_runner",
    "diff",
    "find_config",
    "format_problems",
    "load_config",
    "named",
    "read_config_file",
    "slug",
    "stamp_of",
]
