"""Configurations for tests: written as data, loaded as the program loads them."""

import json
from collections.abc import Mapping
from typing import Any

from bridge.config.load import Loaded, load_config
from bridge.config.model import BridgeConfig, UpstreamConfig
from bridge.config.overlay import Overrides
from bridge.errors import ConfigError, Problem

OPEN: dict[str, Any] = {"auth": {"mode": "none"}}
LOCAL: dict[str, Any] = {"command": "server"}
REMOTE: dict[str, Any] = {"url": "https://mcp.example.com/mcp"}


def load(
    servers: Any,
    bridge: Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    overrides: Overrides | None = None,
    **more: Any,
) -> Loaded:
    """Load a file with these two sections; authentication is off unless said."""
    text = json.dumps({"mcpServers": servers, "bridge": {**OPEN, **(bridge or {})}})
    return load_text(text, env=env, overrides=overrides, **more)


def load_text(
    text: str,
    *,
    env: Mapping[str, str] | None = None,
    overrides: Overrides | None = None,
    **more: Any,
) -> Loaded:
    return load_config(
        text.encode(),
        source="config.json",
        environment=env or {},
        overrides=overrides,
        **more,
    )


def one_server(config: Mapping[str, Any], **more: Any) -> UpstreamConfig:
    """The one server, loaded without an error."""
    loaded = load({"one": config}, **more)
    assert not errors(loaded.problems), [str(p) for p in loaded.problems]
    return loaded.config.upstreams[0]


def one_bridge(section: Mapping[str, Any], **more: Any) -> BridgeConfig:
    return load({"one": LOCAL}, dict(section), **more).config.bridge


def server_problems(config: Any, **more: Any) -> list[str]:
    """What is said of the one server, as ``path: reason (hint)``."""
    loaded = load({"one": config}, **more)
    return [str(problem) for problem in loaded.problems]


def refusal(
    servers: Any, bridge: Mapping[str, Any] | None = None, **more: Any
) -> list[str]:
    """The errors with which loading is refused."""
    try:
        load(servers, bridge, **more)
    except ConfigError as error:
        return errors(error.problems)
    raise AssertionError("the configuration was accepted")


def errors(problems: tuple[Problem, ...]) -> list[str]:
    return [str(problem) for problem in problems if problem.fatal]
