"""The configuration the simulated bridge starts with, and its random edits."""

import random
from typing import Any

from msgspec.structs import replace

from bridge.config.model import (
    AuthConfig,
    BridgeConfig,
    Config,
    FailoverConfig,
    HealthCheckConfig,
    LimitsConfig,
    UpstreamConfig,
)
from sim.chance import Lot
from sim.http_server import HttpServer
from sim.scenario import EXTRA, GUARDED, STDIO, STEADY, WEB, Plan
from sim.vault import Vault
from sim.visit import HOST, PORT

CALL_TIMEOUT = 6.0
#: Commands that cannot be started, and addresses where nobody is.
GHOST, NOWHERE = "ghost", "nowhere"
#: Secrets of the configuration, each for its own upstream alone.
STDIO_SECRET, WEB_SECRET = "canary-3f9c2a7d51", "canary-8be04d6c92"

LIMITS = LimitsConfig(
    outbox_frames=12,
    outbox_bytes=24 * 1024,
    calls_per_session=16,
    session_idle=10.0,
    mailbox=64,
)

EDITS: Lot[str] = Lot(
    [
        ("reload adds", 4),
        ("reload removes", 3),
        ("reload changes", 6),
        ("reload changes the steady one", 8),
        ("reload reorders", 3),
        ("reload disables", 3),
        ("reload of the same", 2),
        ("reload adds what cannot start", 3),
        ("reload needs a restart", 1),
    ]
)


def base_config(plan: Plan, *, auth: AuthConfig, vault: Vault) -> Config:
    """What the bridge starts with, and what the file says in the end."""
    secret = {"API_KEY": STDIO_SECRET}
    stdio = [upstream(name, command=name) for name in STDIO if name != "git"]
    git = upstream("git", command="git", env=secret)
    web = upstream(
        WEB,
        url=HttpServer.url,
        transport="streamablehttp",
        headers={"X-Api-Key": WEB_SECRET},
    )
    behind = [upstream(name, **vault.settings(name)) for name in GUARDED]
    return Config(
        upstreams=(*stdio, git, web, *behind),
        bridge=BridgeConfig(
            host=HOST,
            port=PORT,
            auth=auth,
            limits=LIMITS,
            failover=FailoverConfig(recovery_interval_ms=2000),
            drain_timeout=plan.drain,
        ),
    )


def upstream(name: str, **settings: Any) -> UpstreamConfig:
    return UpstreamConfig(
        name=name,
        timeout=CALL_TIMEOUT,
        retry_delay_ms=200,
        health_check=HealthCheckConfig(
            interval_ms=4000,
            timeout_ms=1500,
            keep_alive_interval_ms=4000,
            keep_alive_timeout_ms=1500,
            max_consecutive_failures=2,
            restart_delay_ms=200,
            max_restart_attempts=4,
        ),
        **settings,
    )


def edited(  # noqa: C901 - one case per edit
    config: Config, edit: str, rng: random.Random
) -> Config:
    """The configuration after one edit; it may be the same."""
    ups = list(config.upstreams)
    others = [each for each in ups if each.name != STEADY]
    chosen = rng.choice(others)
    match edit:
        case "reload adds":
            fresh = upstream(EXTRA, command=EXTRA, priority=rng.randint(1, 9))
            ups = [each for each in ups if each.name != EXTRA]
            ups.insert(rng.randint(0, len(ups)), fresh)
        case "reload adds what cannot start":
            ups = [each for each in ups if each.name not in {GHOST, NOWHERE}]
            ups.append(_hopeless(rng))
        case "reload removes":
            ups.remove(chosen)
        case "reload changes":
            ups[ups.index(chosen)] = _changed(chosen, rng)
        case "reload changes the steady one":
            (steady,) = (each for each in ups if each.name == STEADY)
            ups[ups.index(steady)] = _changed(steady, rng)
        case "reload disables":
            turned = replace(chosen, enabled=not chosen.enabled)
            ups[ups.index(chosen)] = turned
        case "reload reorders":
            rng.shuffle(ups)
        case "reload needs a restart":
            bridge = replace(config.bridge, page_size=rng.randint(10, 99))
            return replace(config, bridge=bridge)
        case _:
            pass
    return replace(config, upstreams=tuple(ups))


def _changed(config: UpstreamConfig, rng: random.Random) -> UpstreamConfig:
    return replace(config, retry_delay_ms=rng.randint(100, 400))


def _hopeless(rng: random.Random) -> UpstreamConfig:
    if rng.random() < 0.5:
        return upstream(GHOST, command=GHOST)
    return upstream(NOWHERE, url="http://nowhere.test/mcp", transport="streamablehttp")
