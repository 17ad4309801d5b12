"""What wins over the file: environment, then command line (R26, R28, R117)."""

from collections.abc import Mapping

import msgspec

from bridge.config.findings import Findings
from bridge.config.jsonc import Path
from bridge.config.model import AuthConfig, BridgeConfig

_ON = frozenset({"1", "true", "yes", "on"})
_OFF = frozenset({"0", "false", "no", "off"})


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the command line. None: not given, so the file decides."""

    host: str | None = None
    port: int | None = None
    oauth_port: int | None = None
    no_auth: bool = False
    debug: bool = False


def overlay(
    bridge: BridgeConfig,
    *,
    environment: Mapping[str, str],
    overrides: Overrides,
    findings: Findings,
) -> BridgeConfig:
    """The section as it counts. An empty variable is one that is not set."""
    seen = {name: text.strip() for name, text in environment.items() if text.strip()}
    after = _from_environment(bridge, seen, findings)
    return _from_options(after, overrides, findings)


def _from_environment(
    bridge: BridgeConfig, seen: Mapping[str, str], findings: Findings
) -> BridgeConfig:
    changes: dict[str, object] = {"auth": _auth(bridge.auth, seen, findings)}
    switch = "MCP_ALLOW_COMMAND_SUBSTITUTION"
    if switch in seen:
        findings.came_from(("bridge", "allow_command_substitution"), switch)
        changes["allow_command_substitution"] = _switch(seen[switch], switch, findings)
    if "MCP_ALLOWED_COMMANDS" in seen:
        changes["allowed_commands"] = _comma_list(seen["MCP_ALLOWED_COMMANDS"])
    return msgspec.structs.replace(bridge, **changes)


def _auth(auth: AuthConfig, seen: Mapping[str, str], findings: Findings) -> AuthConfig:
    changes: dict[str, object] = {}
    for variable, field in (
        ("OAUTH_ISSUER", "issuer"),
        ("OAUTH_AUDIENCE", "audience"),
        ("OAUTH_JWKS_URL", "jwks_url"),
    ):
        if variable in seen:
            text = seen[variable]
            changes[field] = _comma_list(text) if field == "audience" else text
            findings.came_from(("bridge", "auth", field), variable)
    if changes and auth.mode == "none":
        # Precedence, and the safe direction: what was set is never silently unused.
        changes["mode"] = "jwt"
        findings.warning(
            ("bridge", "auth", "mode"),
            "ignored, because the environment sets an identity provider (OAUTH_...)",
            "--no-auth switches authentication off",
        )
    return msgspec.structs.replace(auth, **changes)


def _from_options(
    bridge: BridgeConfig, overrides: Overrides, findings: Findings
) -> BridgeConfig:
    changes: dict[str, object] = {}
    for field in ("host", "port", "oauth_port"):
        value = getattr(overrides, field)
        if value is not None:
            changes[field] = value
            findings.came_from(_path(field), f"--{field.replace('_', '-')}")
    if overrides.no_auth:
        changes["auth"] = msgspec.structs.replace(bridge.auth, mode="none")
        findings.came_from(("bridge", "auth", "mode"), "--no-auth")
    if overrides.debug:
        changes["log_level"] = "DEBUG"
    return msgspec.structs.replace(bridge, **changes)


def _path(field: str) -> Path:
    return ("bridge", field)


def _comma_list(text: str) -> tuple[str, ...]:
    return tuple(piece.strip() for piece in text.split(",") if piece.strip())


def _switch(text: str, variable: str, findings: Findings) -> bool:
    """A switch of the environment; what cannot be read is off, and an error."""
    if text.lower() not in _ON | _OFF:
        findings.fatal(
            ("bridge", "allow_command_substitution"),
            "expected true or false, found other text",
            f"write {variable}=true",
        )
    return text.lower() in _ON
