"""From one configured upstream to its account."""

from bridge.config.client_identity import client_metadata_url, redirect_uri
from bridge.config.model import BridgeConfig, UpstreamConfig
from bridge.http import HttpClients
from bridge.oauth.address import host_of, http_url
from bridge.oauth.settings import OAuthSettings
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import Ports
from bridge.upstream.account import Account, World
from bridge.upstream.login import Reception
from bridge.upstream.token_store import TokenStore
from bridge.upstream.turns import Turns


def settings_of(config: UpstreamConfig, bridge: BridgeConfig) -> OAuthSettings:
    """What the configuration says about the login to ``config``."""
    oauth = config.oauth
    return OAuthSettings(
        name=config.name,
        server_url=http_url(config.url),
        grant=oauth.grant,
        issuer=oauth.issuer,
        pin_issuer=oauth.pin_issuer,
        client_id=oauth.client_id,
        client_secret=oauth.client_secret,
        auth_method=oauth.token_endpoint_auth_method,
        private_key=oauth.private_key,
        key_id=oauth.key_id,
        signing_algorithm=oauth.signing_algorithm,
        client_metadata_url=oauth.client_metadata_url
        or client_metadata_url(bridge.public_url),
        client_name=oauth.client_name,
        client_uri=oauth.client_uri,
        scopes=oauth.scopes,
        additional_params=oauth.additional_params,
        authorization_url=oauth.authorization_url,
        token_url=oauth.token_url,
        registration_url=oauth.registration_url,
        allow_unadvertised_pkce=oauth.allow_unadvertised_pkce,
        redirect_uri=redirect_uri(oauth.redirect_host, bridge.oauth_port),
    )


def open_account(
    config: UpstreamConfig,
    bridge: BridgeConfig,
    *,
    ports: Ports,
    http: HttpClients,
    store: TokenStore,
    reception: Reception,
    log: Log,
    turns: Turns | None = None,
) -> Account:
    """The account at ``config``; nothing is asked yet."""
    oauth = config.oauth
    if not oauth.verify_ssl:
        log.emit(events.TLS_VERIFICATION_DISABLED, upstream=config.name, scope="oauth")
    named = (
        oauth.issuer,
        oauth.authorization_url,
        oauth.token_url,
        oauth.registration_url,
    )
    guarded = http.guarded(
        server_host=host_of(config.url),
        trusted_hosts=frozenset(host_of(url) for url in named if url),
    )
    world = World(
        fetcher=guarded.fetcher(verify=oauth.verify_ssl),
        reception=reception,
        entropy=ports.entropy,
        clock=ports.clock,
        shelf=store.shelf(name=config.name, url=http_url(config.url)),
        turns=turns or Turns(rng=ports.entropy.random),
    )
    return Account(settings_of(config, bridge), world, log=log)
