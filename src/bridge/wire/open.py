"""From one configured upstream to the transport that reaches it."""

from bridge.config.model import LimitsConfig, UpstreamConfig
from bridge.errors import ConfigError
from bridge.http import HttpClients
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import Ports
from bridge.wire.credentials import with_static
from bridge.wire.environment import child_environment
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.link import BearerSource, Transport
from bridge.wire.probe import ProbeTransport
from bridge.wire.sse import SseTransport
from bridge.wire.stdio import Command, StdioTransport
from bridge.wire.streamable_http import StreamableHttpTransport
from bridge.wire.websocket import WebSocketTransport


def transport_for(
    config: UpstreamConfig,
    *,
    ports: Ports,
    http: HttpClients,
    bearer: BearerSource,
    log: Log,
    limits: LimitsConfig,
) -> Transport:
    """The transport of ``config``; nothing is opened yet.

    ``bearer`` says what every HTTP request, and a WebSocket's handshake, carries beside
    the configured headers and is asked each time; its names win.
    Raises `ConfigError` for a transport that lacks its address.
    """
    log = log.bind(upstream=config.name)
    if config.transport == "stdio" or not config.url:
        return _stdio(config, ports=ports, log=log, limits=limits)
    upstream = HttpUpstream(
        config.url,
        name=config.name,
        clients=http,
        headers=with_static(config, bearer.headers),
        bearer=bearer,
        log=log,
        frame_bytes=limits.upstream_message_bytes,
        verify=config.verify_ssl,
        max_in_flight=config.max_in_flight,
        rng=ports.entropy.random,
    )
    if not config.verify_ssl:
        log.emit(
            events.TLS_VERIFICATION_DISABLED, upstream=config.name, scope="connection"
        )
    match config.transport:
        case "streamablehttp":
            return StreamableHttpTransport(upstream)
        case "sse":
            return SseTransport(upstream)
        case "websocket":
            return WebSocketTransport(upstream, network=ports.network)
        case _:
            return ProbeTransport(
                StreamableHttpTransport(upstream), SseTransport(upstream)
            )


def _stdio(
    config: UpstreamConfig, *, ports: Ports, log: Log, limits: LimitsConfig
) -> StdioTransport:
    if not config.command:
        raise ConfigError(f"'{config.name}' has neither a command nor a url")
    env = child_environment(
        ports.environment, config.env, name=config.name, log_level=config.log_level
    )
    return StdioTransport(
        Command(
            command=config.command,
            args=config.args,
            env=env,
            cwd=config.working_directory or None,
        ),
        name=config.name,
        processes=ports.processes,
        log=log,
        frame_bytes=limits.upstream_message_bytes,
    )
