"""The configuration as the file spells it (camelCase; snake_case is read too).

Units are those of the file and stand in the field's name: ``_ms`` fields are
milliseconds, others seconds. Properties without a suffix give seconds.
"""

from typing import Annotated, Literal

import msgspec

from bridge.config.access import AccessConditionConfig, AccessRuleConfig
from bridge.config.section import (
    MILLISECONDS,
    NEEDED,
    PLANNED,
    Reading,
    Section,
    about,
)
from bridge.config.server import (
    AuthenticationConfig,
    HealthCheckConfig,
    LogLevel,
    OAuthConfig,
    Operation,
    Protocol,
    SecurityConfig,
    Share,
    ToolSecurityConfig,
    TransportName,
    UpstreamConfig,
)

__all__ = [
    "AccessConditionConfig",
    "AccessRuleConfig",
    "AggregationConfig",
    "AuthConfig",
    "AuthenticationConfig",
    "BridgeConfig",
    "Config",
    "ConfigReloadConfig",
    "ConflictResolution",
    "FailoverConfig",
    "HealthCheckConfig",
    "LimitsConfig",
    "LogLevel",
    "OAuthConfig",
    "Operation",
    "Protocol",
    "SecurityConfig",
    "Share",
    "ToolSecurityConfig",
    "TransportName",
    "UpstreamConfig",
]

ConflictResolution = Literal["namespace", "priority", "first", "error"]

_LEVEL_SPELLINGS = {"WARN": "WARNING", "FATAL": "CRITICAL", "NOTICE": "INFO"}


class AuthConfig(Section, frozen=True, kw_only=True, rename=None):
    """Who may come in (decision 3)."""

    mode: Annotated[
        Literal["jwt", "none"],
        about("`none` lets everybody in, and only on a loopback address."),
    ] = "jwt"
    issuer: Annotated[
        str, about("Required `iss`. Environment: `OAUTH_ISSUER`.", NEEDED)
    ] = ""
    audience: Annotated[
        tuple[str, ...],
        about(
            "Accepted `aud`. Environment: `OAUTH_AUDIENCE` (comma list).",
            Reading(split=",", needed=True),
        ),
    ] = ()
    jwks_url: Annotated[
        str,
        about(
            "Address of the keys; empty: discovered. Environment: `OAUTH_JWKS_URL`.",
            NEEDED,
        ),
    ] = ""
    algorithms: Annotated[
        tuple[str, ...], about("Accepted signature algorithms.", Reading(split=","))
    ] = ("RS256", "ES256")
    required_scopes: Annotated[
        tuple[str, ...], about("Scopes every token must have.", Reading(split=""))
    ] = ()
    leeway: Annotated[
        float, about("Tolerance for clocks that differ (s).", ge=0, le=60)
    ] = 30.0
    allow_id_tokens: Annotated[
        bool, about("Accept ID tokens, for providers with opaque access tokens.")
    ] = False
    strict_type: Annotated[bool, about("Accept only `typ: at+jwt` (RFC 9068).")] = False


class LimitsConfig(Section, frozen=True, kw_only=True):
    """Bounds on what peers may make the bridge hold (protocol 10)."""

    body_bytes: Annotated[int, about("Body of a client's request.", ge=1024)] = (
        4 * 2**20
    )
    header_bytes: Annotated[int, about("Head of a client's request.", ge=1024)] = (
        16 * 2**10
    )
    upstream_message_bytes: Annotated[
        int, about("One message of a server.", ge=1024)
    ] = 16 * 2**20
    list_entries: Annotated[
        int, about("Entries of one list of a server; more are left out.", ge=1)
    ] = 10_000
    list_pages: Annotated[
        int, about("Pages of one list of a server; more are not read.", ge=1)
    ] = 100
    definition_bytes: Annotated[
        int, about("One definition of a server; a larger one is left out.", ge=1024)
    ] = 2**20
    definition_depth: Annotated[
        int,
        about("Nesting of a definition; deeper ones are left out.", ge=8, le=256),
    ] = 128
    description_characters: Annotated[
        int, about("A title or description; the rest is cut off.", ge=256)
    ] = 65_536
    catalog_bytes: Annotated[
        int, about("All definitions of one server; what is over is left out.", ge=1024)
    ] = 32 * 2**20
    sessions: Annotated[int, about("Client sessions.", ge=1)] = 1000
    sessions_per_principal: Annotated[
        int, about("Client sessions of one principal.", ge=1)
    ] = 50
    calls_per_session: Annotated[
        int, about("Calls in flight in one session.", ge=1)
    ] = 32
    outbox_frames: Annotated[int, about("Messages a client may lag.", ge=1)] = 256
    outbox_bytes: Annotated[int, about("Bytes a client may lag.", ge=1024)] = 8 * 2**20
    outboxes_bytes: Annotated[
        int,
        about(
            "Bytes all clients together may lag; beyond, the one that lags most goes.",
            ge=2**20,
        ),
    ] = 256 * 2**20
    mailbox: Annotated[int, about("Calls waiting for one server.", ge=1)] = 256
    parked_per_principal: Annotated[
        int, about("Calls parked for a modern client's retry.", PLANNED, ge=1)
    ] = 16
    listen_streams_per_principal: Annotated[
        int, about("Open `subscriptions/listen` streams.", PLANNED, ge=1)
    ] = 8
    connections: Annotated[int, about("Open client connections.", ge=1)] = 4000
    session_idle: Annotated[
        float, about("Idle time after which a session ends (s).", gt=0)
    ] = 1800.0
    keep_alive: Annotated[
        float, about("Time between comments on a quiet stream (s).", gt=0)
    ] = 15.0


class AggregationConfig(Section, frozen=True, kw_only=True):
    """Which kinds are offered to clients (R129)."""

    tools: Annotated[bool, about("Offer tools.")] = True
    resources: Annotated[bool, about("Offer resources and templates.")] = True
    prompts: Annotated[bool, about("Offer prompts.")] = True


class FailoverConfig(Section, frozen=True, kw_only=True):
    """What happens to a server that keeps failing."""

    enabled: Annotated[
        bool,
        about(
            "Retry a failed server slowly, for ever, and break the circuit of one that "
            "answers only errors. `false`: after its attempts a server waits until "
            "an operator reconnects it, and calls go to it whatever it answers."
        ),
    ] = True
    max_failures: Annotated[
        int,
        about(
            "Failed calls in a row that open the circuit of a connected server, so "
            "that calls are refused at once for a while; 0: never. If all of them "
            "asked for the same tool, three times as many: one broken tool is no "
            "broken server.",
            ge=0,
        ),
    ] = 3
    recovery_interval_ms: Annotated[
        float,
        about(
            "Pause between slow attempts (ms). Half of it, times the openings in a "
            "row, at most ten, is how long a circuit stays open.",
            gt=0,
        ),
    ] = msgspec.field(default=60_000, name="recoveryInterval")

    @property
    def recovery_interval(self) -> float:
        return self.recovery_interval_ms / MILLISECONDS


class ConfigReloadConfig(Section, frozen=True, kw_only=True):
    """What happens when the file changes (R139)."""

    enabled: Annotated[bool, about("Follow changes of the file.")] = True
    debounce_ms: Annotated[
        float, about("Quiet time before it is read again (ms).", ge=0)
    ] = msgspec.field(default=1_000, name="debounceMs")
    validate_only: Annotated[
        bool,
        about(
            "Only report what a change of the file would do. SIGHUP and "
            "`bridge reload` apply it all the same."
        ),
    ] = False

    @property
    def debounce(self) -> float:
        return self.debounce_ms / MILLISECONDS


class BridgeConfig(Section, frozen=True, kw_only=True):
    """The ``bridge`` section."""

    host: Annotated[str, about("Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, about("Port to listen on; 0 takes a free one.", ge=0, le=65535)
    ] = 8080
    oauth_port: Annotated[
        int, about("Port of the log-in callback, on loopback.", ge=1, le=65535)
    ] = msgspec.field(default=8090, name="oauth_port")
    token_store: Annotated[
        Literal["file", "keyring"],
        about(
            "Where logins to servers are kept: `file` (mode 600), or `keyring`: the "
            "same files, encrypted with a key in the system's keyring."
        ),
    ] = msgspec.field(default="file", name="token_store")
    public_url: Annotated[
        str, about("Address clients know the bridge by, behind a proxy.", NEEDED)
    ] = ""
    auth: Annotated[AuthConfig, about("Who may come in.")] = AuthConfig()
    limits: Annotated[LimitsConfig, about("Bounds on what peers may use.")] = (
        LimitsConfig()
    )
    rate_limit: Annotated[
        float,
        about(
            "Calls per second of one principal, in all its sessions; 0 is off. Others "
            "are refused with the time to wait.",
            ge=0,
        ),
    ] = 0.0
    conflict_resolution: Annotated[
        ConflictResolution, about("Who gets a name two servers offer (R121).")
    ] = "namespace"
    default_namespace: Annotated[
        bool, about("Prefix names with the server's name where no namespace is set.")
    ] = True
    separator: Annotated[str, about("Stands between namespace and name.")] = "__"
    aggregation: Annotated[AggregationConfig, about("Which kinds are offered.")] = (
        AggregationConfig()
    )
    failover: Annotated[FailoverConfig, about("Servers that keep failing.")] = (
        FailoverConfig()
    )
    config_reload: Annotated[ConfigReloadConfig, about("Changes of the file.")] = (
        ConfigReloadConfig()
    )
    drain_timeout: Annotated[float, about("Time a stop may take in all (s).", ge=0)] = (
        30.0
    )
    allowed_hosts: Annotated[
        tuple[str, ...], about("More `Host` values that are accepted.")
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...], about("`Origin` values that are accepted.")
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        about("Addresses or networks whose forwarded headers are believed."),
    ] = ()
    log_level: Annotated[
        LogLevel, about("Least level logged.", Reading(values=_LEVEL_SPELLINGS))
    ] = "INFO"
    log_format: Annotated[
        Literal["auto", "json", "console"],
        about("`auto`: console on a terminal, else JSON."),
    ] = "auto"
    mcp_log_level: Annotated[
        LogLevel,
        about(
            "Log level handed to local servers.",
            Reading(values=_LEVEL_SPELLINGS, planned=True),
        ),
    ] = msgspec.field(default="ERROR", name="mcp_log_level")
    forward_logs: Annotated[
        bool, about("Send servers' log messages to every client.")
    ] = False
    page_size: Annotated[int, about("Entries per list page; 0: one page.", ge=0)] = 0
    allow_command_substitution: Annotated[
        bool,
        about(
            "Run `$(command ...)` in servers' values. Environment: "
            "`MCP_ALLOW_COMMAND_SUBSTITUTION`."
        ),
    ] = msgspec.field(default=False, name="allow_command_substitution")
    allowed_commands: Annotated[
        tuple[str, ...],
        about(
            "Programs it may run. Environment: `MCP_ALLOWED_COMMANDS` (comma list).",
            Reading(split=","),
        ),
    ] = msgspec.field(default=(), name="allowed_commands")
    allow_dangerous_commands: Annotated[
        bool, about("Permit shells, `sudo` and shell characters in it.")
    ] = msgspec.field(default=False, name="allow_dangerous_commands")
    pin: Annotated[
        bool,
        about("Hold back changed definitions of all servers (see the servers' `pin`)."),
    ] = False
    read_only_mode: Annotated[bool, about("Only tools that read.")] = msgspec.field(
        default=False, name="read_only_mode"
    )
    tool_security: Annotated[ToolSecurityConfig, about("Which tools may be used.")] = (
        msgspec.field(default=ToolSecurityConfig(), name="tool_security")
    )
    security: Annotated[SecurityConfig, about("The same two in one section.")] = (
        SecurityConfig()
    )
    access: Annotated[
        tuple[AccessRuleConfig, ...],
        about("Who sees which servers and tools (R48). Empty: everybody sees all."),
    ] = ()


class LeftOut(msgspec.Struct, frozen=True):
    """A server the file names and nothing can be made of, and why."""

    name: str
    reason: str


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration, checked. ``left_out`` is shown, never started."""

    upstreams: tuple[UpstreamConfig, ...] = ()  # in file order, disabled ones included
    bridge: BridgeConfig = BridgeConfig()
    left_out: tuple[LeftOut, ...] = ()
