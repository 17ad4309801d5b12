"""One entry of ``mcpServers`` and the sections in it."""

from typing import Annotated, ClassVar, Literal

import msgspec

from bridge.config.client_identity import CLIENT_NAME
from bridge.config.section import (
    MILLISECONDS,
    NEEDED,
    PLANNED,
    Reading,
    Section,
    about,
)

TransportName = Literal["stdio", "sse", "streamablehttp", "websocket"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Share = Literal["all", "principal", "session"]
Protocol = Literal["auto", "modern", "legacy"]
Kind = Literal["read", "write", "unknown"]
Grant = Literal["authorization_code", "client_credentials", "device_code"]
AuthMethod = Literal[
    "none", "client_secret_basic", "client_secret_post", "private_key_jwt"
]
Operation = Literal[
    "list_tools",
    "list_resources",
    "list_prompts",
    "call_tool",
    "read_resource",
    "get_prompt",
    "ping",
    "health",
    "status",
]

_TRANSPORT_SPELLINGS = {
    "http": "streamablehttp",
    "streamable-http": "streamablehttp",
    "streamable_http": "streamablehttp",
    "ws": "websocket",
}
_LEVEL_SPELLINGS = {"WARN": "WARNING", "FATAL": "CRITICAL", "NOTICE": "INFO"}


class AuthenticationConfig(Section, frozen=True, kw_only=True):
    """Static credentials towards an upstream (R14)."""

    type: Annotated[
        Literal["none", "bearer", "api_key", "basic"],
        about("Kind of credential.", Reading(values={"apikey": "api_key"})),
    ] = "none"
    token: Annotated[str, about("Token of `bearer`.", NEEDED)] = ""
    key: Annotated[str, about("Key of `api_key`.", NEEDED)] = ""
    header: Annotated[str, about("Header that carries the key of `api_key`.")] = (
        "X-API-Key"
    )
    username: Annotated[str, about("User of `basic`.", NEEDED)] = ""
    password: Annotated[str, about("Password of `basic`.", NEEDED)] = ""


class HealthCheckConfig(Section, frozen=True, kw_only=True):
    """Probes of one upstream (R15)."""

    enabled: Annotated[bool, about("Probe this server.")] = True
    interval_ms: Annotated[float, about("Time between probes (ms).", gt=0)] = (
        msgspec.field(default=30_000, name="interval")
    )
    timeout_ms: Annotated[float, about("Deadline of a probe (ms).", gt=0)] = (
        msgspec.field(default=5_000, name="timeout")
    )
    keep_alive_interval_ms: Annotated[
        float, about("Time between keep-alive pings (ms).", gt=0)
    ] = msgspec.field(default=60_000, name="keepAliveInterval")
    keep_alive_timeout_ms: Annotated[
        float, about("Deadline of a keep-alive ping (ms).", gt=0)
    ] = msgspec.field(default=10_000, name="keepAliveTimeout")
    max_consecutive_failures: Annotated[
        int, about("Failed probes before a reconnect.", ge=1)
    ] = 3
    auto_restart: Annotated[bool, about("Reconnect after a lost connection.")] = True
    restart_delay_ms: Annotated[
        float, about("Base of the backoff after a lost connection (ms).", ge=0)
    ] = msgspec.field(default=5_000, name="restartDelay")
    max_restart_attempts: Annotated[
        int,
        about("Attempts before the slow retry (`failover.recoveryInterval`).", ge=0),
    ] = 5
    operation: Annotated[Operation, about("What a probe does.")] = "list_tools"
    tool_name: Annotated[str, about("Tool of `call_tool`.")] = ""
    tool_arguments: Annotated[dict[str, object], about("Arguments of `call_tool`.")] = (
        msgspec.field(default_factory=dict[str, object])
    )
    resource_uri: Annotated[str, about("Resource of `read_resource`.")] = ""
    prompt_name: Annotated[str, about("Prompt of `get_prompt`.")] = ""
    prompt_arguments: Annotated[dict[str, str], about("Arguments of `get_prompt`.")] = (
        msgspec.field(default_factory=dict[str, str])
    )
    http_path: Annotated[
        str, about("Path asked by `health` and `status` on the server's own origin.")
    ] = ""
    http_method: Annotated[
        Literal["GET", "HEAD", "POST"], about("Method of that request.")
    ] = "GET"
    expected_status: Annotated[
        int, about("Status that request must get.", ge=100, le=599)
    ] = 200
    expected_content: Annotated[
        str, about("Text its body must contain; empty: anything.")
    ] = ""

    @property
    def interval(self) -> float:
        return self.interval_ms / MILLISECONDS

    @property
    def timeout(self) -> float:
        return self.timeout_ms / MILLISECONDS

    @property
    def keep_alive_interval(self) -> float:
        return self.keep_alive_interval_ms / MILLISECONDS

    @property
    def keep_alive_timeout(self) -> float:
        return self.keep_alive_timeout_ms / MILLISECONDS

    @property
    def restart_delay(self) -> float:
        return self.restart_delay_ms / MILLISECONDS


class OAuthConfig(Section, frozen=True, kw_only=True, rename=None):
    """OAuth towards an upstream (R10 to R12)."""

    enabled: Annotated[bool, about("Log in to this server with OAuth.")] = False
    issuer: Annotated[
        str,
        about("Authorization server. Empty: discovered (R12).", NEEDED),
    ] = ""
    pin_issuer: Annotated[
        bool,
        about("Refuse an advertised authorization server other than `issuer` (R74)."),
    ] = True
    type: Annotated[
        Literal["dynamic", "static", "passthrough"],
        about(
            "`dynamic`: the client registers itself; `static`: `client_id` is used; "
            "`passthrough` is read and treated as `dynamic` (a client's own token is "
            "never forwarded)."
        ),
    ] = "dynamic"
    client_id: Annotated[str, about("Client registered beforehand.", NEEDED)] = ""
    client_secret: Annotated[str, about("Its secret, if any.", NEEDED)] = ""
    client_name: Annotated[str, about("Name sent at registration.")] = CLIENT_NAME
    client_uri: Annotated[str, about("Home page sent at registration.")] = ""
    scopes: Annotated[
        tuple[str, ...],
        about(
            "Scopes to ask for. Empty: what the server names (R92).", Reading(split="")
        ),
    ] = ()
    additional_params: Annotated[
        dict[str, str],
        about(
            "More parameters of the authorization request (R90). An empty `resource` "
            "keeps that parameter away from providers that refuse it.",
            NEEDED,
        ),
    ] = msgspec.field(default_factory=dict[str, str])
    authorization_url: Annotated[
        str, about("Authorization endpoint, instead of discovery.", NEEDED)
    ] = ""
    token_url: Annotated[
        str, about("Token endpoint, instead of discovery.", NEEDED)
    ] = ""
    registration_url: Annotated[
        str, about("Registration endpoint, instead of discovery.", NEEDED)
    ] = ""
    grant: Annotated[
        Grant,
        about(
            "How a token is got: `authorization_code` (a person, in a browser), "
            "`device_code` (a person, on any device), `client_credentials` (nobody)."
        ),
    ] = "authorization_code"
    token_endpoint_auth_method: Annotated[
        AuthMethod | None,
        about("How the client proves itself. Absent: what fits client and provider."),
    ] = None
    private_key: Annotated[
        str,
        about("Key of `private_key_jwt`, as PEM text: best through `${VAR}`.", NEEDED),
    ] = ""
    key_id: Annotated[str, about("`kid` of that key at the provider.")] = ""
    signing_algorithm: Annotated[
        str, about("Algorithm of that key. Empty: what fits it, such as ES256.")
    ] = ""
    client_metadata_url: Annotated[
        str,
        about(
            "Client id metadata document to log in as, where the provider takes "
            "one. Absent: the bridge's own, if `bridge.publicUrl` is https.",
            NEEDED,
        ),
    ] = ""
    verify_ssl: Annotated[
        bool, about("Verify certificates of the OAuth endpoints (R64).")
    ] = True
    allow_unadvertised_pkce: Annotated[
        bool, about("Accept a provider whose metadata does not list PKCE S256 (R82).")
    ] = False
    redirect_host: Annotated[
        Literal["127.0.0.1", "localhost"],
        about("Host in the redirect address (R86)."),
    ] = "127.0.0.1"
    keep_alive_interval_ms: Annotated[
        float, about("Read for older files; the bridge paces itself (ms).", gt=0)
    ] = msgspec.field(default=20_000, name="keep_alive_interval")
    token_refresh_interval_ms: Annotated[
        float, about("Read for older files; refresh follows the token (ms).", gt=0)
    ] = msgspec.field(default=1_800_000, name="token_refresh_interval")
    connection_check_interval_ms: Annotated[
        float, about("Read for older files; `healthCheck` decides (ms).", gt=0)
    ] = msgspec.field(default=10_000, name="connection_check_interval")

    @property
    def keep_alive_interval(self) -> float:
        return self.keep_alive_interval_ms / MILLISECONDS

    @property
    def token_refresh_interval(self) -> float:
        return self.token_refresh_interval_ms / MILLISECONDS

    @property
    def connection_check_interval(self) -> float:
        return self.connection_check_interval_ms / MILLISECONDS


class ToolSecurityConfig(Section, frozen=True, kw_only=True, rename=None):
    """Which tools may be seen and called (R128), by their own or by the shown name."""

    strict = True

    allow_patterns: Annotated[
        tuple[str, ...],
        about("Patterns of the tools that are allowed. Empty: all.", NEEDED),
    ] = ()
    block_patterns: Annotated[
        tuple[str, ...], about("Patterns of tools that are refused.", NEEDED)
    ] = ()
    allow_tools: Annotated[
        tuple[str, ...],
        about(
            "Names that are allowed whatever the patterns say. Without any pattern "
            "beside it, the whole list of what is allowed.",
            NEEDED,
        ),
    ] = ()
    block_tools: Annotated[
        tuple[str, ...],
        about("Names that are refused; nothing overrides this.", NEEDED),
    ] = ()
    classification_overrides: Annotated[
        dict[str, Kind],
        about("Tool name to its kind, before annotations and names are asked."),
    ] = msgspec.field(default_factory=dict[str, Kind])


class SecurityConfig(Section, frozen=True, kw_only=True, rename=None):
    """Limits on what may be done (R128)."""

    strict = True

    read_only_mode: Annotated[
        bool | None,
        about("Only tools that read. Absent: as the level above."),
    ] = None
    tool_security: Annotated[
        ToolSecurityConfig, about("Which tools may be seen and called.")
    ] = ToolSecurityConfig()


class UpstreamConfig(Section, frozen=True, kw_only=True):
    """One entry of ``mcpServers``. ``name`` is its key there."""

    not_in_file: ClassVar[frozenset[str]] = frozenset({"name"})

    name: Annotated[str, about("The server's key in `mcpServers`.")] = ""
    enabled: Annotated[bool, about("Connect to this server.")] = True
    transport: Annotated[
        TransportName | None,
        about(
            "How to reach it. Absent: `stdio` with `command`, else found out by asking "
            "the `url`.",
            Reading(aliases=("transportType", "type"), values=_TRANSPORT_SPELLINGS),
        ),
    ] = None  # None: probe the url (protocol 3.3)
    url: Annotated[str, about("Address of a network server.", NEEDED)] = ""
    command: Annotated[str, about("Program of a local (`stdio`) server.", NEEDED)] = ""
    args: Annotated[tuple[str, ...], about("Its arguments.", NEEDED)] = ()
    env: Annotated[
        dict[str, str],
        about("Environment it gets besides a minimal one.", NEEDED),
    ] = msgspec.field(default_factory=dict[str, str])
    working_directory: Annotated[
        str, about("Folder it runs in.", Reading(aliases=("cwd",), needed=True))
    ] = msgspec.field(default="", name="working_directory")
    headers: Annotated[
        dict[str, str], about("Headers of every request to it.", NEEDED)
    ] = msgspec.field(default_factory=dict[str, str])
    authentication: Annotated[AuthenticationConfig, about("Static credentials.")] = (
        AuthenticationConfig()
    )
    oauth: Annotated[
        OAuthConfig,
        about("OAuth; network servers only.", Reading(aliases=("oauth_config",))),
    ] = OAuthConfig()
    verify_ssl: Annotated[
        bool,
        about(
            "Verify the server's certificate (R64).", Reading(aliases=("verifySSL",))
        ),
    ] = msgspec.field(default=True, name="verify_ssl")
    timeout: Annotated[
        float,
        about(
            "Idle deadline of a call (s); progress re-arms it. Its maximum is five "
            "times that, at least 300 s.",
            gt=0,
        ),
    ] = 60.0
    retry_attempts: Annotated[
        int, about("Quick attempts at the first connection.", ge=0)
    ] = 3
    retry_delay_ms: Annotated[
        float, about("Pause between them, and base of the backoff (ms).", ge=0)
    ] = msgspec.field(default=1_000, name="retryDelay")
    health_check: Annotated[HealthCheckConfig, about("Probes and restarts.")] = (
        HealthCheckConfig()
    )
    tool_namespace: Annotated[
        str | None,
        about(
            "Prefix of its tools; empty: names unchanged. Absent: the server's name, "
            "where `bridge.defaultNamespace` is on."
        ),
    ] = None
    resource_namespace: Annotated[
        str | None, about("Prefix of its resources' names, never of URIs.")
    ] = None
    prompt_namespace: Annotated[str | None, about("Prefix of its prompts.")] = None
    priority: Annotated[int, about("Lower wins under `priority` resolution.")] = 100
    tags: Annotated[tuple[str, ...], about("Labels for the tag routes.")] = ()
    log_level: Annotated[
        LogLevel,
        about("Least level logged of its output.", Reading(values=_LEVEL_SPELLINGS)),
    ] = msgspec.field(default="ERROR", name="log_level")
    stale_after: Annotated[
        float,
        about("How long a lost server's last catalog stays listed (s).", ge=0),
    ] = 900.0
    wait_for_restart: Annotated[
        float,
        about("How long a call waits for a restart (s); 0 fails fast.", ge=0),
    ] = 0.0
    repeat_calls: Annotated[
        Literal["unsent", "idempotent"],
        about(
            "Calls the bridge repeats by itself when a connection is lost. `unsent`: "
            "only those that were provably not sent; `idempotent`: once more also "
            "what reads, and tools the server marks read-only or idempotent."
        ),
    ] = "unsent"
    max_in_flight: Annotated[int, about("Calls in flight at once.", ge=1)] = 64
    rate_limit: Annotated[
        float,
        about(
            "Calls per second to this server, of all clients; 0 is off. A call whose "
            "turn comes within a second waits for it, others are refused with the time "
            "to wait.",
            ge=0,
        ),
    ] = 0.0
    share: Annotated[
        Share,
        about("Who shares a connection to it.", PLANNED),
    ] = "all"
    protocol: Annotated[
        Protocol, about("Protocol era. `auto` finds it out by asking.", PLANNED)
    ] = "auto"
    interactive: Annotated[
        bool | None,
        about("Offer it sampling and elicitation. Absent: yes, where owners are sure."),
    ] = None  # None: see protocol 4.1
    roots: Annotated[
        tuple[str, ...], about("Roots it is told of (`file://` or paths).", NEEDED)
    ] = ()
    pin: Annotated[
        bool | None,
        about(
            "Hold back definitions of its tools and prompts that change, or are new, "
            "until `bridge tool approve`. Absent: as `bridge.pin` says."
        ),
    ] = None
    read_only_mode: Annotated[
        bool | None,
        about("Only its tools that read. Absent: as `bridge.read_only_mode` says."),
    ] = msgspec.field(default=None, name="read_only_mode")
    tool_security: Annotated[
        ToolSecurityConfig, about("Which of its tools may be used.")
    ] = msgspec.field(default=ToolSecurityConfig(), name="tool_security")
    security: Annotated[SecurityConfig, about("The same two in one section.")] = (
        SecurityConfig()
    )

    @property
    def retry_delay(self) -> float:
        return self.retry_delay_ms / MILLISECONDS
