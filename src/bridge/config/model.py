"""The configuration as the file spells it (camelCase; snake_case is read too).

Units are those of the file and stand in the field's name: ``_ms`` fields are
milliseconds, others seconds. Properties without a suffix give seconds.
"""

from typing import Literal

import msgspec

TransportName = Literal["stdio", "sse", "streamablehttp", "websocket"]
ConflictResolution = Literal["namespace", "priority", "first", "error"]


class _Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class AuthenticationConfig(_Section):
    """Static credentials towards an upstream (R14)."""

    type: Literal["none", "bearer", "api_key", "basic"] = "none"
    token: str = ""
    key: str = ""
    header: str = "X-API-Key"
    username: str = ""
    password: str = ""


class HealthCheckConfig(_Section):
    """Probes of one upstream (R15)."""

    enabled: bool = True
    interval_ms: float = msgspec.field(default=30_000, name="interval")
    timeout_ms: float = msgspec.field(default=5_000, name="timeout")
    keep_alive_interval_ms: float = msgspec.field(
        default=60_000, name="keepAliveInterval"
    )
    keep_alive_timeout_ms: float = msgspec.field(
        default=10_000, name="keepAliveTimeout"
    )
    max_consecutive_failures: int = 3
    auto_restart: bool = True
    restart_delay_ms: float = msgspec.field(default=5_000, name="restartDelay")
    max_restart_attempts: int = 5
    operation: str = "list_tools"
    tool_name: str = ""
    tool_arguments: dict[str, object] = {}
    resource_uri: str = ""
    prompt_name: str = ""
    prompt_arguments: dict[str, str] = {}
    http_path: str = ""
    http_method: str = "GET"
    expected_status: int = 200
    expected_content: str = ""


class OAuthConfig(_Section):
    """OAuth towards an upstream (R10 to R12)."""

    enabled: bool = False
    issuer: str = ""


class UpstreamConfig(_Section):
    """One entry of ``mcpServers``. ``name`` is its key there."""

    name: str = ""
    enabled: bool = True
    transport: TransportName | None = None  # None: probe the url (protocol 3.3)
    url: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    working_directory: str = ""
    headers: dict[str, str] = {}
    authentication: AuthenticationConfig = AuthenticationConfig()
    oauth: OAuthConfig = OAuthConfig()
    verify_ssl: bool = True
    timeout: float = 60.0
    retry_attempts: int = 3
    retry_delay_ms: float = msgspec.field(default=1_000, name="retryDelay")
    health_check: HealthCheckConfig = HealthCheckConfig()
    tool_namespace: str | None = None  # None: the server's name, or none (R118)
    resource_namespace: str | None = None
    prompt_namespace: str | None = None
    priority: int = 100
    tags: tuple[str, ...] = ()
    log_level: str = "ERROR"
    stale_after: float = 900.0
    wait_for_restart: float = 0.0
    max_in_flight: int = 64
    interactive: bool | None = None  # None: see protocol 4.1
    roots: tuple[str, ...] = ()


class AuthConfig(_Section):
    """Who may come in (decision 3)."""

    mode: Literal["jwt", "none"] = "jwt"
    issuer: str = ""
    audience: tuple[str, ...] = ()
    jwks_url: str = ""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    required_scopes: tuple[str, ...] = ()
    leeway: float = 30.0
    allow_id_tokens: bool = False
    strict_type: bool = False


class LimitsConfig(_Section):
    """Bounds on what peers may make the bridge hold (protocol 10)."""

    body_bytes: int = 4 * 2**20
    upstream_message_bytes: int = 16 * 2**20
    sessions: int = 1000
    sessions_per_principal: int = 50
    calls_per_session: int = 32
    outbox_frames: int = 256
    outbox_bytes: int = 8 * 2**20
    mailbox: int = 256
    connections: int = 4000
    session_idle: float = 1800.0


class AggregationConfig(_Section):
    tools: bool = True
    resources: bool = True
    prompts: bool = True


class FailoverConfig(_Section):
    enabled: bool = True
    max_failures: int = 3
    recovery_interval_ms: float = msgspec.field(
        default=60_000, name="recoveryInterval"
    )


class ConfigReloadConfig(_Section):
    enabled: bool = True
    debounce_ms: float = msgspec.field(default=1_000, name="debounceMs")
    validate_only: bool = False


class BridgeConfig(_Section):
    """The ``bridge`` section."""

    host: str = "127.0.0.1"
    port: int = 8080
    oauth_port: int = msgspec.field(default=8090, name="oauth_port")
    public_url: str = ""
    auth: AuthConfig = AuthConfig()
    limits: LimitsConfig = LimitsConfig()
    conflict_resolution: ConflictResolution = "namespace"
    default_namespace: bool = True
    separator: str = "__"
    aggregation: AggregationConfig = AggregationConfig()
    failover: FailoverConfig = FailoverConfig()
    config_reload: ConfigReloadConfig = ConfigReloadConfig()
    drain_timeout: float = 30.0
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    log_level: str = "INFO"
    log_format: Literal["auto", "json", "console"] = "auto"
    forward_logs: bool = False
    page_size: int = 0


class Config(_Section):
    """The whole configuration, checked."""

    upstreams: tuple[UpstreamConfig, ...] = ()  # in file order, disabled ones included
    bridge: BridgeConfig = BridgeConfig()
