"""Pure: what a child process may know of our environment (R62, C8)."""

from collections.abc import Mapping

#: What a program needs to find itself, its files and its language; nothing else is
#: inherited, above all no token and no OAUTH_* setting.
_INHERITED = frozenset(
    {"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"}
)
_LOG_LEVELS = ("LOG_LEVEL", "MCP_LOG_LEVEL", "FASTMCP_LOG_LEVEL")


def child_environment(
    inherited: Mapping[str, str],
    configured: Mapping[str, str],
    *,
    name: str,
    log_level: str,
) -> dict[str, str]:
    """The whole environment of the child ``name``; what is configured wins."""
    kept = {
        key: value
        for key, value in inherited.items()
        if key in _INHERITED or key.startswith("LC_")
    }
    ours = {"MCP_BRIDGE_CHILD": "1", "MCP_SERVER_NAME": name}
    return kept | dict.fromkeys(_LOG_LEVELS, log_level) | ours | dict(configured)
