"""The secrets a configuration holds, so that the log can be told to hide them. Pure."""

import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import urlsplit

from bridge.config.model import Config, UpstreamConfig

#: A variable or header whose name says that its value is one.
_TELLING = re.compile(
    r"auth|cookie|credential|key|pass|secret|token|signature", re.IGNORECASE
)


def secrets_of(config: Config) -> Iterator[str]:
    """Every value that must not be shown (threats D15), of all servers."""
    for upstream in config.upstreams:
        yield from filter(None, _secrets(upstream))


def _secrets(upstream: UpstreamConfig) -> Iterator[str]:
    static = upstream.authentication
    yield from (static.token, static.key, static.password)
    if static.password:
        pair = f"{static.username}:{static.password}"
        yield b64encode(pair.encode()).decode("ascii")
    yield upstream.oauth.client_secret
    yield upstream.oauth.private_key
    for named in (upstream.env, upstream.headers):
        yield from (value for name, value in named.items() if _TELLING.search(name))
    yield urlsplit(upstream.url).query
